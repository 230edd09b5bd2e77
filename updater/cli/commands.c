#include "updater/cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "updater/cli/device.h"
#include "updater/cli/info.h"
#include "updater/cli/install_progress.h"
#include "updater/cli/show.h"

/* ---- what needs a source ---- */

static int open_with_source(const struct dcd_arguments *arguments, struct dcd_device *device, struct dcd_install_progress *line,
			    struct dcd_diag *diag)
{
	dcd_install_progress_begin(line, arguments->json);
	int err = dcd_device_open(arguments->config, DCD_DEVICE_SOURCE, arguments->source, device, diag);
	if (err == 0) {
		device->engine.progress = (struct dcd_progress_port){ dcd_install_progress_report, line };
		dcd_progress_interrupts(device->source);
	}
	return err;
}

static void close_with_source(struct dcd_device *device, struct dcd_install_progress *line)
{
	dcd_progress_interrupts(NULL);
	dcd_install_progress_end(line);
	dcd_device_close(device);
}

static int run_check(const struct dcd_arguments *arguments, struct dcd_diag *diag)
{
	struct dcd_device device;
	struct dcd_install_progress line;
	struct dcd_report report = { 0 };
	int err = open_with_source(arguments, &device, &line, diag);
	if (err == 0) {
		line.json = false; /* one object, not a stream of events */
		err = dcd_engine_check(&device.engine, &report, diag);
		close_with_source(&device, &line);
	}
	dcd_show_check(&report, err, diag, arguments->json);
	return err;
}

static int run_install(const struct dcd_arguments *arguments, struct dcd_diag *diag)
{
	struct dcd_device device;
	struct dcd_install_progress line;
	struct dcd_report report = { 0 };
	const struct dcd_install_options options = {
		.no_activate = arguments->no_activate, .full = arguments->full, .again = arguments->reinstall,
	};
	double began = dcd_monotonic_seconds();
	int err = open_with_source(arguments, &device, &line, diag);
	if (err == 0) {
		err = dcd_engine_install(&device.engine, &options, &report, diag);
		close_with_source(&device, &line);
	}
	dcd_show_install(&report, err, diag, dcd_monotonic_seconds() - began, arguments->json);
	return err;
}

static int run_repair(const struct dcd_arguments *arguments, struct dcd_diag *diag)
{
	struct dcd_device device;
	struct dcd_install_progress line;
	struct dcd_report report = { 0 };
	double began = dcd_monotonic_seconds();
	int err = open_with_source(arguments, &device, &line, diag);
	if (err == 0) {
		err = dcd_engine_repair(&device.engine, &report, diag);
		close_with_source(&device, &line);
	}
	dcd_show_install(&report, err, diag, dcd_monotonic_seconds() - began, arguments->json);
	return err;
}

/* ---- what needs none ---- */

static int run_status(const struct dcd_arguments *arguments, struct dcd_diag *diag)
{
	struct dcd_device device;
	struct dcd_device_state state;
	struct dcd_boot_state boot;
	int err = dcd_device_open(arguments->config, DCD_DEVICE_LOOK, NULL, &device, diag);
	if (err != 0) {
		return err;
	}
	err = dcd_engine_status(&device.engine, &state, &boot, diag);
	if (err == 0) {
		dcd_show_status(&device, &state, &boot, arguments->json);
	}
	dcd_device_close(&device);
	return err;
}

static int change(const struct dcd_arguments *arguments, const char *command, int (*operation)(struct dcd_engine *, struct dcd_diag *),
		  struct dcd_diag *diag)
{
	struct dcd_device device;
	int err = dcd_device_open(arguments->config, DCD_DEVICE_CHANGE, NULL, &device, diag);
	if (err == 0) {
		err = operation(&device.engine, diag);
		dcd_device_close(&device);
	}
	dcd_show_done(command, err, diag, arguments->json);
	return err;
}

static int run_activate(const struct dcd_arguments *arguments, struct dcd_diag *diag)
{
	return change(arguments, "activate", dcd_engine_activate, diag);
}

static int run_mark_good(const struct dcd_arguments *arguments, struct dcd_diag *diag)
{
	return change(arguments, "mark-good", dcd_engine_mark_good, diag);
}

static int run_rollback(const struct dcd_arguments *arguments, struct dcd_diag *diag)
{
	return change(arguments, "rollback", dcd_engine_rollback, diag);
}

static int run_mark_bad(const struct dcd_arguments *arguments, struct dcd_diag *diag)
{
	struct dcd_device device;
	int err = dcd_device_open(arguments->config, DCD_DEVICE_CHANGE, NULL, &device, diag);
	if (err == 0) {
		const char *reason = arguments->reason != NULL ? arguments->reason : "somebody ran 'decade mark-bad'";
		err = dcd_engine_mark_bad(&device.engine, reason, diag);
		dcd_device_close(&device);
	}
	dcd_show_done("mark-bad", err, diag, arguments->json);
	return err;
}

static int verify_slot(struct dcd_device *device, int slot, bool json, struct dcd_diag *diag)
{
	int err = dcd_engine_verify(&device->engine, slot, diag);
	if (err == 0 && !json) {
		printf("slot %s: every byte is what was verified when it was written\n", device->config->slot[slot].name);
	}
	return err;
}

/* Without --slot: every slot that has a record, and at least one must. The first that differs decides. */
static int verify_all(struct dcd_device *device, bool json, struct dcd_diag *diag)
{
	int seen = 0;
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		int err = verify_slot(device, i, json, diag);
		if (err != 0 && err != DCD_ERR_UNKNOWN_CONTENT) {
			return err;
		}
		seen += err == 0 ? 1 : 0;
	}
	return seen > 0 ? 0 : dcd_diag_set(diag, DCD_ERR_UNKNOWN_CONTENT, "no slot has a record to be compared with; install a release first");
}

static int verify_named(struct dcd_device *device, const char *name, bool json, struct dcd_diag *diag)
{
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		if (strcmp(device->config->slot[i].name, name) == 0) {
			return verify_slot(device, i, json, diag);
		}
	}
	return dcd_diag_set(diag, DCD_ERR_USAGE, "there is no slot '%s'; the configuration has '%s' and '%s'", name,
			    device->config->slot[0].name, device->config->slot[1].name);
}

static int run_verify(const struct dcd_arguments *arguments, struct dcd_diag *diag)
{
	struct dcd_device device;
	struct dcd_install_progress line;
	dcd_install_progress_begin(&line, false);
	int err = dcd_device_open(arguments->config, DCD_DEVICE_READ, NULL, &device, diag);
	if (err == 0) {
		device.engine.progress = (struct dcd_progress_port){ dcd_install_progress_report, &line };
		err = arguments->slot != NULL ? verify_named(&device, arguments->slot, arguments->json, diag)
					      : verify_all(&device, arguments->json, diag);
		dcd_install_progress_end(&line);
		dcd_device_close(&device);
	}
	dcd_show_done("verify", err, diag, arguments->json);
	return err;
}

const struct dcd_command dcd_commands[] = {
	{ "status", "slots, releases, boot state, and why the last update ended as it did", 0, run_status },
	{ "check", "refresh metadata and say what would be installed", DCD_TAKES_SOURCE, run_check },
	{ "install", "write the newest release to the other slot and activate it", DCD_TAKES_SOURCE | DCD_TAKES_INSTALL, run_install },
	{ "info", "what a bundle holds, and whether this device would take it", DCD_TAKES_SOURCE, dcd_run_info },
	{ "activate", "try the staged release at the next boot", 0, run_activate },
	{ "mark-good", "confirm the running slot", 0, run_mark_good },
	{ "mark-bad", "give the running slot up: the next boot takes the other one", DCD_TAKES_REASON, run_mark_bad },
	{ "rollback", "go back to the other slot's release", 0, run_rollback },
	{ "verify", "re-hash the slots against their records", DCD_TAKES_SLOT, run_verify },
	{ "repair", "make the other slot right again, segment by segment", DCD_TAKES_SOURCE, run_repair },
};
const size_t dcd_command_count = sizeof dcd_commands / sizeof dcd_commands[0];
