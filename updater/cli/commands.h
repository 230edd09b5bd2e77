/* The sub-commands of `decade`, one function each, in a table. */
#ifndef DCD_UPDATER_CLI_COMMANDS_H
#define DCD_UPDATER_CLI_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/diag.h"

/* What the command line said. Strings are argv's. */
struct dcd_arguments {
	const char *config;
	bool json;
	bool no_activate;
	bool full;
	bool reinstall;
	const char *slot;
	const char *reason;
	const char *source;
};

/* Which of the options above a command takes. */
enum dcd_takes {
	DCD_TAKES_SOURCE = 1,
	DCD_TAKES_INSTALL = 2,
	DCD_TAKES_SLOT = 4,
	DCD_TAKES_REASON = 8,
};

struct dcd_command {
	const char *name;
	const char *summary;
	unsigned takes; /* enum dcd_takes */
	int (*run)(const struct dcd_arguments *arguments, struct dcd_diag *diag);
};

extern const struct dcd_command dcd_commands[];
extern const size_t dcd_command_count;

#endif
