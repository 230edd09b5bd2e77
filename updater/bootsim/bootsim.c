/* decade-bootsim: plays the boot loader of a device whose configuration says `loader = file` (docs/boot.md). */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "updater/boot/boot_file.h"
#include "updater/config/config.h"
#include "updater/journal/dir_posix.h"

struct options {
	const char *config;
	bool fail;
};

static void print_help(void)
{
	(void)fputs("usage: decade-bootsim --config FILE [--fail]\n"
		    "\n"
		    "Plays the boot loader of a device that is configured with 'loader = file': chooses a slot as a loader "
		    "would, counts\n"
		    "the try of a slot that is not yet confirmed, records the slot as booted and prints its bootname.\n"
		    "\n"
		    "  --config FILE  the device's configuration (default: /etc/decade/decade.conf)\n"
		    "  --fail         this boot is one that never confirms: only the messages differ, nothing runs in it\n"
		    "  --help, --version\n"
		    "\n"
		    "Examples:\n"
		    "  decade-bootsim --config device.conf          # a reboot\n"
		    "  decade-bootsim --config device.conf --fail   # a reboot into a release that hangs\n"
		    "\n"
		    "Exit codes: 0 booted, 2 wrong usage or configuration, 7 storage, 9 the boot state can't be read.\n",
		    stdout);
}

/* What a loader shows on its console. */
static void tell(const struct dcd_config *config, const struct dcd_boot_state *before, int chosen, const struct options *options,
		 const struct dcd_boot_state *after)
{
	const struct dcd_boot_slot *slot = &after->slot[chosen];
	bool counted = before->slot[chosen].tries_left != slot->tries_left;
	(void)fprintf(stderr, "decade-bootsim: slot %s (bootname %s): ", config->slot[chosen].name,
		      config->slot[chosen].bootname);
	if (counted) {
		(void)fprintf(stderr, "trial; tries left after this one: %u", slot->tries_left);
	} else if (slot->good && slot->bootable) {
		(void)fputs("confirmed good", stderr);
	} else {
		(void)fputs("no slot qualifies, last resort", stderr);
	}
	if (chosen != before->order[0]) {
		(void)fprintf(stderr, "; fell back from slot %s", config->slot[before->order[0]].name);
	}
	(void)fputs(options->fail ? "; this boot never confirms\n" : "\n", stderr);
}

static int boot(const struct dcd_config *config, const struct options *options, struct dcd_boot_control *control,
		struct dcd_diag *diag)
{
	struct dcd_boot_state before, after;
	int err = control->ops->load(control, &before, diag);
	if (err != 0) {
		return err;
	}
	int chosen = dcd_boot_choose(&before, &after);
	/* The try is on the disk before anything of the slot runs: a slot that hangs the machine at once has still used it up. */
	if (memcmp(&before.slot, &after.slot, sizeof before.slot) != 0) {
		err = control->ops->store(control, &after, diag);
	}
	if (err == 0) {
		err = dcd_boot_file_set_booted(control, chosen, diag);
	}
	if (err == 0) {
		tell(config, &before, chosen, options, &after);
		(void)printf("%s\n", config->slot[chosen].bootname);
	}
	return err;
}

static int boot_configured(const struct options *options, struct dcd_diag *diag)
{
	DCD_CLEANUP(dcd_config_freep) struct dcd_config *config = NULL;
	int err = dcd_config_load(options->config, &config, diag);
	if (err != 0) {
		return err;
	}
	if (strcmp(config->loader, "file") != 0) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: the device boots with '%s'; only 'loader = file' can be simulated",
				    options->config, config->loader);
	}
	struct dcd_dir *dir;
	err = dcd_dir_posix_open(config->state_dir, &dir, diag);
	if (err != 0) {
		return err;
	}
	const struct dcd_boot_options boot_options = {
		.bootname = { config->slot[0].bootname, config->slot[1].bootname },
		.state_dir = dir,
	};
	struct dcd_boot_control *control;
	err = dcd_boot_open(config->loader, &boot_options, &control, diag);
	if (err == 0) {
		err = boot(config, options, control, diag);
		control->ops->close(control);
	}
	dir->ops->close(dir);
	return err;
}

/* 0 to go on, otherwise the exit code plus 1. */
static int parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "fail", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		switch (c) {
		case 'c':
			ret->config = optarg;
			break;
		case 'f':
			ret->fail = true;
			break;
		case 'h':
			print_help();
			return 1;
		case 'v':
			(void)puts("decade-bootsim " DCD_VERSION);
			return 1;
		default:
			return 3;
		}
	}
	if (optind != argc) {
		(void)fprintf(stderr, "decade-bootsim: unexpected argument '%s'; see --help\n", argv[optind]);
		return 3;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = { .config = "/etc/decade/decade.conf" };
	int stop = parse_options(argc, argv, &options);
	if (stop != 0) {
		return stop - 1;
	}
	struct dcd_diag diag = { 0 };
	int err = boot_configured(&options, &diag);
	if (err != 0) {
		(void)fprintf(stderr, "decade-bootsim: %s\n", diag.text);
	} else if (fflush(stdout) != 0 || ferror(stdout)) {
		return 1;
	}
	return dcd_err_exit_code(err);
}
