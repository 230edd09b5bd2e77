/*
 * The configuration of a device, /etc/decade/decade.conf: INI with sections device, source, boot and one
 * "slot NAME" for each of the two slots. Everything unknown, doubled or out of bounds is an error that names file and line: a
 * typing error found on the bench is better than one found in the field.
 */
#ifndef DCD_UPDATER_CONFIG_CONFIG_H
#define DCD_UPDATER_CONFIG_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "updater/engine/boot_control.h"

#define DCD_CONFIG_SIZE_MAX (64U << 10) /* bytes of the file */
#define DCD_CONFIG_STRING_MAX 128       /* bytes of a product, board, channel, id, name or class */
#define DCD_CONFIG_URLS_MAX 8
#define DCD_CONFIG_IMAGES_MAX 16 /* image classes of a slot */

enum dcd_config_expiry {
	DCD_CONFIG_EXPIRY_ENFORCE,
	DCD_CONFIG_EXPIRY_REPORT,
};

struct dcd_config_image {
	char *class_name; /* "rootfs" */
	char *path;       /* block device or file, absolute or relative to the working folder */
};

struct dcd_config_slot {
	char *name;     /* "a" */
	char *bootname; /* the boot loader's name of it */
	size_t image_count;
	struct dcd_config_image images[DCD_CONFIG_IMAGES_MAX]; /* by class name */
};

/*
 * Paths have the configuration file's folder put before them where they were relative. Strings belong to the struct; "or null"
 * where a key may be missing.
 */
struct dcd_config {
	char *product;
	char *compatible; /* the board; "" unless given: then only releases for any board fit */
	char *id;        /* or null */
	char *id_file;   /* path, or null; never both; read it with dcd_config_read_id() */
	char *state_dir; /* path */
	uint32_t pack_memory_kib; /* that a delta may need to compress blocks; 0..1048576, 16384 unless given; 0: no such delta is used */

	size_t url_count;                /* may be 0: then a source must be named on the command line */
	char *urls[DCD_CONFIG_URLS_MAX]; /* "scheme://…" as it stands, or the path of a folder or bundle, in order of preference
					  */
	char *channel;                   /* "retail" unless given */
	char *root;                      /* path of the root metadata the device trusts from the factory, or null */
	enum dcd_config_expiry expiry;
	enum dcd_config_expiry bundle_expiry; /* of a bundle named on the command line; report unless given */
	uint32_t retries;         /* after the first attempt; 0..100, 5 unless given */
	uint32_t timeout_s;       /* to connect and get an answer; 1..3600, 30 unless given */
	uint32_t stall_timeout_s; /* without a byte in between; 1..3600, 60 unless given */

	char *loader;  /* "uboot", …; "file" unless given */
	uint8_t tries; /* boots of a trial; 1..DCD_TRIES_MAX, 3 unless given */
	/* What the loaders need; paths, or null: the loader's own default (updater/boot/boot.h). */
	char *uboot_config;
	char *grubenv;
	char *entries;
	char *program;
	uint32_t program_timeout_s; /* 1..600, 10 unless given */
	char *cmdline;

	/* Sorted by name, so that a slot's index doesn't depend on the order in the file. Both have the same classes in the same
	 * order. */
	struct dcd_config_slot slot[DCD_SLOT_COUNT];
};

/* Reads a file. DCD_ERR_CONFIG or DCD_ERR_NO_MEMORY. */
DCD_NODISCARD int dcd_config_load(const char *path, struct dcd_config **ret, struct dcd_diag *diag);

/* The same from memory; `path` is the file's, for messages and relative paths. No I/O. */
DCD_NODISCARD int dcd_config_parse(const char *text, size_t len, const char *path, struct dcd_config **ret,
				   struct dcd_diag *diag);

void dcd_config_free(struct dcd_config *config); /* null is fine */
void dcd_config_freep(struct dcd_config **config);

/*
 * The device's id, from `id` or the first line of `id-file`; the caller frees it. A configuration with neither, and a file that
 * is missing, too long or has an empty first line, is DCD_ERR_CONFIG.
 */
DCD_NODISCARD int dcd_config_read_id(const struct dcd_config *config, char **ret, struct dcd_diag *diag);

#endif
