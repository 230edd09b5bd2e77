#include "tools/delta/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

static int refuse(struct dcd_diag *diag, const char *path, const char *what)
{
	int err = errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? DCD_ERR_NO_SPACE : DCD_ERR_IO;
	return dcd_diag_set(diag, err, "%s: cannot be %s: %s", path, what, strerror(errno));
}

int dcd_new_file_create(const char *path, struct dcd_new_file *ret, struct dcd_diag *diag)
{
	char *temporary;
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory");
	}
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		int err = refuse(diag, path, "created");
		free(temporary);
		return err;
	}
	*ret = (struct dcd_new_file){ fd, path, temporary };
	return 0;
}

/* The new name is only durable once the folder is. */
static int folder_sync(const char *path)
{
	DCD_AUTO_FREE char *copy = strdup(path);
	if (copy == NULL) {
		errno = ENOMEM;
		return -1;
	}
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return -1;
	}
	int result = fsync(fd);
	/* Some file systems have no fsync for folders, and need none. */
	result = result != 0 && errno == EINVAL ? 0 : result;
	close(fd);
	return result;
}

int dcd_new_file_commit(struct dcd_new_file *file, struct dcd_diag *diag)
{
	int err = 0;
	mode_t mask = umask(0);
	umask(mask);
	if (fchmod(file->fd, 0666 & ~mask) != 0 || fsync(file->fd) != 0 || rename(file->temporary, file->path) != 0) {
		err = refuse(diag, file->path, "stored");
		dcd_new_file_drop(file);
		return err;
	}
	free(file->temporary);
	file->temporary = NULL;
	/* The file again: on FAT it is empty under its new name until it is synced there. */
	if (fsync(file->fd) != 0 || folder_sync(file->path) != 0) {
		err = refuse(diag, file->path, "made durable");
	}
	close(file->fd);
	file->fd = -1;
	return err;
}

void dcd_new_file_drop(struct dcd_new_file *file)
{
	if (file->temporary != NULL) {
		(void)unlink(file->temporary);
		free(file->temporary);
		file->temporary = NULL;
		close(file->fd);
		file->fd = -1;
	}
}
