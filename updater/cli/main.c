/* decade: the device's command line. */
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "updater/cli/commands.h"
#include "updater/cli/install_progress.h"

#define DEFAULT_CONFIG "/etc/decade/decade.conf"

static void print_help(void)
{
	puts("usage: decade [--config FILE] COMMAND [OPTION]...\n\nKeeps this device's two slots up to date.\n\nCommands:");
	for (size_t i = 0; i < dcd_command_count; i++) {
		const char *source = (dcd_commands[i].takes & DCD_TAKES_SOURCE) != 0 ? " [SOURCE]" : "";
		printf("  %-9s%-10s %s\n", dcd_commands[i].name, source, dcd_commands[i].summary);
	}
	puts("\nOptions:\n"
	     "  --config FILE   the device's configuration (default " DEFAULT_CONFIG ")\n"
	     "  --json          results and events as JSON on stdout\n"
	     "  --no-activate   install: stop when the release is staged; 'decade activate' goes on\n"
	     "  --full          install: take no delta\n"
	     "  --reinstall     install: also the running release, or one that was rolled back\n"
	     "  --slot NAME     verify: this slot alone\n"
	     "  --reason TEXT   mark-bad: why\n"
	     "  --help, --version\n\n"
	     "SOURCE is a URL, a folder or a bundle, '-' a bundle on standard input; without it the configured one is used.\n\n"
	     "Examples:\n"
	     "  decade check                          what would be installed, and how many bytes it takes\n"
	     "  decade install                        download, write, verify, flip; then reboot\n"
	     "  decade install /media/usb/repo        the same from a folder\n"
	     "  decade install /media/usb/x.dcb       from a bundle; also https://host/x.dcb, or - < x.dcb\n"
	     "  decade info /media/usb/x.dcb          what is in it, and whether this device would take it\n"
	     "  decade mark-good                      after the reboot, when the system is healthy\n"
	     "  decade status --json | jq .last       why the last update ended as it did\n\n"
	     "Exit codes: 0 done, 1 failed, 2 usage, 3 up to date, 4 refused by policy, 5 not authentic, 6 source unreachable,\n"
	     "7 storage, 8 busy, 9 the device's state forbids it.");
}

static const struct dcd_command *find_command(const char *name)
{
	for (size_t i = 0; i < dcd_command_count; i++) {
		if (strcmp(dcd_commands[i].name, name) == 0) {
			return &dcd_commands[i];
		}
	}
	return NULL;
}

enum option_code {
	OPTION_CONFIG = 256,
	OPTION_JSON,
	OPTION_NO_ACTIVATE,
	OPTION_FULL,
	OPTION_REINSTALL,
	OPTION_SLOT,
	OPTION_REASON,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "no-activate", no_argument, NULL, OPTION_NO_ACTIVATE },
	{ "full", no_argument, NULL, OPTION_FULL },
	{ "reinstall", no_argument, NULL, OPTION_REINSTALL },
	{ "slot", required_argument, NULL, OPTION_SLOT },
	{ "reason", required_argument, NULL, OPTION_REASON },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* 0: go on. 1: done (help, version). DCD_ERR_USAGE: getopt has said why. */
static int take_option(int code, struct dcd_arguments *arguments)
{
	switch (code) {
	case OPTION_CONFIG:
		arguments->config = optarg;
		return 0;
	case OPTION_JSON:
		arguments->json = true;
		return 0;
	case OPTION_NO_ACTIVATE:
		arguments->no_activate = true;
		return 0;
	case OPTION_FULL:
		arguments->full = true;
		return 0;
	case OPTION_REINSTALL:
		arguments->reinstall = true;
		return 0;
	case OPTION_SLOT:
		arguments->slot = optarg;
		return 0;
	case OPTION_REASON:
		arguments->reason = optarg;
		return 0;
	case OPTION_HELP:
		print_help();
		return 1;
	case OPTION_VERSION:
		puts("decade " DCD_VERSION);
		return 1;
	default:
		return DCD_ERR_USAGE;
	}
}

static int take_words(int argc, char **argv, struct dcd_arguments *arguments, const struct dcd_command **ret, struct dcd_diag *diag)
{
	if (optind >= argc) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "no command; 'decade --help' lists them");
	}
	const struct dcd_command *command = find_command(argv[optind]);
	if (command == NULL) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "unknown command '%s'; 'decade --help' lists them", argv[optind]);
	}
	int words = argc - optind - 1;
	if (words > ((command->takes & DCD_TAKES_SOURCE) != 0 ? 1 : 0)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: unexpected '%s'", command->name, argv[argc - 1]);
	}
	arguments->source = words == 1 ? argv[optind + 1] : NULL;
	bool install_option = arguments->no_activate || arguments->full || arguments->reinstall;
	if ((install_option && (command->takes & DCD_TAKES_INSTALL) == 0) ||
	    (arguments->slot != NULL && (command->takes & DCD_TAKES_SLOT) == 0) ||
	    (arguments->reason != NULL && (command->takes & DCD_TAKES_REASON) == 0)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s doesn't take that option; see 'decade --help'", command->name);
	}
	*ret = command;
	return 0;
}

static void on_signal(int number)
{
	dcd_progress_cancel();
	/* The second one ends it where it stands: a cut like any other. */
	(void)signal(number, SIG_DFL);
}

/* Who asked for a report and didn't get it must not take silence for success. */
static int check_output(void)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0) {
		return 0;
	}
	fputs("decade: the result could not be printed\n", stderr);
	return DCD_ERR_HOST;
}

int main(int argc, char **argv)
{
	struct dcd_arguments arguments = { .config = DEFAULT_CONFIG };
	struct dcd_diag diag = { 0 };
	for (int code; (code = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		int taken = take_option(code, &arguments);
		if (taken != 0) {
			return taken > 0 ? 0 : dcd_err_exit_code(taken);
		}
	}
	(void)signal(SIGINT, on_signal);
	(void)signal(SIGTERM, on_signal);
	(void)signal(SIGPIPE, SIG_IGN);
	/* Three threads that allocate little don't need a heap each, and large blocks go back to the system when they are freed. */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_THRESHOLD, 64 << 10);
	const struct dcd_command *command = NULL;
	int err = take_words(argc, argv, &arguments, &command, &diag);
	if (err == 0) {
		err = command->run(&arguments, &diag);
	}
	if (err != 0 && err != DCD_ERR_UP_TO_DATE) {
		fprintf(stderr, "decade: %s\n", diag.text[0] != '\0' ? diag.text : dcd_err_name(err));
	}
	return dcd_err_exit_code(err != 0 ? err : check_output());
}
