/* The commands of decade-delta, and what their options set. */
#ifndef DCD_TOOLS_DELTA_DELTA_COMMANDS_H
#define DCD_TOOLS_DELTA_DELTA_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"

struct dcd_delta_options {
	uint32_t segment_size; /* bytes; 0: default */
	int effort;            /* 0: default */
	int threads;           /* 0: one a core */
	uint64_t max_memory;   /* bytes; 0: no bound */
	bool keep_packed;      /* take compressed blocks as they are */
	uint32_t pack_memory;  /* bytes; 0: default */
	bool json;
};

/* `old_path` null: a full payload. */
DCD_NODISCARD int dcd_delta_command_encode(const char *old_path, const char *new_path, const char *payload_path,
					   const struct dcd_delta_options *options, struct dcd_diag *diag);
DCD_NODISCARD int dcd_delta_command_id(const char *path, const struct dcd_delta_options *options, struct dcd_diag *diag);
DCD_NODISCARD int dcd_delta_command_apply(const char *old_path, const char *payload_path, const char *new_path,
					  const struct dcd_delta_options *options, struct dcd_diag *diag);
DCD_NODISCARD int dcd_delta_command_info(const char *payload_path, const struct dcd_delta_options *options,
					 struct dcd_diag *diag);

#endif
