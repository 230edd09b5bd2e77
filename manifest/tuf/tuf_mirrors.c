/*
 * The signed mirror list: "x-decade-mirrors" of the stored targets metadata. It says where else the same repository may be found,
 * and so nothing that has to be true: whatever comes from there is verified like everything else.
 */
#include <string.h>
#include <strings.h>

#include "manifest/tuf/tuf_store.h"

static bool url_ok(const char *url)
{
	if (url == NULL || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)) {
		return false;
	}
	for (const char *c = url; *c != '\0'; c++) {
		if (*c <= 0x20 || *c >= 0x7f) {
			return false;
		}
	}
	return strlen(url) <= DCD_TUF_MIRROR_URL_MAX;
}

static int each_url(const struct dcd_json *list, int (*each)(void *context, const char *url), void *context)
{
	int result = 0;
	unsigned given = 0;
	for (size_t i = 0; result == 0 && given < DCD_TUF_MIRRORS_MAX && i < dcd_json_count(list); i++) {
		const char *url = dcd_json_string(dcd_json_item(list, i));
		/* What this program can't use may be for another one. */
		if (url_ok(url)) {
			given++;
			result = each(context, url);
		}
	}
	return result;
}

static int stored_mirrors(struct dcd_tuf *tuf, int (*each)(void *context, const char *url), void *context, struct dcd_diag *diag)
{
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *targets = NULL;
	int err = tuf_root_stored(tuf, diag);
	if (err == 0) {
		err = tuf_store_load_role(tuf, TUF_ROLE_TARGETS, DCD_TUF_TARGETS_MAX, &bytes, &targets, diag);
	}
	if (err != 0 || targets == NULL) {
		return err;
	}
	const struct dcd_json *list = dcd_json_member(targets->body, "x-decade-mirrors");
	return dcd_json_is_array(list) ? each_url(list, each, context) : 0;
}

int dcd_tuf_stored_mirrors(const struct dcd_tuf_options *options, int (*each)(void *context, const char *url), void *context,
			   struct dcd_diag *diag)
{
	struct dcd_tuf *tuf = NULL;
	int err = dcd_tuf_new(options, &tuf, diag);
	if (err == 0) {
		err = stored_mirrors(tuf, each, context, diag);
	}
	dcd_tuf_free(tuf);
	return err;
}
