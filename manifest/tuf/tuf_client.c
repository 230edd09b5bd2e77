/* The client workflow (§5) as a whole; its steps are in the files of the roles. */
#include <stdio.h>
#include <string.h>

#include "manifest/tuf/tuf_state.h"

const char *tuf_role_name(enum tuf_role_index role)
{
	static const char *const names[TUF_ROLE_COUNT] = { "root", "timestamp", "snapshot", "targets" };
	return names[role];
}

int tuf_check_expiry(struct dcd_tuf *tuf, const char *role, const struct tuf_metadata *metadata, const char *what,
		     struct dcd_diag *diag)
{
	if (metadata->expires > tuf->start_time) {
		return 0;
	}
	if (tuf->options.expiry == DCD_EXPIRY_ENFORCE) {
		return dcd_diag_set(diag, DCD_ERR_EXPIRED,
				    "%s: expired %s; the repository needs fresh signatures, or this clock is wrong", what,
				    metadata->expires_text);
	}
	size_t used = strlen(tuf->stale);
	(void)snprintf(tuf->stale + used, sizeof tuf->stale - used, "%s%.64s expired %s", used > 0 ? ", " : "", role,
		       metadata->expires_text);
	return 0;
}

int dcd_tuf_new(const struct dcd_tuf_options *options, struct dcd_tuf **ret, struct dcd_diag *diag)
{
	struct dcd_tuf *tuf = calloc(1, sizeof *tuf);
	if (tuf == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a TUF client");
	}
	tuf->options = *options;
	*ret = tuf;
	return 0;
}

static void forget_metadata(struct dcd_tuf *tuf)
{
	tuf_delegated_free(tuf);
	tuf_metadata_free(tuf->targets);
	tuf_metadata_free(tuf->snapshot);
	tuf_metadata_free(tuf->timestamp);
	tuf_root_free(tuf->root);
	tuf->targets = NULL;
	tuf->snapshot = NULL;
	tuf->timestamp = NULL;
	tuf->root = NULL;
	tuf->stale[0] = '\0';
	tuf->damaged[0] = '\0';
}

void dcd_tuf_free(struct dcd_tuf *tuf)
{
	if (tuf != NULL) {
		forget_metadata(tuf);
		free(tuf);
	}
}

int dcd_tuf_refresh(struct dcd_tuf *tuf, struct dcd_diag *diag)
{
	forget_metadata(tuf);
	tuf->start_time = tuf->options.start_time;
	int err = tuf_root_update(tuf, diag);
	if (err == 0) {
		err = tuf_clock_floor(tuf, diag);
	}
	if (err == 0) {
		err = tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_ROOT), tuf->root->metadata, "the newest root", diag);
	}
	if (err == 0) {
		err = tuf_timestamp_update(tuf, diag);
	}
	if (err == 0) {
		err = tuf_snapshot_update(tuf, diag);
	}
	if (err == 0) {
		err = tuf_targets_update(tuf, diag);
	}
	if (err != 0) {
		/* Half a refresh vouches for nothing. */
		forget_metadata(tuf);
	}
	return err;
}

const char *dcd_tuf_stale(const struct dcd_tuf *tuf)
{
	return tuf->stale[0] == '\0' ? NULL : tuf->stale;
}

const char *dcd_tuf_damaged(const struct dcd_tuf *tuf)
{
	return tuf->damaged[0] == '\0' ? NULL : tuf->damaged;
}

void dcd_tuf_versions(const struct dcd_tuf *tuf, struct dcd_tuf_versions *ret)
{
	*ret = (struct dcd_tuf_versions){
		.root = tuf->root == NULL ? 0 : tuf->root->metadata->version,
		.timestamp = tuf->timestamp == NULL ? 0 : tuf->timestamp->version,
		.snapshot = tuf->snapshot == NULL ? 0 : tuf->snapshot->version,
		.targets = tuf->targets == NULL ? 0 : tuf->targets->version,
	};
}
