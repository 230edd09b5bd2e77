#include "tools/tuf/tuf_place.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "updater/journal/dir_posix.h"

/* "7.root.json" is root.json, "7.root.json.new" root.json.new. */
static const char *plain_name(const char *name)
{
	size_t digits = strspn(name, "0123456789");
	const char *rest = name + digits + 1;
	return digits > 0 && name[digits] == '.' && strncmp(rest, "root.json", strlen("root.json")) == 0 ? rest : name;
}

static struct dcd_dir *folder_of(struct dcd_dir *dir)
{
	return ((struct tuf_place *)dir)->folder;
}

static int place_read(struct dcd_dir *dir, const char *name, void *buf, size_t capacity, size_t *ret_len)
{
	if (plain_name(name) != name) {
		return DCD_ERR_NOT_FOUND; /* the one that there is, is where the client began */
	}
	return folder_of(dir)->ops->read(folder_of(dir), name, buf, capacity, ret_len);
}

static int place_write(struct dcd_dir *dir, const char *name, const void *data, size_t len)
{
	return folder_of(dir)->ops->write(folder_of(dir), plain_name(name), data, len);
}

static int place_sync(struct dcd_dir *dir, const char *name)
{
	return folder_of(dir)->ops->sync(folder_of(dir), plain_name(name));
}

static int place_rename(struct dcd_dir *dir, const char *from, const char *to)
{
	return folder_of(dir)->ops->rename(folder_of(dir), plain_name(from), plain_name(to));
}

static int place_remove(struct dcd_dir *dir, const char *name)
{
	return folder_of(dir)->ops->remove(folder_of(dir), plain_name(name));
}

static int place_sync_dir(struct dcd_dir *dir)
{
	return folder_of(dir)->ops->sync_dir(folder_of(dir));
}

static const struct dcd_dir_ops place_ops = {
	.read = place_read,
	.write = place_write,
	.sync = place_sync,
	.rename = place_rename,
	.remove = place_remove,
	.sync_dir = place_sync_dir,
};

int tuf_place_open(const char *path, struct tuf_place *ret, struct dcd_diag *diag)
{
	if (mkdir(path, 0777) != 0 && errno != EEXIST) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: can't be made: %s", path, strerror(errno));
	}
	struct tuf_place place = { .base = { .ops = &place_ops, .name = path } };
	int err = dcd_dir_posix_open(path, &place.folder, diag);
	if (err == 0) {
		*ret = place;
	}
	return err;
}

void tuf_place_close(struct tuf_place *place)
{
	if (place->folder != NULL) {
		place->folder->ops->close(place->folder);
		place->folder = NULL;
	}
}
