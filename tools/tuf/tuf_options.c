#include "tools/tuf/tuf_options.h"

#include <getopt.h>
#include <string.h>

static const struct option long_options[] = {
	{ "metadata-dir", required_argument, NULL, 'm' },
	{ "metadata-url", required_argument, NULL, 'u' },
	{ "target-name", required_argument, NULL, 'n' },
	{ "target-base-url", required_argument, NULL, 'b' },
	{ "target-dir", required_argument, NULL, 'd' },
	{ "expiry", required_argument, NULL, 'x' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{ NULL, 0, NULL, 0 },
};

static int parse_expiry(const char *text, struct tuf_options *options, struct dcd_diag *diag)
{
	bool report = strcmp(text, "report") == 0;
	options->expiry = report ? DCD_EXPIRY_REPORT : DCD_EXPIRY_ENFORCE;
	return report || strcmp(text, "enforce") == 0
		       ? 0
		       : dcd_diag_set(diag, DCD_ERR_USAGE, "--expiry %s: must be enforce or report", text);
}

static int parse_one(int letter, const char *text, struct tuf_options *options, struct dcd_diag *diag)
{
	switch (letter) {
	case 'm':
		options->metadata_dir = text;
		return 0;
	case 'u':
		options->metadata_url = text;
		return 0;
	case 'b':
		options->target_base_url = text;
		return 0;
	case 'd':
		options->target_dir = text;
		return 0;
	case 'n':
		if (options->target_count == TUF_TARGET_NAMES_MAX) {
			return dcd_diag_set(diag, DCD_ERR_USAGE, "--target-name: at most %d", TUF_TARGET_NAMES_MAX);
		}
		options->target_names[options->target_count++] = text;
		return 0;
	case 'x':
		return parse_expiry(text, options, diag);
	case 'h':
		options->help = true;
		return 0;
	case 'v':
		options->version = true;
		return 0;
	default:
		return dcd_diag_set(diag, DCD_ERR_USAGE, "an option that isn't one, or lacks its value; see `decade-tuf --help`");
	}
}

static int parse_command(int argc, char **argv, struct tuf_options *options, struct dcd_diag *diag)
{
	static const char *const names[] = { "init", "refresh", "download" };
	const char *name = optind < argc ? argv[optind++] : "";
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(names[i], name) == 0) {
			options->command = (enum tuf_command)i;
			if (options->command == TUF_COMMAND_INIT && optind < argc) {
				options->trusted_root = argv[optind++];
			}
			return optind == argc ? 0 : dcd_diag_set(diag, DCD_ERR_USAGE, "%s: one argument too many", argv[optind]);
		}
	}
	return dcd_diag_set(diag, DCD_ERR_USAGE, "the command must be init, refresh or download; see `decade-tuf --help`");
}

static int check_complete(const struct tuf_options *options, struct dcd_diag *diag)
{
	bool downloads = options->command == TUF_COMMAND_DOWNLOAD;
	const struct {
		bool needed;
		const void *value;
		const char *name;
	} needs[] = {
		{ true, options->metadata_dir, "--metadata-dir" },
		{ options->command == TUF_COMMAND_INIT, options->trusted_root, "a TRUSTED_ROOT file" },
		{ options->command != TUF_COMMAND_INIT, options->metadata_url, "--metadata-url" },
		{ downloads, options->target_base_url, "--target-base-url" },
		{ downloads, options->target_dir, "--target-dir" },
		{ downloads, options->target_count > 0 ? options->target_names : NULL, "--target-name" },
	};
	for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
		if (needs[i].needed && needs[i].value == NULL) {
			return dcd_diag_set(diag, DCD_ERR_USAGE, "this command needs %s", needs[i].name);
		}
	}
	return 0;
}

int tuf_options_parse(int argc, char **argv, struct tuf_options *ret, struct dcd_diag *diag)
{
	struct tuf_options options = { 0 };
	opterr = 0;
	for (int letter = 0, err = 0; (letter = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
		err = parse_one(letter, optarg, &options, diag);
		if (err != 0) {
			return err;
		}
	}
	if (!options.help && !options.version) {
		int err = parse_command(argc, argv, &options, diag);
		if (err == 0) {
			err = check_complete(&options, diag);
		}
		if (err != 0) {
			return err;
		}
	}
	*ret = options;
	return 0;
}
