/* From what a person or a configuration names as the source to the source itself. */
#ifndef DCD_UPDATER_SOURCE_SOURCE_OPEN_H
#define DCD_UPDATER_SOURCE_SOURCE_OPEN_H

#include "updater/source/source_http.h"

/*
 * `spec` is an http or https URL, a file:// URL of this host, or the path of a folder; another scheme is DCD_ERR_CONFIG. `http`
 * may be null for the defaults. The caller closes what it gets.
 */
DCD_NODISCARD int dcd_source_open(const char *spec, const struct dcd_source_http_options *http, struct dcd_source **ret,
				  struct dcd_diag *diag);

#endif
