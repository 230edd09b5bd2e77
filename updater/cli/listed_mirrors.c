#include "updater/cli/listed_mirrors.h"

#include <string.h>

#include "manifest/tuf/tuf.h"
#include "updater/source/source_open.h"

struct listing {
	const struct dcd_config *config;
	struct dcd_source **ret;
	size_t max;
	size_t count;
};

struct dcd_source_http_options dcd_http_options_of(const struct dcd_config *config)
{
	struct dcd_source_http_options http = dcd_source_http_defaults();
	http.retries = config->retries;
	http.connect_timeout_ms = config->timeout_s * 1000;
	http.stall_timeout_ms = config->stall_timeout_s * 1000;
	return http;
}

static int add_mirror(void *context, const char *url)
{
	struct listing *listing = context;
	const struct dcd_source_http_options http = dcd_http_options_of(listing->config);
	bool known = listing->count == listing->max;
	for (size_t i = 0; i < listing->config->url_count; i++) {
		known = known || strcmp(listing->config->urls[i], url) == 0;
	}
	/* A repository, never a bundle: that would be a stream where ranges are wanted. */
	if (!known && dcd_source_kind(url) == DCD_SOURCE_SERVER &&
	    dcd_source_open(url, &http, &listing->ret[listing->count], NULL) == 0) {
		listing->count++;
	}
	return 0;
}

size_t dcd_listed_mirrors(void *context, struct dcd_source **ret, size_t max)
{
	const struct dcd_device *device = context;
	struct listing listing = { .config = device->config, .ret = ret, .max = max };
	const struct dcd_tuf_options options = { .store = device->metadata_dir,
						 .factory_root = device->factory_root,
						 .factory_root_len = device->engine.factory_root_len };
	/* Without a list the configured ones are all there are: the fetch says what is wrong with those. */
	(void)!dcd_tuf_stored_mirrors(&options, add_mirror, &listing, NULL);
	return listing.count;
}
