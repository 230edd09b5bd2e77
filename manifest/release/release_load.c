#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/release/release_parse.h"

/* Both are signed; that they say the same makes sure that what was chosen by the one is what the other installs. */
static int check_agreement(const struct dcd_release *release, const struct dcd_release_summary *summary, struct dcd_diag *diag)
{
	const char *differs = strcmp(release->version, summary->version) != 0          ? "version"
			      : strcmp(release->channel, summary->channel) != 0        ? "channel"
			      : release->sequence_number != summary->sequence_number   ? "sequence_number"
			      : release->security_version != summary->security_version ? "security_version"
										       : NULL;
	if (differs != NULL) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: its \"%s\" is not what the targets metadata says",
				    summary->path, differs);
	}
	return 0;
}

int dcd_release_load(struct dcd_tuf *tuf, const struct dcd_tuf_target *target, struct dcd_release **ret, struct dcd_diag *diag)
{
	struct dcd_release_summary summary;
	DCD_AUTO_FREE uint8_t *data = NULL;
	DCD_CLEANUP(dcd_release_freep) struct dcd_release *release = NULL;
	size_t len = 0;
	int err = dcd_release_summarize(target, &summary, diag);
	if (err == 0) {
		err = dcd_tuf_load_target(tuf, target, DCD_RELEASE_MANIFEST_MAX, &data, &len, diag);
	}
	if (err == 0) {
		err = release_parse(data, len, target->path, &release, diag);
	}
	if (err == 0) {
		err = check_agreement(release, &summary, diag);
	}
	if (err == 0) {
		*ret = release;
		release = NULL;
	}
	return err;
}
