/* A repository folder as a source for the client code that checks it; optionally with prepared files laid over it. */
#ifndef DCD_TOOLS_REPO_SOURCE_H
#define DCD_TOOLS_REPO_SOURCE_H

#include "base/diag.h"
#include "base/source.h"

struct repo_source {
	struct dcd_source base;
	const char *over; /* looked at first; may be null */
	const char *root;
};

/* Copies the pointers. Needs no closing. */
void repo_source_init(struct repo_source *source, const char *over, const char *root);

#endif
