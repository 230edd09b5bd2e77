/* Results, for people and for programs. */
#ifndef DCD_UPDATER_CLI_SHOW_H
#define DCD_UPDATER_CLI_SHOW_H

#include <stdbool.h>

#include "manifest/json/json.h"
#include "updater/cli/device.h"

void dcd_show_status(const struct dcd_device *device, const struct dcd_device_state *state, const struct dcd_boot_state *boot, bool json);

/* After check: err is 0 or what dcd_engine_check() returned. */
void dcd_show_check(const struct dcd_report *report, int err, const struct dcd_diag *diag, bool json);

/* After install or repair. */
void dcd_show_install(const struct dcd_report *report, int err, const struct dcd_diag *diag, double seconds, bool json);

/* Prints a JSON document and frees it; null: it couldn't be made for want of memory. */
void dcd_show_document(struct dcd_json *document);

/* After a command that only says whether it worked: with --json one object on stdout. */
void dcd_show_done(const char *command, int err, const struct dcd_diag *diag, bool json);

#endif
