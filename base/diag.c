#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

int dcd_diag_set(struct dcd_diag *diag, int err, const char *format, ...)
{
	if (diag == NULL) {
		return err;
	}
	va_list args;
	va_start(args, format);
	(void)vsnprintf(diag->text, sizeof diag->text, format, args);
	va_end(args);
	dcd_utf8_clean(diag->text);
	diag->err = err;
	return err;
}

int dcd_diag_prefix(struct dcd_diag *diag, int err, const char *format, ...)
{
	if (diag == NULL) {
		return err;
	}
	char prefix[DCD_DIAG_TEXT];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(prefix, sizeof prefix, format, args);
	va_end(args);
	dcd_utf8_clean(prefix);

	/* Shift the old sentence right, as much of it as still fits behind "prefix: ". */
	size_t room = sizeof diag->text - 1;
	size_t used = strnlen(prefix, room - 2);
	size_t kept = strnlen(diag->text, room - used - 2);
	memmove(diag->text + used + 2, diag->text, kept);
	memcpy(diag->text, prefix, used);
	memcpy(diag->text + used, ": ", 2);
	diag->text[used + 2 + kept] = '\0';
	dcd_utf8_clean(diag->text); /* the cut may be within a character */
	diag->err = err;
	return err;
}
