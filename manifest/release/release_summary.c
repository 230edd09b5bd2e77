#include <stdio.h>
#include <string.h>

#include "manifest/release/release_parse.h"

static int check_path(const struct dcd_release_summary *summary, struct dcd_diag *diag)
{
	char expected[sizeof "releases/.json" + DCD_RELEASE_STRING_MAX];
	(void)snprintf(expected, sizeof expected, "releases/%s.json", summary->version);
	if (strcmp(expected, summary->path) != 0) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: the metadata calls it release %s, which belongs at %s",
				    summary->path, summary->version, expected);
	}
	return 0;
}

static int read_facts(const struct dcd_json *facts, struct dcd_release_summary *ret, struct dcd_diag *diag)
{
	int err = release_get_name(facts, "version", ret->path, &ret->version, diag);
	if (err == 0) {
		err = release_get_name(facts, "channel", ret->path, &ret->channel, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(facts, "sequence_number", ret->path, 1, INT64_MAX, &ret->sequence_number, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(facts, "security_version", ret->path, 0, INT64_MAX, &ret->security_version, diag);
	}
	if (err == 0) {
		err = release_get_optional_name(facts, "requires_version", ret->path, &ret->requires_version, diag);
	}
	if (err == 0) {
		err = release_get_boards(facts, ret->path, &ret->boards, diag);
	}
	return err != 0 ? err : check_path(ret, diag);
}

int dcd_release_summarize(const struct dcd_tuf_target *target, struct dcd_release_summary *ret, struct dcd_diag *diag)
{
	const struct dcd_json *facts = dcd_json_member(target->custom, "decade");
	const char *kind = dcd_json_string(dcd_json_member(facts, "kind"));
	if (kind == NULL || strcmp(kind, "release") != 0) {
		return dcd_diag_set(diag, DCD_ERR_UNLISTED, "%s: the signed metadata doesn't list it as a release", target->path);
	}
	struct dcd_release_summary summary = { .path = target->path };
	int err = read_facts(facts, &summary, diag);
	if (err == 0) {
		*ret = summary;
	}
	return err;
}

bool dcd_release_summary_fits(const struct dcd_release_summary *summary, const char *board)
{
	size_t count = dcd_json_count(summary->boards);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(dcd_json_string(dcd_json_item(summary->boards, i)), board) == 0) {
			return true;
		}
	}
	return count == 0;
}
