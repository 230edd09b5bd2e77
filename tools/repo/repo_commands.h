/* The sub-commands. Each returns 0 or an error with its sentence in `diag`. */
#ifndef DCD_TOOLS_REPO_COMMANDS_H
#define DCD_TOOLS_REPO_COMMANDS_H

#include "base/diag.h"
#include "tools/repo/repo_options.h"
#include "tools/repo/repo_place.h"

DCD_NODISCARD int repo_init(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag);
DCD_NODISCARD int repo_release(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag);
DCD_NODISCARD int repo_plan(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag);
DCD_NODISCARD int repo_work(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag);
DCD_NODISCARD int repo_refresh(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag);
DCD_NODISCARD int repo_rotate(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag);
DCD_NODISCARD int repo_delegate(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag);
DCD_NODISCARD int repo_check(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag);
DCD_NODISCARD int repo_bundle(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag);
DCD_NODISCARD int repo_extract(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag);
DCD_NODISCARD int repo_list(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag);

#endif
