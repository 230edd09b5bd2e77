#include "tools/repo/repo_bases.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "tools/repo/repo_text.h"

static char *full_path(const char *repo, const struct dcd_release_image *base)
{
	char below[DCD_RELEASE_PAYLOAD_PATH_SIZE];
	dcd_release_payload_path(dcd_release_payload_find(base, NULL), below);
	return repo_text("%s/targets/%s", repo, below);
}

/* The same image in several releases is one base. */
static bool is_listed(const struct repo_base *bases, size_t count, const struct dcd_hash *id)
{
	for (size_t i = 0; i < count; i++) {
		if (dcd_hash_equal(&bases[i].image->image_id, id)) {
			return true;
		}
	}
	return false;
}

static enum repo_delta_fate fate_of(const char *repo, const struct dcd_release_image *base, uint32_t segment_size, size_t number)
{
	if (base->segment_size != segment_size) {
		return REPO_DELTA_SEGMENT_SIZE;
	}
	DCD_AUTO_FREE char *path = full_path(repo, base);
	if (!repo_file_exists(path)) {
		return REPO_DELTA_NO_BASE;
	}
	/* One place is the full payload's. */
	return number + 1 < DCD_RELEASE_PAYLOADS_MAX ? REPO_DELTA_KEPT : REPO_DELTA_TOO_MANY;
}

struct repo_base *repo_bases_list(const struct repo_view *view, const char *repo, const char *class_name, uint64_t count,
				  uint32_t segment_size, size_t *ret_count)
{
	struct repo_base *bases = repo_alloc(view->release_count, sizeof *bases);
	size_t found = 0, makable = 0;
	for (size_t i = 0; i < view->release_count && i < count; i++) {
		const struct repo_view_release *earlier = &view->releases[i];
		const struct dcd_release_image *base = dcd_release_image_find(earlier->release, class_name);
		if (base == NULL || base->size == 0 || is_listed(bases, found, &base->image_id)) {
			continue;
		}
		enum repo_delta_fate fate = fate_of(repo, base, segment_size, makable);
		makable += fate == REPO_DELTA_KEPT ? 1U : 0U;
		bases[found++] = (struct repo_base){ base, earlier->summary.version, fate };
	}
	*ret_count = found;
	return bases;
}

int repo_base_open(const char *repo, const struct dcd_release_image *base, struct repo_payload *ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *path = full_path(repo, base);
	return repo_payload_open(path, base, dcd_release_payload_find(base, NULL), ret, diag);
}
