#include "updater/boot/boot_uboot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libuboot.h>

#include "base/cleanup.h"
#include "updater/boot/boot_cmdline.h"
#include "updater/boot/boot_vars.h"

#define DEFAULT_CONFIG "/etc/fw_env.config"
#define COPIES 2

struct boot_uboot {
	struct dcd_boot_control base;
	const struct dcd_boot_media *media;
	struct dcd_boot_kept kept;
	struct dcd_boot_vars vars;
};

static struct boot_uboot *of(struct dcd_boot_control *control)
{
	return (struct boot_uboot *)control;
}

/* ---- fw_env.config ---- */

static void close_config(FILE **file)
{
	if (*file != NULL) {
		(void)fclose(*file);
	}
}

/*
 * The devices of the copies, as the library counts them: a line of at least path, offset and size. One copy is refused: a cut in
 * the middle of its store would leave no environment at all.
 */
static int read_devices(const char *config, char *ret_path[COPIES], struct dcd_diag *diag)
{
	DCD_CLEANUP(close_config) FILE *file = fopen(config, "re");
	DCD_AUTO_FREE char *line = NULL;
	size_t size = 0;
	int count = 0;
	if (file == NULL) {
		return dcd_diag_set(diag, DCD_ERR_CONFIG, "%s can't be opened: %s; it says where U-Boot's environment is", config,
				    strerror(errno));
	}
	while (count < COPIES && getline(&line, &size, file) >= 0) {
		char *path = NULL;
		long long offset;
		size_t bytes;
		if (line[0] != '#' && sscanf(line, "%ms %lli %zx", &path, &offset, &bytes) == 3) {
			ret_path[count++] = path;
		} else {
			free(path);
		}
	}
	if (count < COPIES) {
		return dcd_diag_set(
			diag, DCD_ERR_CONFIG,
			"%s names %s of U-Boot's environment; two are needed, or a cut while it is stored would lose it", config,
			count == 0 ? "no copy" : "only one copy");
	}
	return 0;
}

static void free_devices(char *(*path)[COPIES])
{
	for (int i = 0; i < COPIES; i++) {
		free((*path)[i]);
	}
}

/* ---- durability ---- */

/*
 * The library ignores what fsync says. The kernel tells each open descriptor once of a write that was lost, so descriptors that
 * were open before the store hear of it too. A character device (raw flash) has no cache, and isn't opened.
 */
struct witnesses {
	struct dcd_blockdev *dev[COPIES];
};

static void close_witnesses(struct witnesses *witnesses)
{
	for (int i = 0; i < COPIES; i++) {
		if (witnesses->dev[i] != NULL) {
			witnesses->dev[i]->ops->close(witnesses->dev[i]);
		}
	}
}

static int open_witnesses(struct boot_uboot *uboot, char *const path[COPIES], struct witnesses *ret, struct dcd_diag *diag)
{
	for (int i = 0; i < COPIES; i++) {
		struct stat st;
		if ((i > 0 && strcmp(path[i], path[0]) == 0) || (stat(path[i], &st) == 0 && S_ISCHR(st.st_mode))) {
			continue;
		}
		int err = uboot->media->open_block(uboot->media->context, path[i], true, &ret->dev[i], diag);
		if (err != 0) {
			return dcd_diag_prefix(diag, DCD_ERR_BOOT_STATE, "U-Boot's environment");
		}
	}
	return 0;
}

static int ask_witnesses(struct witnesses *witnesses, struct dcd_diag *diag)
{
	for (int i = 0; i < COPIES; i++) {
		struct dcd_blockdev *dev = witnesses->dev[i];
		int err = dev == NULL ? 0 : dev->ops->flush(dev);
		if (err != 0) {
			return dcd_diag_set(diag, err, "U-Boot's environment on %s could not be made durable: %s", dev->name,
					    dcd_blockdev_why(dev, err));
		}
	}
	return 0;
}

/* ---- the environment ---- */

static void close_env(struct uboot_ctx **ctx)
{
	if (*ctx != NULL) {
		libuboot_close(*ctx);
		libuboot_exit(*ctx);
	}
}

static int open_env(struct boot_uboot *uboot, struct uboot_ctx **ctx, struct dcd_diag *diag)
{
	if (libuboot_initialize(ctx, NULL) < 0) {
		*ctx = NULL;
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for U-Boot's environment");
	}
	if (libuboot_read_config(*ctx, uboot->kept.place) < 0) {
		return dcd_diag_set(
			diag, DCD_ERR_BOOT_STATE,
			"%s can't be used: a device that it names is missing or can't be read, or the copies differ in size",
			uboot->kept.place);
	}
	int result = libuboot_open(*ctx);
	if (result == -ENODATA) {
		return dcd_diag_set(
			diag, DCD_ERR_BOOT_STATE,
			"both copies of U-Boot's environment are damaged (%s says where they are); see docs/boot.md for how to "
			"restore it",
			uboot->kept.place);
	}
	if (result < 0) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "U-Boot's environment can't be read (%s says where it is): %s",
				    uboot->kept.place, strerror(-result));
	}
	return 0;
}

static int decode(struct boot_uboot *uboot, struct uboot_ctx *ctx, struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	char *value[DCD_BOOT_VARS];
	for (int i = 0; i < DCD_BOOT_VARS; i++) {
		value[i] = libuboot_get_env(ctx, uboot->vars.name[i]);
	}
	int err = dcd_boot_vars_decode(&uboot->vars, (const char *const *)value, "U-Boot's environment", ret, diag);
	for (int i = 0; i < DCD_BOOT_VARS; i++) {
		free(value[i]);
	}
	return err;
}

static int read_state(struct boot_uboot *uboot, struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	DCD_CLEANUP(close_env) struct uboot_ctx *ctx = NULL;
	int err = open_env(uboot, &ctx, diag);
	return err != 0 ? err : decode(uboot, ctx, ret, diag);
}

static bool says_the_same(const struct dcd_boot_state *a, const struct dcd_boot_state *b)
{
	bool same = a->order[0] == b->order[0];
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const struct dcd_boot_slot *x = &a->slot[i], *y = &b->slot[i];
		same = same && x->bootable == y->bootable && x->good == y->good && x->tries_left == y->tries_left;
	}
	return same;
}

/*
 * Twice: one bit that is read wrong makes the library take the older copy without a word, and what is then stored would be made
 * from a state that is over.
 */
static int read_state_twice(struct boot_uboot *uboot, struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	struct dcd_boot_state state, again;
	int err = read_state(uboot, &state, diag);
	err = err != 0 ? err : read_state(uboot, &again, diag);
	if (err == 0 && !says_the_same(&state, &again)) {
		err = dcd_diag_set(
			diag, DCD_ERR_BOOT_STATE,
			"U-Boot's environment reads differently each time: its device fails (%s says where it is); try again",
			uboot->kept.place);
	}
	if (err == 0) {
		*ret = again;
	}
	return err;
}

static int uboot_load(struct dcd_boot_control *control, struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	struct boot_uboot *uboot = of(control);
	DCD_CLEANUP(free_devices) char *path[COPIES] = { NULL };
	struct dcd_boot_state state;
	int err = read_devices(uboot->kept.place, path, diag);
	if (err == 0) {
		err = read_state_twice(uboot, &state, diag);
	}
	if (err == 0) {
		err = dcd_boot_cmdline_read(uboot->kept.cmdline, uboot->vars.bootname, &state.booted, diag);
	}
	if (err == 0) {
		*ret = state;
	}
	return err;
}

/* The library writes the copy that isn't current, whole, with the next flag: the old state stays until the new one is complete.
 */
static int write_env(struct boot_uboot *uboot, const struct dcd_boot_var_values *values, struct dcd_diag *diag)
{
	DCD_CLEANUP(close_env) struct uboot_ctx *ctx = NULL;
	struct dcd_boot_state before;
	int err = open_env(uboot, &ctx, diag);
	if (err == 0) {
		err = decode(uboot, ctx, &before, diag); /* what isn't ours is not overwritten with what is */
	}
	for (int i = 0; err == 0 && i < DCD_BOOT_VARS; i++) {
		if (libuboot_set_env(ctx, uboot->vars.name[i], values->text[i]) != 0) {
			err = dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
					   "U-Boot's environment refuses %s=%s; its .flags may forbid it", uboot->vars.name[i],
					   values->text[i]);
		}
	}
	int result = err != 0 ? 0 : libuboot_env_store(ctx);
	if (result < 0) {
		err = dcd_diag_set(diag, result == -ENOMEM ? DCD_ERR_NO_SPACE : DCD_ERR_IO,
				   "U-Boot's environment could not be stored: %s",
				   result == -ENOMEM ? "it has no room for our variables" : "its device refused the write");
	}
	return err;
}

static int uboot_store(struct dcd_boot_control *control, const struct dcd_boot_state *state, struct dcd_diag *diag)
{
	struct boot_uboot *uboot = of(control);
	DCD_CLEANUP(free_devices) char *path[COPIES] = { NULL };
	DCD_CLEANUP(close_witnesses) struct witnesses witnesses = { { NULL } };
	struct dcd_boot_var_values values, back_values;
	struct dcd_boot_state back;
	int err = dcd_boot_vars_encode(&uboot->vars, state, &values, diag);
	if (err == 0) {
		err = read_devices(uboot->kept.place, path, diag);
	}
	if (err == 0) {
		err = open_witnesses(uboot, path, &witnesses, diag);
	}
	if (err == 0) {
		err = write_env(uboot, &values, diag);
	}
	if (err == 0) {
		err = ask_witnesses(&witnesses, diag);
	}
	if (err == 0) {
		err = read_state(uboot, &back, diag);
	}
	if (err == 0) {
		err = dcd_boot_vars_encode(&uboot->vars, &back, &back_values, diag);
	}
	if (err == 0 && memcmp(&values, &back_values, sizeof values) != 0) {
		err = dcd_diag_set(diag, DCD_ERR_READ_BACK,
				   "U-Boot's environment doesn't keep what is written to it (%s says where it is)",
				   uboot->kept.place);
	}
	return err;
}

static void uboot_close(struct dcd_boot_control *control)
{
	struct boot_uboot *uboot = of(control);
	dcd_boot_kept_free(&uboot->kept);
	free(uboot);
}

static const struct dcd_boot_control_ops uboot_ops = {
	.load = uboot_load,
	.store = uboot_store,
	.close = uboot_close,
};

int dcd_boot_uboot_open(const struct dcd_boot_options *options, struct dcd_boot_control **ret, struct dcd_diag *diag)
{
	struct boot_uboot *uboot = calloc(1, sizeof *uboot);
	if (uboot == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the boot state");
	}
	uboot->base.ops = &uboot_ops;
	uboot->base.name = "uboot";
	uboot->media = options->media;
	int err = dcd_boot_keep(&uboot->kept, options, options->uboot_config != NULL ? options->uboot_config : DEFAULT_CONFIG,
				diag);
	if (err == 0) {
		err = dcd_boot_vars_init(&uboot->vars, uboot->kept.bootname, diag);
	}
	if (err != 0) {
		uboot_close(&uboot->base);
		return err;
	}
	*ret = &uboot->base;
	return 0;
}
