/* Metadata whose content stays: its next version, or what is said of the present one. */
#ifndef DCD_TOOLS_REPO_RESIGN_H
#define DCD_TOOLS_REPO_RESIGN_H

#include "tools/repo/repo_signing.h"

/* The targets metadata once more, under the next version; loads the role's keys where that hasn't been done. */
DCD_NODISCARD int repo_resign_targets(struct repo_signing *signing, struct repo_publish *publish, const struct repo_view *view,
				      const struct repo_options *options, struct dcd_document_file *ret, struct dcd_diag *diag);

/* True when --mirror or --no-mirrors asks for another mirror list; repo_resign_targets() writes it. */
bool repo_resign_asked(const struct repo_options *options);

/* What the metadata above it says of a file that stays as it is. */
DCD_NODISCARD int repo_same_file(const struct repo_view *view, enum repo_role role, struct dcd_document_file *ret,
				 struct dcd_diag *diag);

#endif
