/* Runs a maker's program with bounds on its time and its output. */
#ifndef DCD_UPDATER_BOOT_BOOT_PROGRAM_H
#define DCD_UPDATER_BOOT_BOOT_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

/* What goes in and comes out of one call. */
struct dcd_boot_call {
	const char *program; /* path */
	const char *verb;    /* its one argument */
	const char *input;   /* on its stdin, and then the end of the file */
	size_t input_len;    /* at most 4096: it has to fit into a pipe */
	uint32_t timeout_s;
	char *output; /* its stdout */
	size_t capacity;
	size_t ret_len;
};

/*
 * 0 when the program has ended with 0. DCD_ERR_HOST, with the first line that it wrote to stderr: it could not be started, ended
 * otherwise, printed more than fits, or ran too long (it is then killed, with all of its process group).
 */
DCD_NODISCARD int dcd_boot_program_run(struct dcd_boot_call *call, struct dcd_diag *diag);

#endif
