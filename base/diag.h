/*
 * The sentence that goes with an error: what, where, what to do next. Hosted code only; the freestanding core returns bare
 * codes. A caller that passes a null diag gets the code alone.
 */
#ifndef DCD_BASE_DIAG_H
#define DCD_BASE_DIAG_H

#include "base/err.h"

#define DCD_DIAG_TEXT 512

struct dcd_diag {
	int err;
	char text[DCD_DIAG_TEXT];
};

/*
 * Records a sentence and returns `err`, so that a failing path is one statement:
 *	return dcd_diag_set(diag, DCD_ERR_HASH, "%s: SHA-256 differs from the signed one", path);
 * Control characters and what is no UTF-8 are replaced by '?': what an attacker named must not reach a terminal as a control
 * sequence, nor break a JSON report.
 */
int dcd_diag_set(struct dcd_diag *diag, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "`prefix`: " before the recorded sentence; returns the recorded code, or `err` where diag is null. */
int dcd_diag_prefix(struct dcd_diag *diag, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
