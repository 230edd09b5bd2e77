/*
 * Error codes of every Decade library.
 *
 * A function returns 0 or one negative code of `enum dcd_err`. The list is append-only inside its groups: the numbers and
 * the names are written to journals and reports, and must mean the same ten years from now.
 */
#ifndef DCD_BASE_ERR_H
#define DCD_BASE_ERR_H

#define DCD_NODISCARD __attribute__((warn_unused_result))

enum dcd_err {
	DCD_OK = 0,

	/* Ours, or the caller's. */
	DCD_ERR_BUG = -1,         /* what a result starts as; seeing it means a path forgot to set one */
	DCD_ERR_NO_MEMORY = -2,
	DCD_ERR_USAGE = -3,       /* the caller or the command line asked for what makes no sense */
	DCD_ERR_CONFIG = -4,      /* the configuration can't be used */
	DCD_ERR_CANCELLED = -5,   /* somebody asked us to stop */
	DCD_ERR_EXISTS = -6,      /* would replace something that must not be replaced */
	DCD_ERR_UP_TO_DATE = -7,  /* nothing to do */
	DCD_ERR_HOST = -8,        /* the operating system refused something that has no code of its own */

	/* Not authentic. */
	DCD_ERR_MALFORMED = -20,         /* does not parse, or breaks a structural rule */
	DCD_ERR_SIGNATURE = -21,         /* too few valid signatures */
	DCD_ERR_HASH = -22,
	DCD_ERR_SIZE = -23,              /* shorter or longer than what was signed, or over a fixed bound */
	DCD_ERR_METADATA_ROLLBACK = -24, /* a metadata version fell */
	DCD_ERR_EXPIRED = -25,
	DCD_ERR_UNSUPPORTED = -26,       /* authentic perhaps, but needs a newer reader than this one */
	DCD_ERR_UNLISTED = -27,          /* the signed metadata doesn't name it */

	/* Refused by policy. */
	DCD_ERR_DOWNGRADE = -40,
	DCD_ERR_WRONG_PRODUCT = -41,
	DCD_ERR_WRONG_BOARD = -42,
	DCD_ERR_STEPPING_STONE = -43,
	DCD_ERR_NOT_OUR_TURN = -44,
	DCD_ERR_DEFERRED = -45,
	DCD_ERR_KNOWN_BAD = -46,
	DCD_ERR_WRONG_CLASSES = -47,     /* the release's image classes are not the slot's */
	DCD_ERR_WRONG_CHANNEL = -48,     /* all that the source holds is for another channel */

	/* The source. */
	DCD_ERR_UNREACHABLE = -60,
	DCD_ERR_NOT_FOUND = -61,
	DCD_ERR_BROKEN_OFF = -62,        /* ended early, stalled, or timed out */
	DCD_ERR_SOURCE_LIES = -63,       /* answered something that its protocol doesn't allow */
	DCD_ERR_FORBIDDEN = -64,         /* not for us; some object stores say so of what they don't have */

	/* Storage. */
	DCD_ERR_IO = -80,
	DCD_ERR_SLOT_TOO_SMALL = -81,
	DCD_ERR_NO_SPACE = -82,
	DCD_ERR_READ_BACK = -83,         /* the medium did not keep what was written */
	DCD_ERR_WRONG_BASE = -84,        /* an authentic delta came out wrong: the base isn't what it should be */

	/* The device's state. */
	DCD_ERR_BUSY = -100,
	DCD_ERR_NOT_CONFIRMED = -101,
	DCD_ERR_NO_OTHER_SLOT = -102,
	DCD_ERR_BOOT_STATE = -103,
	DCD_ERR_JOURNAL = -104,
	DCD_ERR_NOTHING_STAGED = -105,
	DCD_ERR_UNKNOWN_CONTENT = -106,  /* the slot has no record to compare with */
};

/* The exit code of a program that ends with `err` (0..9; the table is in docs/exit-codes.md). */
int dcd_err_exit_code(int err);

/* A stable, machine-readable name such as "hash-mismatch". Never null. */
const char *dcd_err_name(int err);

/* The code of a name that dcd_err_name() gave, or DCD_ERR_BUG for an unknown one. */
int dcd_err_from_name(const char *name);

#endif
