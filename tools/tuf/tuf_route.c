#include "tools/tuf/tuf_route.h"

#include <string.h>

#include "updater/source/source_open.h"

static struct dcd_source *route_to(const struct tuf_route *route, const char **path)
{
	if (strncmp(*path, TUF_ROUTE_METADATA, strlen(TUF_ROUTE_METADATA)) == 0) {
		*path += strlen(TUF_ROUTE_METADATA);
		return route->metadata;
	}
	*path += strncmp(*path, TUF_ROUTE_TARGETS, strlen(TUF_ROUTE_TARGETS)) == 0 ? strlen(TUF_ROUTE_TARGETS) : 0;
	return route->targets;
}

static int route_fetch(struct dcd_source *source, const char *path, uint64_t max, struct dcd_sink *sink, struct dcd_diag *diag)
{
	const char *below = path;
	struct dcd_source *to = route_to((struct tuf_route *)source, &below);
	return to == NULL ? dcd_diag_set(diag, DCD_ERR_NOT_FOUND, "%s: no place to fetch targets from", path)
			  : to->ops->fetch(to, below, max, sink, diag);
}

static const struct dcd_source_ops route_ops = { .fetch = route_fetch };

int tuf_route_open(const char *metadata_url, const char *target_url, struct tuf_route *ret, struct dcd_diag *diag)
{
	struct tuf_route route = { .base = { .ops = &route_ops, .name = metadata_url } };
	int err = dcd_source_open(metadata_url, NULL, &route.metadata, diag);
	if (err == 0 && target_url != NULL) {
		err = dcd_source_open(target_url, NULL, &route.targets, diag);
	}
	if (err != 0) {
		tuf_route_close(&route);
		return err;
	}
	*ret = route;
	return 0;
}

static void close_one(struct dcd_source **source)
{
	if (*source != NULL) {
		(*source)->ops->close(*source);
		*source = NULL;
	}
}

void tuf_route_close(struct tuf_route *route)
{
	close_one(&route->metadata);
	close_one(&route->targets);
}
