/* `decade info`: what a bundle holds, whether it is authentic, and whether this device would take it. */
#ifndef DCD_UPDATER_CLI_INFO_H
#define DCD_UPDATER_CLI_INFO_H

#include "updater/cli/commands.h"

/* Changes nothing on the device. 0 for a bundle that verifies, whatever the device thinks of it; else why it doesn't. */
DCD_NODISCARD int dcd_run_info(const struct dcd_arguments *arguments, struct dcd_diag *diag);

#endif
