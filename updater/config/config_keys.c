#include "updater/config/config_keys.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define SLOT_PREFIX "slot "

enum value_kind { KIND_NAME, KIND_PATH, KIND_URL, KIND_EXPIRY, KIND_NUMBER };

struct key {
	const char *section;
	const char *name;
	enum value_kind kind;
	size_t offset; /* of the member in struct dcd_config */
	uint32_t min;  /* KIND_NUMBER: a uint32_t member, or uint8_t where max fits one and `small` is set */
	uint32_t max;
	bool small;
};

#define MEMBER(name) offsetof(struct dcd_config, name)

static const struct key keys[] = {
	{ "device", "product", KIND_NAME, MEMBER(product), 0, 0, false },
	{ "device", "compatible", KIND_NAME, MEMBER(compatible), 0, 0, false },
	{ "device", "id", KIND_NAME, MEMBER(id), 0, 0, false },
	{ "device", "id-file", KIND_PATH, MEMBER(id_file), 0, 0, false },
	{ "device", "state-dir", KIND_PATH, MEMBER(state_dir), 0, 0, false },
	{ "device", "pack-memory-kib", KIND_NUMBER, MEMBER(pack_memory_kib), 0, 1U << 20, false },
	{ "source", "url", KIND_URL, 0, 0, 0, false },
	{ "source", "channel", KIND_NAME, MEMBER(channel), 0, 0, false },
	{ "source", "root", KIND_PATH, MEMBER(root), 0, 0, false },
	{ "source", "expiry", KIND_EXPIRY, MEMBER(expiry), 0, 0, false },
	{ "source", "bundle-expiry", KIND_EXPIRY, MEMBER(bundle_expiry), 0, 0, false },
	{ "source", "retries", KIND_NUMBER, MEMBER(retries), 0, 100, false },
	{ "source", "timeout-s", KIND_NUMBER, MEMBER(timeout_s), 1, 3600, false },
	{ "source", "stall-timeout-s", KIND_NUMBER, MEMBER(stall_timeout_s), 1, 3600, false },
	{ "boot", "loader", KIND_NAME, MEMBER(loader), 0, 0, false },
	{ "boot", "tries", KIND_NUMBER, MEMBER(tries), 1, DCD_TRIES_MAX, true },
	{ "boot", "uboot-config", KIND_PATH, MEMBER(uboot_config), 0, 0, false },
	{ "boot", "grubenv", KIND_PATH, MEMBER(grubenv), 0, 0, false },
	{ "boot", "entries", KIND_PATH, MEMBER(entries), 0, 0, false },
	{ "boot", "program", KIND_PATH, MEMBER(program), 0, 0, false },
	{ "boot", "program-timeout-s", KIND_NUMBER, MEMBER(program_timeout_s), 1, 600, false },
	{ "boot", "cmdline", KIND_PATH, MEMBER(cmdline), 0, 0, false },
};
#define KEY_COUNT (sizeof keys / sizeof keys[0])
_Static_assert(KEY_COUNT <= 64, "one bit of `seen` for each key");

static int refuse(struct dcd_config_builder *b, const char *what, const char *value)
{
	return dcd_diag_set(b->diag, DCD_ERR_CONFIG, "%s:%u: %s '%s'", b->path, b->line, what, value);
}

static int no_memory(struct dcd_config_builder *b)
{
	return dcd_diag_set(b->diag, DCD_ERR_NO_MEMORY, "no memory to read %s", b->path);
}

static int set_name(struct dcd_config_builder *b, char **ret, const char *value)
{
	size_t len = strlen(value);
	if (len == 0 || len > DCD_CONFIG_STRING_MAX) {
		return refuse(b, "a value must have 1 to 128 bytes, not this:", value);
	}
	for (const char *c = value; *c != '\0'; c += dcd_utf8_length(c)) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f || dcd_utf8_length(c) == 0) {
			return refuse(b, "a control character, or what is no UTF-8, in the value", value);
		}
	}
	*ret = strdup(value);
	return *ret == NULL ? no_memory(b) : 0;
}

/* Relative to the configuration file's folder, whatever the working folder is. */
static int set_path(struct dcd_config_builder *b, char **ret, const char *value)
{
	const char *slash = strrchr(b->path, '/');
	size_t folder_len = value[0] == '/' || slash == NULL ? 0 : (size_t)(slash - b->path) + 1;
	size_t len = strlen(value);
	if (len == 0 || len >= PATH_MAX || folder_len >= PATH_MAX - len) {
		return refuse(b, "a path that is empty or too long:", value);
	}
	char *path = malloc(folder_len + len + 1);
	if (path == NULL) {
		return no_memory(b);
	}
	memcpy(path, b->path, folder_len);
	memcpy(path + folder_len, value, len + 1);
	*ret = path;
	return 0;
}

static int add_url(struct dcd_config_builder *b, const char *value)
{
	struct dcd_config *config = b->config;
	if (config->url_count == DCD_CONFIG_URLS_MAX) {
		return refuse(b, "more than 8 sources; drop", value);
	}
	char *url = NULL;
	int err;
	if (strstr(value, "://") == NULL) {
		err = set_path(b, &url, value);
	} else {
		url = strdup(value);
		err = url == NULL ? no_memory(b) : 0;
	}
	if (err == 0) {
		config->urls[config->url_count++] = url;
	}
	return err;
}

static int set_expiry(struct dcd_config_builder *b, enum dcd_config_expiry *ret, const char *value)
{
	if (strcmp(value, "enforce") == 0) {
		*ret = DCD_CONFIG_EXPIRY_ENFORCE;
	} else if (strcmp(value, "report") == 0) {
		*ret = DCD_CONFIG_EXPIRY_REPORT;
	} else {
		return refuse(b, "expiry is 'enforce' or 'report', not", value);
	}
	return 0;
}

static int set_number(struct dcd_config_builder *b, const struct key *key, void *member, const char *value)
{
	size_t digits = strspn(value, "0123456789");
	uint32_t number = 0;
	bool ok = digits > 0 && digits <= 9 && value[digits] == '\0';
	for (size_t i = 0; ok && i < digits; i++) {
		number = number * 10 + (uint32_t)(value[i] - '0');
	}
	if (!ok || number < key->min || number > key->max) {
		return dcd_diag_set(b->diag, DCD_ERR_CONFIG, "%s:%u: %s is a number from %u to %u, not '%s'", b->path, b->line,
				    key->name, (unsigned)key->min, (unsigned)key->max, value);
	}
	if (key->small) {
		*(uint8_t *)member = (uint8_t)number;
	} else {
		*(uint32_t *)member = number;
	}
	return 0;
}

static int set_key(struct dcd_config_builder *b, size_t index, const char *value)
{
	const struct key *key = &keys[index];
	void *member = (char *)b->config + key->offset;
	if (key->kind == KIND_URL) {
		return add_url(b, value);
	}
	if ((b->seen & (UINT64_C(1) << index)) != 0) {
		return refuse(b, "given twice:", key->name);
	}
	b->seen |= UINT64_C(1) << index;
	switch (key->kind) {
	case KIND_NAME:
		return set_name(b, member, value);
	case KIND_PATH:
		return set_path(b, member, value);
	case KIND_EXPIRY:
		return set_expiry(b, member, value);
	case KIND_NUMBER:
		return set_number(b, key, member, value);
	case KIND_URL:
		break;
	}
	return DCD_ERR_BUG;
}

/* What may name a slot, a class or a boot loader's slot: it ends up in file names, environments and reports. */
static bool token_ok(const char *text)
{
	size_t len = strlen(text);
	return len > 0 && len <= DCD_CONFIG_STRING_MAX &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static struct dcd_config_slot *slot_find(struct dcd_config_builder *b, const char *name)
{
	for (size_t i = 0; i < b->slot_count; i++) {
		if (strcmp(b->config->slot[i].name, name) == 0) {
			return &b->config->slot[i];
		}
	}
	return NULL;
}

static int add_slot(struct dcd_config_builder *b, const char *name)
{
	if (!token_ok(name)) {
		return refuse(b, "a slot's name is letters, digits, '.', '_' and '-', not", name);
	}
	if (slot_find(b, name) != NULL) {
		return refuse(b, "the same slot a second time:", name);
	}
	if (b->slot_count == DCD_SLOT_COUNT) {
		return refuse(b, "there are two slots; this would be a third:", name);
	}
	return set_name(b, &b->config->slot[b->slot_count++].name, name);
}

int dcd_config_section(struct dcd_config_builder *b, const char *section)
{
	if (strncmp(section, SLOT_PREFIX, sizeof SLOT_PREFIX - 1) == 0) {
		return add_slot(b, section + sizeof SLOT_PREFIX - 1);
	}
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (strcmp(keys[i].section, section) == 0) {
			return 0;
		}
	}
	return refuse(b, "unknown section", section);
}

/* Any key but bootname is an image class. */
static int set_slot_key(struct dcd_config_builder *b, struct dcd_config_slot *slot, const char *key, const char *value)
{
	if (strcmp(key, "bootname") == 0) {
		if (slot->bootname != NULL) {
			return refuse(b, "given twice:", key);
		}
		if (!token_ok(value)) {
			return refuse(b, "a bootname is letters, digits, '.', '_' and '-', not", value);
		}
		return set_name(b, &slot->bootname, value);
	}
	if (!token_ok(key)) {
		return refuse(b, "an image class is letters, digits, '.', '_' and '-', not", key);
	}
	for (size_t i = 0; i < slot->image_count; i++) {
		if (strcmp(slot->images[i].class_name, key) == 0) {
			return refuse(b, "given twice:", key);
		}
	}
	if (slot->image_count == DCD_CONFIG_IMAGES_MAX) {
		return refuse(b, "more than 16 image classes; drop", key);
	}
	struct dcd_config_image *image = &slot->images[slot->image_count++];
	int err = set_name(b, &image->class_name, key);
	return err != 0 ? err : set_path(b, &image->path, value);
}

int dcd_config_set(struct dcd_config_builder *b, const char *section, const char *key, const char *value)
{
	if (strncmp(section, SLOT_PREFIX, sizeof SLOT_PREFIX - 1) == 0) {
		struct dcd_config_slot *slot = slot_find(b, section + sizeof SLOT_PREFIX - 1);
		return slot == NULL ? refuse(b, "unknown section", section) : set_slot_key(b, slot, key, value);
	}
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, key) == 0) {
			return set_key(b, i, value);
		}
	}
	return section[0] == '\0' ? refuse(b, "a key before the first section:", key) : refuse(b, "unknown key", key);
}

/* ---- the whole ---- */

static int incomplete(struct dcd_config_builder *b, const char *sentence, const char *about)
{
	return dcd_diag_set(b->diag, DCD_ERR_CONFIG, "%s: %s%s", b->path, sentence, about);
}

static int by_class(const void *a, const void *b)
{
	return strcmp(((const struct dcd_config_image *)a)->class_name, ((const struct dcd_config_image *)b)->class_name);
}

static int check_slots(struct dcd_config_builder *b)
{
	struct dcd_config_slot *slot = b->config->slot;
	if (b->slot_count != DCD_SLOT_COUNT) {
		return incomplete(b, "two slots are needed: [slot a] and [slot b]", "");
	}
	for (size_t i = 0; i < DCD_SLOT_COUNT; i++) {
		if (slot[i].bootname == NULL) {
			return incomplete(b, "bootname is missing in slot ", slot[i].name);
		}
		if (slot[i].image_count == 0) {
			return incomplete(b, "no image class (such as rootfs = /dev/...) in slot ", slot[i].name);
		}
		qsort(slot[i].images, slot[i].image_count, sizeof slot[i].images[0], by_class);
	}
	if (strcmp(slot[0].bootname, slot[1].bootname) == 0) {
		return incomplete(b, "both slots have the bootname ", slot[0].bootname);
	}
	if (strcmp(slot[0].name, slot[1].name) > 0) {
		struct dcd_config_slot first = slot[1];
		slot[1] = slot[0];
		slot[0] = first;
	}
	if (slot[0].image_count != slot[1].image_count) {
		return incomplete(b, "both slots must have the same image classes; compare slot ", slot[0].name);
	}
	for (size_t i = 0; i < slot[0].image_count; i++) {
		if (strcmp(slot[0].images[i].class_name, slot[1].images[i].class_name) != 0) {
			return incomplete(b, "both slots must have the same image classes; only one has ",
					  slot[0].images[i].class_name);
		}
	}
	return 0;
}

/* One path used twice would let an update write what runs. (Two paths of one device are found when the slots are opened.) */
static int check_paths(struct dcd_config_builder *b)
{
	const struct dcd_config_slot *slot = b->config->slot;
	for (size_t i = 0; i < 2 * slot[0].image_count; i++) {
		const char *one = slot[i % 2].images[i / 2].path;
		for (size_t j = i + 1; j < 2 * slot[0].image_count; j++) {
			if (strcmp(one, slot[j % 2].images[j / 2].path) == 0) {
				return incomplete(b, "two images of the slots share the path ", one);
			}
		}
	}
	return 0;
}

static int check_required(struct dcd_config_builder *b)
{
	const struct dcd_config *config = b->config;
	if (config->product == NULL) {
		return incomplete(b, "product is missing in [device]", "");
	}
	if (config->state_dir == NULL) {
		return incomplete(b, "state-dir is missing in [device]", "");
	}
	if (config->id != NULL && config->id_file != NULL) {
		return incomplete(b, "id and id-file exclude each other in [device]", "");
	}
	return 0;
}

static int fill_default(struct dcd_config_builder *b, char **value, const char *fallback)
{
	if (*value == NULL) {
		*value = strdup(fallback);
	}
	return *value == NULL ? no_memory(b) : 0;
}

static int fill_defaults(struct dcd_config_builder *b)
{
	int err = fill_default(b, &b->config->channel, "retail");
	if (err == 0) {
		err = fill_default(b, &b->config->compatible, "");
	}
	return err != 0 ? err : fill_default(b, &b->config->loader, "file");
}

int dcd_config_finish(struct dcd_config_builder *b)
{
	int err = check_required(b);
	if (err == 0) {
		err = check_slots(b);
	}
	if (err == 0) {
		err = check_paths(b);
	}
	if (err == 0) {
		err = fill_defaults(b);
	}
	return err;
}
