#include "base/err.h"

#include <stddef.h>
#include <string.h>

struct err_row {
	int err;
	int exit_code;
	const char *name;
};

static const struct err_row err_rows[] = {
	{ DCD_OK, 0, "ok" },
	{ DCD_ERR_BUG, 1, "bug" },
	{ DCD_ERR_NO_MEMORY, 1, "no-memory" },
	{ DCD_ERR_USAGE, 2, "usage" },
	{ DCD_ERR_CONFIG, 2, "configuration" },
	{ DCD_ERR_CANCELLED, 1, "cancelled" },
	{ DCD_ERR_EXISTS, 1, "exists" },
	{ DCD_ERR_UP_TO_DATE, 3, "up-to-date" },
	{ DCD_ERR_HOST, 1, "host" },
	{ DCD_ERR_MALFORMED, 5, "malformed" },
	{ DCD_ERR_SIGNATURE, 5, "signature" },
	{ DCD_ERR_HASH, 5, "hash-mismatch" },
	{ DCD_ERR_SIZE, 5, "size-mismatch" },
	{ DCD_ERR_METADATA_ROLLBACK, 5, "metadata-rollback" },
	{ DCD_ERR_EXPIRED, 5, "expired" },
	{ DCD_ERR_UNSUPPORTED, 5, "unsupported" },
	{ DCD_ERR_UNLISTED, 5, "unlisted" },
	{ DCD_ERR_DOWNGRADE, 4, "downgrade" },
	{ DCD_ERR_WRONG_PRODUCT, 4, "wrong-product" },
	{ DCD_ERR_WRONG_BOARD, 4, "wrong-board" },
	{ DCD_ERR_STEPPING_STONE, 4, "stepping-stone" },
	{ DCD_ERR_NOT_OUR_TURN, 4, "not-our-turn" },
	{ DCD_ERR_DEFERRED, 4, "deferred" },
	{ DCD_ERR_KNOWN_BAD, 4, "known-bad" },
	{ DCD_ERR_WRONG_CLASSES, 4, "wrong-classes" },
	{ DCD_ERR_WRONG_CHANNEL, 4, "wrong-channel" },
	{ DCD_ERR_UNREACHABLE, 6, "unreachable" },
	{ DCD_ERR_NOT_FOUND, 6, "not-found" },
	{ DCD_ERR_FORBIDDEN, 6, "forbidden" },
	{ DCD_ERR_BROKEN_OFF, 6, "broken-off" },
	{ DCD_ERR_SOURCE_LIES, 6, "source-lies" },
	{ DCD_ERR_IO, 7, "io" },
	{ DCD_ERR_SLOT_TOO_SMALL, 7, "slot-too-small" },
	{ DCD_ERR_NO_SPACE, 7, "no-space" },
	{ DCD_ERR_READ_BACK, 7, "read-back" },
	{ DCD_ERR_WRONG_BASE, 7, "wrong-base" },
	{ DCD_ERR_BUSY, 8, "busy" },
	{ DCD_ERR_NOT_CONFIRMED, 9, "not-confirmed" },
	{ DCD_ERR_NO_OTHER_SLOT, 9, "no-other-slot" },
	{ DCD_ERR_BOOT_STATE, 9, "boot-state" },
	{ DCD_ERR_JOURNAL, 9, "journal" },
	{ DCD_ERR_NOTHING_STAGED, 9, "nothing-staged" },
	{ DCD_ERR_UNKNOWN_CONTENT, 9, "unknown-content" },
};

static const struct err_row *err_find(int err)
{
	for (size_t i = 0; i < sizeof err_rows / sizeof err_rows[0]; i++) {
		if (err_rows[i].err == err) {
			return &err_rows[i];
		}
	}
	return &err_rows[1];
}

int dcd_err_exit_code(int err)
{
	return err_find(err)->exit_code;
}

const char *dcd_err_name(int err)
{
	return err_find(err)->name;
}

int dcd_err_from_name(const char *name)
{
	for (size_t i = 0; i < sizeof err_rows / sizeof err_rows[0]; i++) {
		if (strcmp(err_rows[i].name, name) == 0) {
			return err_rows[i].err;
		}
	}
	return DCD_ERR_BUG;
}
