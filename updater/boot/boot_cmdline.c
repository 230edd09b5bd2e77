#include "updater/boot/boot_cmdline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define KEY "decade.slot="

/* The end of the word at `text`: white space, unless it is inside of double quotes. */
static size_t word_length(const char *text, size_t len)
{
	bool quoted = false;
	size_t at = 0;
	for (; at < len; at++) {
		if (text[at] == '"') {
			quoted = !quoted;
		} else if (!quoted && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\0')) {
			break;
		}
	}
	return at;
}

static int slot_named(const char *const bootname[DCD_SLOT_COUNT], const char *text, size_t len)
{
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		if (strlen(bootname[i]) == len && memcmp(bootname[i], text, len) == 0) {
			return i;
		}
	}
	return -1;
}

int dcd_boot_cmdline_parse(const char *text, size_t len, const char *const bootname[DCD_SLOT_COUNT], const char *what,
			   int *ret_slot, struct dcd_diag *diag)
{
	static const size_t key_len = sizeof KEY - 1;
	int found = -1;
	for (size_t at = 0, word; at < len; at += word + 1) {
		word = word_length(text + at, len - at);
		if (word < key_len || memcmp(text + at, KEY, key_len) != 0) {
			continue;
		}
		int slot = slot_named(bootname, text + at + key_len, word - key_len);
		/* To guess would be to write the slot that runs. */
		if (slot < 0) {
			return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "%s: %.*s names neither slot %s nor %s", what,
					    (int)(word < 80 ? word : 80), text + at, bootname[0], bootname[1]);
		}
		if (found >= 0 && slot != found) {
			return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
					    "%s names both slots with " KEY ", so which one runs is unknown", what);
		}
		found = slot;
	}
	if (found < 0) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
				    "%s has no " KEY
				    ", so which slot runs is unknown; the boot loader has to pass it, see docs/boot.md",
				    what);
	}
	*ret_slot = found;
	return 0;
}

int dcd_boot_cmdline_read(const char *path, const char *const bootname[DCD_SLOT_COUNT], int *ret_slot, struct dcd_diag *diag)
{
	const char *file = path != NULL ? path : "/proc/cmdline";
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "%s can't be opened: %s", file, strerror(errno));
	}
	DCD_AUTO_FREE char *text = malloc(DCD_CMDLINE_MAX);
	size_t len = 0;
	ssize_t got = text == NULL ? 0 : 1;
	while (got > 0 && len < DCD_CMDLINE_MAX) {
		got = read(fd, text + len, DCD_CMDLINE_MAX - len);
		if (got < 0 && errno == EINTR) {
			got = 1;
			continue;
		}
		len += got > 0 ? (size_t)got : 0;
	}
	(void)close(fd);
	if (text == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to read %s", file);
	}
	if (got != 0) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
				    got < 0 ? "%s can't be read" : "%s is longer than a kernel's command line", file);
	}
	return dcd_boot_cmdline_parse(text, len, bootname, file, ret_slot, diag);
}
