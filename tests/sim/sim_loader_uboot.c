/* U-Boot: two copies with CRC and flag; the script counts in memory and saves the other copy, then loads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_loader.h"
#include "tests/sim/sim_uboot_io.h"
#include "updater/boot/boot.h"
#include "updater/boot/crc32.h"

#define COPY 1024U
#define HEADER 5U /* CRC, flag */
#define DATA (COPY - HEADER)
#define COPY_1_AT 4096U /* in an erase block of its own */
#define DEVICE (COPY_1_AT + COPY)
#define FOREIGN "bootcmd=run decade"
#define FOREIGN_LONG "serial=" /* and 600 digits */

static size_t at_of(int copy)
{
	return copy == 0 ? 0 : COPY_1_AT;
}

static void make_copy(uint8_t *copy, uint8_t flag, const uint8_t *data)
{
	memmove(copy + HEADER, data, DATA);
	uint32_t crc = dcd_crc32(copy + HEADER, DATA);
	memcpy(copy, &crc, sizeof crc);
	copy[4] = flag;
}

static void factory(struct sim_image *image)
{
	uint8_t data[DATA] = { 0 };
	char *at = (char *)data;
	at += snprintf(at, 64, "BOOT_A_GOOD=1") + 1;
	at += snprintf(at, 64, "BOOT_A_LEFT=0") + 1;
	at += snprintf(at, 64, "BOOT_ORDER=A") + 1;
	at += snprintf(at, 64, FOREIGN) + 1;
	(void)snprintf(at, 700, FOREIGN_LONG "%0600d", 7);
	make_copy(image->dev[SIM_LOADER_DEV], 254, data); /* the flag goes on over its end soon */
	make_copy(image->dev[SIM_LOADER_DEV] + COPY_1_AT, 253, data);
}

static int open_adapter(struct sim_media *media, struct dcd_boot_control **ret)
{
	static struct sim_loader_block block = { "uboot-env", DEVICE };
	static const struct dcd_boot_media port = { .open_block = sim_loader_open_block, .context = &block };
	static const char *config;
	(void)media;
	if (config == NULL) {
		char text[600];
		(void)snprintf(text, sizeof text, "%s 0x0 0x%x\n%s 0x%x 0x%x\n", sim_uboot_path(), COPY, sim_uboot_path(),
			       COPY_1_AT, COPY);
		config = sim_uboot_config(text);
		sim_uboot_size(DEVICE);
	}
	const struct dcd_boot_options options = { .bootname = { "A", "B" }, .media = &port, .uboot_config = config };
	return dcd_boot_open("uboot", &options, ret, NULL);
}

static bool valid(const uint8_t *copy)
{
	uint32_t crc = dcd_crc32(copy + HEADER, DATA);
	return memcmp(copy, &crc, sizeof crc) == 0;
}

/* The copy that counts, or -1. */
static int current_copy(const uint8_t *dev)
{
	const uint8_t *one = dev, *two = dev + COPY_1_AT;
	bool good[2] = { valid(one), valid(two) };
	if (!good[0] || !good[1]) {
		return good[0] ? 0 : good[1] ? 1 : -1;
	}
	if ((one[4] == 255 && two[4] == 0) || (two[4] == 255 && one[4] == 0)) {
		return one[4] == 0 ? 0 : 1;
	}
	return two[4] > one[4] ? 1 : 0;
}

/* The value's first byte, or null. */
static char *find(uint8_t *data, const char *name)
{
	size_t len = strlen(name);
	for (char *at = (char *)data; *at != '\0'; at += strlen(at) + 1) {
		if (strncmp(at, name, len) == 0 && at[len] == '=') {
			return at + len + 1;
		}
	}
	return NULL;
}

static char *find_var(const struct sim_loader_vars *vars, const char *name)
{
	return find(vars->data, name);
}

/* Over the copy that doesn't count. */
static bool save(const struct sim_loader_vars *vars)
{
	const uint8_t *now = vars->media->now.dev[SIM_LOADER_DEV];
	int copy = current_copy(now);
	uint8_t bytes[COPY];
	make_copy(bytes, (uint8_t)(now[at_of(copy) + 4] + 1), vars->data);
	struct dcd_blockdev *dev = sim_media_open_dev(vars->media, SIM_LOADER_DEV, "uboot-env", DEVICE, true);
	int err = dev->ops->write(dev, at_of(1 - copy), bytes, sizeof bytes);
	if (err == 0) {
		err = dev->ops->flush(dev);
	}
	dev->ops->close(dev);
	return err == 0;
}

static int boot(struct sim_media *media, bool *ret_counted)
{
	const uint8_t *dev = media->now.dev[SIM_LOADER_DEV];
	int copy = current_copy(dev);
	uint8_t data[DATA + 1] = { 0 };
	const struct sim_loader_vars vars = { find_var, save, media, data };
	if (copy >= 0) {
		memcpy(data, dev + at_of(copy) + HEADER, DATA);
	}
	return sim_loader_boot_vars(&vars, ret_counted);
}

static const char *check(const struct sim_image *image)
{
	const uint8_t *dev = image->dev[SIM_LOADER_DEV];
	int copy = current_copy(dev);
	uint8_t data[DATA + 1] = { 0 };
	char serial[601];
	if (copy < 0) {
		return "both copies of U-Boot's environment are damaged";
	}
	memcpy(data, dev + at_of(copy) + HEADER, DATA);
	(void)snprintf(serial, sizeof serial, "%0600d", 7);
	const char *command = find(data, "bootcmd"), *found = find(data, "serial");
	bool intact = command != NULL && strcmp(command, "run decade") == 0 && found != NULL && strcmp(found, serial) == 0;
	return intact ? NULL : "a variable of U-Boot's environment that isn't ours was changed";
}

const struct sim_loader sim_loader_uboot = {
	.name = "uboot", .factory = factory, .open = open_adapter, .boot = boot, .check = check
};
