/* decade.conf. A configuration that is accepted holds what its header promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "updater/config/config.h"

static void require(int condition)
{
	if (!condition) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dcd_config *config;
	struct dcd_diag diag;
	if (size > DCD_CONFIG_SIZE_MAX ||
	    dcd_config_parse((const char *)data, size, "/etc/decade/decade.conf", &config, &diag) != 0) {
		return 0;
	}
	require(config->product != NULL && config->compatible != NULL && config->state_dir[0] == '/' && config->channel != NULL);
	require(config->loader != NULL && config->tries >= 1 && config->tries <= DCD_TRIES_MAX &&
		config->url_count <= DCD_CONFIG_URLS_MAX);
	require(strcmp(config->slot[0].name, config->slot[1].name) < 0 &&
		config->slot[0].image_count == config->slot[1].image_count);
	for (size_t i = 0; i < config->slot[0].image_count; i++) {
		require(strcmp(config->slot[0].images[i].class_name, config->slot[1].images[i].class_name) == 0);
		require(config->slot[0].images[i].path[0] == '/' && config->slot[1].images[i].path[0] == '/');
	}
	dcd_config_free(config);
	return 0;
}
