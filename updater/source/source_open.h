/* From what a person or a configuration names as the source to the source itself. */
#ifndef DCD_UPDATER_SOURCE_SOURCE_OPEN_H
#define DCD_UPDATER_SOURCE_SOURCE_OPEN_H

#include "updater/source/source_http.h"

enum dcd_source_kind {
	DCD_SOURCE_FOLDER,
	DCD_SOURCE_SERVER,        /* a repository: http or https */
	DCD_SOURCE_BUNDLE,        /* a file */
	DCD_SOURCE_BUNDLE_SERVED, /* http or https, ending in ".dcb" */
	DCD_SOURCE_BUNDLE_STREAM, /* "-", or what is neither file nor folder */
	DCD_SOURCE_UNKNOWN,       /* a scheme that nobody knows, or no text at all */
};

/*
 * What `spec` is: an http or https URL, a file:// URL of this host, a path, or "-" for a bundle on standard input. Looks whether
 * a path is a folder; what isn't there is a bundle when it ends in ".dcb".
 */
enum dcd_source_kind dcd_source_kind(const char *spec);

static inline bool dcd_source_kind_is_bundle(enum dcd_source_kind kind)
{
	return kind == DCD_SOURCE_BUNDLE || kind == DCD_SOURCE_BUNDLE_SERVED || kind == DCD_SOURCE_BUNDLE_STREAM;
}

/* Opens it; an unknown kind is DCD_ERR_CONFIG. `http` may be null for the defaults. The caller closes what it gets. */
DCD_NODISCARD int dcd_source_open(const char *spec, const struct dcd_source_http_options *http, struct dcd_source **ret,
				  struct dcd_diag *diag);

#endif
