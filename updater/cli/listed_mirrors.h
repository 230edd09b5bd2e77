/* The mirrors that the repository itself lists, for when those of the configuration don't serve any more. */
#ifndef DCD_UPDATER_CLI_LISTED_MIRRORS_H
#define DCD_UPDATER_CLI_LISTED_MIRRORS_H

#include "updater/cli/device.h"

/* The HTTP options of the configuration. */
struct dcd_source_http_options dcd_http_options_of(const struct dcd_config *config);

/* For dcd_source_mirrors_more(), with the device as its context: what the stored, verified metadata lists, less what is
 * configured. */
size_t dcd_listed_mirrors(void *context, struct dcd_source **ret, size_t max);

#endif
