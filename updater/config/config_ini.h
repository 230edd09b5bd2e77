/* INI syntax, the one adapter around inih. */
#ifndef DCD_UPDATER_CONFIG_CONFIG_INI_H
#define DCD_UPDATER_CONFIG_CONFIG_INI_H

#include "updater/config/config_keys.h"

/* Hands every section and key of the text to the builder, which it stops at its first error. DCD_ERR_CONFIG or what the builder
 * returned. */
DCD_NODISCARD int dcd_config_ini_read(const char *text, size_t len, struct dcd_config_builder *builder);

#endif
