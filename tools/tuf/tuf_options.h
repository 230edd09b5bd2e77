/* The command line of decade-tuf. */
#ifndef DCD_TOOLS_TUF_OPTIONS_H
#define DCD_TOOLS_TUF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/diag.h"
#include "manifest/tuf/tuf.h"

#define TUF_TARGET_NAMES_MAX 1024

enum tuf_command { TUF_COMMAND_INIT, TUF_COMMAND_REFRESH, TUF_COMMAND_DOWNLOAD };

/* Strings belong to the command line; null where they weren't given and aren't needed. */
struct tuf_options {
	enum tuf_command command;
	const char *metadata_dir;
	const char *metadata_url;
	const char *target_base_url;
	const char *target_dir;
	const char *trusted_root; /* init */
	const char *target_names[TUF_TARGET_NAMES_MAX];
	size_t target_count;
	enum dcd_expiry expiry;
	bool help;
	bool version;
};

DCD_NODISCARD int tuf_options_parse(int argc, char **argv, struct tuf_options *ret, struct dcd_diag *diag);

#endif
