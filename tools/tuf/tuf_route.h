/* Metadata and targets may come from different places: two sources behind one. */
#ifndef DCD_TOOLS_TUF_ROUTE_H
#define DCD_TOOLS_TUF_ROUTE_H

#include "base/source.h"

#define TUF_ROUTE_METADATA "metadata/"
#define TUF_ROUTE_TARGETS "targets/"

struct tuf_route {
	struct dcd_source base;
	struct dcd_source *metadata;
	struct dcd_source *targets; /* may be null */
};

/* Both are URLs or folders; `target_url` may be null. */
DCD_NODISCARD int tuf_route_open(const char *metadata_url, const char *target_url, struct tuf_route *ret, struct dcd_diag *diag);
void tuf_route_close(struct tuf_route *route);

#endif
