#include "updater/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "updater/config/config_ini.h"
#include "updater/config/config_keys.h"

#define ID_FILE_MAX 4096U

/* A whole file of at most `max` bytes; the caller frees it. */
static int load_text(const char *path, size_t max, char **ret, size_t *ret_len, struct dcd_diag *diag)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		return dcd_diag_set(diag, DCD_ERR_CONFIG, "%s can't be opened: %s", path, strerror(errno));
	}
	char *text = malloc(max + 1);
	size_t len = 0;
	ssize_t got = 1;
	int error = 0;
	while (text != NULL && got > 0 && len <= max) {
		got = read(fd, text + len, max + 1 - len);
		if (got < 0 && errno == EINTR) {
			got = 1;
			continue;
		}
		error = got < 0 ? errno : 0;
		len += got > 0 ? (size_t)got : 0;
	}
	(void)close(fd);
	if (text == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to read %s", path);
	}
	if (error != 0 || len > max) {
		free(text);
		return error != 0 ? dcd_diag_set(diag, DCD_ERR_CONFIG, "%s can't be read: %s", path, strerror(error))
				  : dcd_diag_set(diag, DCD_ERR_CONFIG, "%s has more than %zu bytes", path, max);
	}
	*ret = text;
	*ret_len = len;
	return 0;
}

int dcd_config_parse(const char *text, size_t len, const char *path, struct dcd_config **ret, struct dcd_diag *diag)
{
	DCD_CLEANUP(dcd_config_freep) struct dcd_config *config = calloc(1, sizeof *config);
	if (config == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to read %s", path);
	}
	config->expiry = DCD_CONFIG_EXPIRY_ENFORCE;
	config->bundle_expiry = DCD_CONFIG_EXPIRY_REPORT;
	config->pack_memory_kib = 16384;
	config->retries = 5;
	config->timeout_s = 30;
	config->stall_timeout_s = 60;
	config->tries = 3;
	config->program_timeout_s = 10;
	struct dcd_config_builder builder = { .config = config, .path = path, .diag = diag };
	int err = dcd_config_ini_read(text, len, &builder);
	if (err == 0) {
		err = dcd_config_finish(&builder);
	}
	if (err == 0) {
		*ret = config;
		config = NULL;
	}
	return err;
}

int dcd_config_load(const char *path, struct dcd_config **ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *text = NULL;
	size_t len = 0;
	int err = load_text(path, DCD_CONFIG_SIZE_MAX, &text, &len, diag);
	return err != 0 ? err : dcd_config_parse(text, len, path, ret, diag);
}

static void slot_free(struct dcd_config_slot *slot)
{
	free(slot->name);
	free(slot->bootname);
	for (size_t i = 0; i < slot->image_count; i++) {
		free(slot->images[i].class_name);
		free(slot->images[i].path);
	}
}

void dcd_config_free(struct dcd_config *config)
{
	if (config == NULL) {
		return;
	}
	char *strings[] = { config->product,   config->compatible, config->id,   config->id_file,
			    config->state_dir, config->channel,    config->root, config->loader,
			    config->uboot_config, config->grubenv, config->entries, config->program, config->cmdline };
	for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
		free(strings[i]);
	}
	for (size_t i = 0; i < config->url_count; i++) {
		free(config->urls[i]);
	}
	for (size_t i = 0; i < DCD_SLOT_COUNT; i++) {
		slot_free(&config->slot[i]);
	}
	free(config);
}

void dcd_config_freep(struct dcd_config **config)
{
	dcd_config_free(*config);
}

int dcd_config_read_id(const struct dcd_config *config, char **ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *text = NULL;
	size_t len = 0;
	if (config->id != NULL) {
		text = strdup(config->id);
		len = strlen(config->id);
		if (text == NULL) {
			return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the device's id");
		}
	} else if (config->id_file == NULL) {
		return dcd_diag_set(diag, DCD_ERR_CONFIG, "the device has no id; set id or id-file in [device]");
	} else {
		int err = load_text(config->id_file, ID_FILE_MAX, &text, &len, diag);
		if (err != 0) {
			return err;
		}
	}
	text[len] = '\0';
	size_t used = strcspn(text, "\r\n");
	if (used == 0 || used > DCD_CONFIG_STRING_MAX) {
		return dcd_diag_set(diag, DCD_ERR_CONFIG, "%s: its first line is not an id of 1 to %d bytes", config->id_file,
				    DCD_CONFIG_STRING_MAX);
	}
	text[used] = '\0';
	*ret = text;
	text = NULL;
	return 0;
}
