/* A firmware's variables in memory, answering in place of libefivar (linked with --wrap): each store is atomic, as UEFI says. */
#ifndef DCD_TESTS_UNIT_EFI_FIRMWARE_H
#define DCD_TESTS_UNIT_EFI_FIRMWARE_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efivar/efivar.h>

#define FIRMWARE_VARS 16
#define FIRMWARE_DATA 256

struct firmware_var {
	char name[40];
	efi_guid_t guid;
	size_t len;
	uint8_t data[FIRMWARE_DATA];
};

struct firmware {
	struct firmware_var var[FIRMWARE_VARS];
	int count;
	int listed; /* by efi_get_next_variable_name */
	int stores;
	int fail_at; /* this store and all after it fail; -1: none */
	bool unreadable;
	bool forgets;
};

static struct firmware firmware;

static struct firmware_var *firmware_find(const char *name)
{
	for (int i = 0; i < firmware.count; i++) {
		if (strcmp(firmware.var[i].name, name) == 0) {
			return &firmware.var[i];
		}
	}
	return NULL;
}

static void firmware_put(efi_guid_t guid, const char *name, const void *data, size_t len)
{
	struct firmware_var *var = firmware_find(name);
	if (var == NULL) {
		var = &firmware.var[firmware.count++];
	}
	(void)snprintf(var->name, sizeof var->name, "%s", name);
	var->guid = guid;
	var->len = len;
	memcpy(var->data, data, len);
}

static void firmware_remove(const char *name)
{
	struct firmware_var *var = firmware_find(name);
	if (var != NULL) {
		*var = firmware.var[--firmware.count];
	}
}

static inline void firmware_put_option(const char *name, const char *label, uint8_t attributes)
{
	uint8_t data[FIRMWARE_DATA] = { attributes, 0, 0, 0, 4, 0 };
	size_t len = 6;
	for (const char *c = label;; c++, len += 2) {
		data[len] = (uint8_t)*c;
		if (*c == '\0') {
			break;
		}
	}
	len += 2;
	memcpy(data + len, "\x7f\xff\x04", 4);
	firmware_put(EFI_GLOBAL_GUID, name, data, len + 4);
}

int __wrap_efi_get_variable(efi_guid_t guid, const char *name, uint8_t **data, size_t *data_size, uint32_t *attributes);
int __wrap_efi_set_variable(efi_guid_t guid, const char *name, uint8_t *data, size_t data_size, uint32_t attributes, mode_t mode);
int __wrap_efi_del_variable(efi_guid_t guid, const char *name);
int __wrap_efi_get_next_variable_name(efi_guid_t **guid, char **name);

int __wrap_efi_get_variable(efi_guid_t guid, const char *name, uint8_t **data, size_t *data_size, uint32_t *attributes)
{
	struct firmware_var *var = firmware_find(name);
	(void)guid;
	if (var == NULL || firmware.unreadable) {
		errno = var == NULL ? ENOENT : EIO;
		return -1;
	}
	*data = malloc(var->len + 1);
	if (*data == NULL) {
		abort();
	}
	memcpy(*data, var->data, var->len);
	*data_size = var->len;
	*attributes = 7;
	return 0;
}

static bool firmware_refuses(void)
{
	errno = EIO;
	return firmware.fail_at >= 0 && firmware.stores++ >= firmware.fail_at;
}

int __wrap_efi_set_variable(efi_guid_t guid, const char *name, uint8_t *data, size_t data_size, uint32_t attributes, mode_t mode)
{
	(void)mode;
	if (firmware_refuses() || attributes != 7) {
		return -1;
	}
	if (!firmware.forgets) {
		firmware_put(guid, name, data, data_size);
	}
	return 0;
}

int __wrap_efi_del_variable(efi_guid_t guid, const char *name)
{
	(void)guid;
	if (firmware_refuses()) {
		return -1;
	}
	firmware_remove(name);
	return 0;
}

int __wrap_efi_get_next_variable_name(efi_guid_t **guid, char **name)
{
	if (firmware.listed == firmware.count) {
		firmware.listed = 0;
		return 0;
	}
	*guid = &firmware.var[firmware.listed].guid;
	*name = firmware.var[firmware.listed].name;
	firmware.listed++;
	return 1;
}

#endif
