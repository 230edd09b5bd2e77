#include <stdio.h>
#include <string.h>

#include "bsdiff/diff/large_memory.h"
#include "tools/repo/repo_commands.h"
#include "tools/repo/repo_help.h"

struct command {
	const char *name;
	const char *help;
	const char *options; /* letters of repo_options.c */
	int (*run)(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag);
};

static const struct command commands[] = {
	{ "init", repo_help_init, "kpx", repo_init },
	{ "release", repo_help_release, "kvicbsrBnSeqtxWYNCzyJ", repo_release },
	{ "plan", repo_help_plan, "iBSeqtCj", repo_plan },
	{ "work", repo_help_work, "CtQ*", repo_work },
	{ "refresh", repo_help_refresh, "kxWYmw", repo_refresh },
	{ "rotate", repo_help_rotate, "klaTAKMExWY", repo_rotate },
	{ "delegate", repo_help_delegate, "kNPaTAKMExWYG", repo_delegate },
	{ "check", repo_help_check, "dR", repo_check },
	{ "list", repo_help_list, "jR", repo_list },
	{ "bundle", repo_help_bundle, "vVDFoR", repo_bundle },
	{ "extract", repo_help_extract, "2R", repo_extract },
};

static int report(int err, const struct dcd_diag *diag)
{
	if (err != 0 && diag->text[0] != '\0') {
		fprintf(stderr, "decade-repo: %s\n", diag->text);
	}
	if (fflush(stdout) != 0 && err == 0) {
		fputs("decade-repo: can't write the output\n", stderr);
		return 1;
	}
	return dcd_err_exit_code(err);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct dcd_diag diag = { 0 };
	struct repo_options options = { 0 };
	struct repo_place place = { .lock_fd = -1 };
	bool help = false;
	int err = repo_options_parse(argc, argv, command->options, &options, &help, &diag);
	if (err == 0 && help) {
		fputs(command->help, stdout);
		return report(0, &diag);
	}
	if (err == 0) {
		err = repo_place_open(options.repo, &place, &diag);
	}
	if (err == 0) {
		err = command->run(&place, &options, &diag);
	}
	repo_place_close(&place);
	repo_options_free(&options);
	return report(err, &diag);
}

int main(int argc, char **argv)
{
	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(repo_help_main, stdout);
		return 0;
	}
	if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
		puts("decade-repo " DCD_VERSION);
		return 0;
	}
	dcd_large_memory_setup();
	for (size_t i = 0; argc >= 2 && i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			return run(&commands[i], argc - 1, argv + 1);
		}
	}
	if (argc >= 2) {
		fprintf(stderr, "decade-repo: %s: no such command; see `decade-repo --help`\n", argv[1]);
	} else {
		fputs(repo_help_main, stderr);
	}
	return 2;
}
