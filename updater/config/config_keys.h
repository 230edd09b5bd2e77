/* What each key of the configuration means: takes one (section, key, value) at a time, then checks the whole. */
#ifndef DCD_UPDATER_CONFIG_CONFIG_KEYS_H
#define DCD_UPDATER_CONFIG_CONFIG_KEYS_H

#include <stdbool.h>

#include "updater/config/config.h"

struct dcd_config_builder {
	struct dcd_config *config;
	const char *path; /* of the file */
	unsigned line;    /* of the key at hand, from 1 */
	size_t slot_count;
	uint64_t seen; /* one bit for each single-valued key that was set */
	struct dcd_diag *diag;
};

/* A section begins. DCD_ERR_CONFIG for an unknown name or a third slot. */
DCD_NODISCARD int dcd_config_section(struct dcd_config_builder *builder, const char *section);

DCD_NODISCARD int dcd_config_set(struct dcd_config_builder *builder, const char *section, const char *key, const char *value);

/* All lines are in: fills defaults, sorts, and checks what concerns more than one key. */
DCD_NODISCARD int dcd_config_finish(struct dcd_config_builder *builder);

#endif
