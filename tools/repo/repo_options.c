#include "tools/repo/repo_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bsdiff/format.h"
#include "tools/repo/repo_keys.h"
#include "tools/repo/repo_text.h"

#define DAYS_MAX 36500
#define JOBS_MAX 64
#define CACHE_BYTES (UINT64_C(16) << 30)
#define CACHE_DAYS 90
#define THREADS_MAX 1024

/*
 * Root and targets are no proof of freshness, so they live as long as a fleet does: a root that expires locks devices out for
 * nothing. Snapshot and timestamp say "this is the newest": the timestamp is renewed by a machine every few days, the snapshot
 * once a year at the least.
 */
static const uint64_t expires_default[REPO_ROLES] = {
	[REPO_ROOT] = 7300, [REPO_TARGETS] = 3650, [REPO_SNAPSHOT] = 365, [REPO_TIMESTAMP] = 30
};

/* The letters are for the tables of who accepts what; only -o is a short option too. */
static const struct option long_options[] = {
	{ "keys", required_argument, NULL, 'k' },
	{ "product", required_argument, NULL, 'p' },
	{ "version", required_argument, NULL, 'v' },
	{ "image", required_argument, NULL, 'i' },
	{ "channel", required_argument, NULL, 'c' },
	{ "compatible", required_argument, NULL, 'b' },
	{ "security-version", required_argument, NULL, 's' },
	{ "requires-version", required_argument, NULL, 'r' },
	{ "bases", required_argument, NULL, 'B' },
	{ "notes", required_argument, NULL, 'n' },
	{ "segment-size", required_argument, NULL, 'S' },
	{ "effort", required_argument, NULL, 'e' },
	{ "keep-packed", no_argument, NULL, 'q' },
	{ "threads", required_argument, NULL, 't' },
	{ "jobs", required_argument, NULL, 'J' },
	{ "cache", required_argument, NULL, 'C' },
	{ "cache-size", required_argument, NULL, 'z' },
	{ "cache-days", required_argument, NULL, 'y' },
	{ "scratch", required_argument, NULL, 'Q' },
	{ "expires", required_argument, NULL, 'x' },
	{ "root", required_argument, NULL, 'R' },
	{ "base", required_argument, NULL, 'V' },
	{ "board", required_argument, NULL, 'D' },
	{ "no-full", no_argument, NULL, 'F' },
	{ "output", required_argument, NULL, 'o' },
	{ "deep", no_argument, NULL, 'd' },
	{ "json", no_argument, NULL, 'j' },
	{ "sign-with", required_argument, NULL, 'W' },
	{ "keys-moved", no_argument, NULL, 'Y' },
	{ "mirror", required_argument, NULL, 'm' },
	{ "no-mirrors", no_argument, NULL, 'w' },
	{ "role", required_argument, NULL, 'l' },
	{ "name", required_argument, NULL, 'N' },
	{ "algorithm", required_argument, NULL, 'a' },
	{ "threshold", required_argument, NULL, 'T' },
	{ "add", no_argument, NULL, 'A' },
	{ "add-key", required_argument, NULL, 'K' },
	{ "remove", required_argument, NULL, 'M' },
	{ "path", required_argument, NULL, 'P' },
	{ "replace", no_argument, NULL, 'E' },
	{ "terminating", no_argument, NULL, 'G' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int parse_number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct dcd_diag *diag)
{
	char *end = NULL;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min || value > max) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "--%s %s: must be a whole number from %llu to %llu", option, text,
				    (unsigned long long)min, (unsigned long long)max);
	}
	*ret = value;
	return 0;
}

static int parse_image(const char *text, struct repo_options *options, struct dcd_diag *diag)
{
	const char *equals = strchr(text, '=');
	if (equals == NULL || equals[1] == '\0') {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "--image %s: must be CLASS=FILE, as in rootfs=rootfs.img", text);
	}
	if (options->image_count == DCD_RELEASE_IMAGES_MAX) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "--image: a release has at most %d images", DCD_RELEASE_IMAGES_MAX);
	}
	char *class_name = repo_text("%.*s", (int)(equals - text), text);
	options->images[options->image_count++] = (struct repo_image_option){ .class_name = class_name, .file = equals + 1 };
	if (!repo_name_ok(class_name) || !dcd_release_class_ok(class_name)) {
		return dcd_diag_set(
			diag, DCD_ERR_USAGE,
			"--image %s: a class is a key in the device's configuration: 1 to %d letters, digits or ._- that "
			"don't begin with '.' or '-', and not 'bootname'",
			text, DCD_RELEASE_CLASS_MAX);
	}
	for (size_t i = 0; i + 1 < options->image_count; i++) {
		if (strcmp(options->images[i].class_name, class_name) == 0) {
			return dcd_diag_set(diag, DCD_ERR_USAGE, "--image: class %s is given twice", class_name);
		}
	}
	return 0;
}

static int parse_expires(const char *text, struct repo_options *options, struct dcd_diag *diag)
{
	for (int role = 0; role < REPO_ROLES; role++) {
		const char *name = repo_role_name((enum repo_role)role);
		size_t len = strlen(name);
		if (strncmp(text, name, len) == 0 && text[len] == '=') {
			return parse_number("expires ROLE", text + len + 1, 1, DAYS_MAX, &options->expires_days[role], diag);
		}
	}
	return dcd_diag_set(diag, DCD_ERR_USAGE,
			    "--expires %s: must be ROLE=DAYS, ROLE being root, targets, snapshot or timestamp", text);
}

static int parse_segment_size(const char *text, struct repo_options *options, struct dcd_diag *diag)
{
	uint64_t value = 0;
	int err = parse_number("segment-size", text, DCD_SEGMENT_SIZE_MIN, DCD_SEGMENT_SIZE_MAX, &value, diag);
	if (err == 0 && (value & (value - 1)) != 0) {
		err = dcd_diag_set(diag, DCD_ERR_USAGE, "--segment-size %s: must be a power of two", text);
	}
	if (err == 0) {
		options->segment_size = (uint32_t)value;
	}
	return err;
}

static int parse_small(const char *option, const char *text, uint64_t max, int *ret, struct dcd_diag *diag)
{
	uint64_t value = 0;
	int err = parse_number(option, text, 1, max, &value, diag);
	if (err == 0) {
		*ret = (int)value;
	}
	return err;
}

static int parse_bases(const char *text, struct repo_options *options, struct dcd_diag *diag)
{
	if (strcmp(text, "all") == 0) {
		options->bases = REPO_BASES_ALL;
		return 0;
	}
	if (strcmp(text, "none") == 0) {
		options->bases = 0;
		return 0;
	}
	if (parse_number("bases", text, 0, UINT32_MAX, &options->bases, NULL) != 0) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "--bases %s: must be all, none or a number", text);
	}
	return 0;
}

static int parse_board(const char *option, const char *text, struct repo_options *options, struct dcd_diag *diag)
{
	if (options->board_count == DCD_RELEASE_BOARDS_MAX || !dcd_release_name_ok(text)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE,
				    "--%s '%s': at most %d boards of 1 to %d printable bytes without spaces and '/'", option,
				    text, DCD_RELEASE_BOARDS_MAX, DCD_RELEASE_STRING_MAX);
	}
	options->boards[options->board_count++] = text;
	return 0;
}

static int parse_name(const char *option, const char *text, const char **ret, struct dcd_diag *diag)
{
	if (!repo_name_ok(text)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE,
				    "--%s '%s': must be 1 to 128 letters, digits or ._+~:- and not begin with '.' or '-'", option,
				    text);
	}
	*ret = text;
	return 0;
}

static int parse_list(const char *option, const char *text, const char **list, size_t *count, struct dcd_diag *diag)
{
	if (*count == REPO_KEY_OPTIONS_MAX) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "--%s: at most %d times", option, REPO_KEY_OPTIONS_MAX);
	}
	list[(*count)++] = text;
	return 0;
}

/* Exactly what devices take: a list that some of them can't use would be found out when it is needed. */
static int parse_mirror(const char *text, struct repo_options *options, struct dcd_diag *diag)
{
	bool ok = (strncmp(text, "http://", 7) == 0 && text[7] != '\0') || (strncmp(text, "https://", 8) == 0 && text[8] != '\0');
	for (const char *c = text; *c != '\0'; c++) {
		ok = ok && *c > 0x20 && *c < 0x7f;
	}
	if (!ok || strlen(text) > DCD_TUF_MIRROR_URL_MAX || options->mirror_count == DCD_TUF_MIRRORS_MAX) {
		return dcd_diag_set(
			diag, DCD_ERR_USAGE,
			"--mirror %.128s: at most %u URLs, each http(s)://HOST/PATH of at most %u printable ASCII characters",
			text, DCD_TUF_MIRRORS_MAX, DCD_TUF_MIRROR_URL_MAX);
	}
	options->mirrors[options->mirror_count++] = text;
	return 0;
}

static int parse_key_option(int letter, const char *text, struct repo_options *options, struct dcd_diag *diag)
{
	switch (letter) {
	case 'W':
		options->sign_with = text;
		return 0;
	case 'm':
		return parse_mirror(text, options, diag);
	case 'w':
		options->no_mirrors = true;
		return 0;
	case 'Y':
		options->keys_moved = true;
		return 0;
	case 'l':
		options->role = text;
		return 0;
	case 'N':
		return parse_name("name", text, &options->name, diag);
	case 'a':
		return dcd_key_algorithm_find(text, &options->algorithm, diag);
	case 'T':
		return parse_number("threshold", text, 1, REPO_SIGNERS_MAX, &options->threshold, diag);
	case 'A':
		options->new_keys++;
		return 0;
	case 'K':
		return parse_list("add-key", text, options->key_files, &options->key_file_count, diag);
	case 'M':
		return parse_list("remove", text, options->removed, &options->removed_count, diag);
	case 'P':
		return parse_list("path", text, options->paths, &options->path_count, diag);
	case 'E':
		options->replace = true;
		return 0;
	case 'G':
		options->terminating = true;
		return 0;
	default:
		return dcd_diag_set(diag, DCD_ERR_BUG, "an option without a reader");
	}
}

static int parse_base(const char *text, struct repo_options *options, struct dcd_diag *diag)
{
	options->base_versions = repo_grow(options->base_versions, options->base_count + 1, sizeof *options->base_versions);
	return parse_name("base", text, &options->base_versions[options->base_count++], diag);
}

static int parse_cache_option(int letter, const char *text, struct repo_options *options, struct dcd_diag *diag)
{
	switch (letter) {
	case 'J':
		return parse_small("jobs", text, JOBS_MAX, &options->jobs, diag);
	case 'C':
		options->cache = text;
		return 0;
	case 'z':
		return parse_number("cache-size", text, 0, INT64_MAX, &options->cache_bytes, diag);
	case 'y':
		return parse_number("cache-days", text, 0, DAYS_MAX, &options->cache_days, diag);
	case 'Q':
		options->scratch = text;
		return 0;
	case 'q':
		options->recipe.keep_packed = true;
		return 0;
	default:
		return parse_key_option(letter, text, options, diag);
	}
}

static int parse_one(int letter, const char *text, struct repo_options *options, struct dcd_diag *diag)
{
	switch (letter) {
	case 'k':
		options->keys = text;
		return 0;
	case 'p':
		return parse_name("product", text, &options->product, diag);
	case 'v':
		return parse_name("version", text, &options->version, diag);
	case 'i':
		return parse_image(text, options, diag);
	case 'c':
		return parse_name("channel", text, &options->channel, diag);
	case 'b':
		return parse_board("compatible", text, options, diag);
	case 's':
		return parse_number("security-version", text, 0, INT64_MAX, &options->security_version, diag);
	case 'r':
		return parse_name("requires-version", text, &options->requires_version, diag);
	case 'B':
		return parse_bases(text, options, diag);
	case 'n':
		options->notes = text;
		return 0;
	case 'S':
		return parse_segment_size(text, options, diag);
	case 'e':
		return parse_small("effort", text, 9, &options->recipe.effort, diag);
	case 't':
		return parse_small("threads", text, THREADS_MAX, &options->threads, diag);
	case 'x':
		return parse_expires(text, options, diag);
	case 'R':
		options->root = text;
		return 0;
	case 'V':
		return parse_base(text, options, diag);
	case 'D':
		return parse_board("board", text, options, diag);
	case 'F':
		options->no_full = true;
		return 0;
	case 'o':
		options->output = text;
		return 0;
	case 'd':
		options->deep = true;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	default:
		return parse_cache_option(letter, text, options, diag);
	}
}

static int parse_all(int argc, char **argv, const char *accepted, struct repo_options *options, bool *ret_help,
		     struct dcd_diag *diag)
{
	int index = -1;
	opterr = 0;
	optind = 0;
	for (;;) {
		int at = optind == 0 ? 1 : optind;
		int letter = getopt_long(argc, argv, ":o:", long_options, &index);
		if (letter == -1) {
			break;
		}
		if (letter == ':') {
			return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: needs a value; see `decade-repo %s --help`",
					    argv[optind - 1], argv[0]);
		}
		if (letter == 'h') {
			*ret_help = true;
			return 0;
		}
		if (letter == '?' || strchr(accepted, letter) == NULL) {
			return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: no such option; see `decade-repo %s --help`",
					    argv[letter == '?' && optind > at ? optind - 1 : at], argv[0]);
		}
		int err = parse_one(letter, optarg, options, diag);
		if (err != 0) {
			return err;
		}
	}
	if (strchr(accepted, '2') != NULL) {
		if (optind + 2 != argc) {
			return dcd_diag_set(diag, DCD_ERR_USAGE,
					    "needs a bundle FILE and one REPO folder; see `decade-repo %s --help`", argv[0]);
		}
		options->file = argv[optind++];
	}
	bool takes_jobs = strchr(accepted, '*') != NULL;
	if (takes_jobs ? optind >= argc : optind + 1 != argc) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "needs one REPO folder; see `decade-repo %s --help`", argv[0]);
	}
	options->repo = argv[optind];
	options->job_texts = (const char **)argv + optind + 1;
	options->job_count = (size_t)(argc - optind - 1);
	return 0;
}

int repo_options_parse(int argc, char **argv, const char *accepted, struct repo_options *ret, bool *ret_help,
		       struct dcd_diag *diag)
{
	struct repo_options options = { .channel = "retail",
					.security_version = REPO_SECURITY_UNSET,
					.bases = REPO_BASES_ALL,
					.cache_bytes = CACHE_BYTES,
					.cache_days = CACHE_DAYS };
	memcpy(options.expires_days, expires_default, sizeof options.expires_days);
	int err = parse_all(argc, argv, accepted, &options, ret_help, diag);
	if (err == 0 && !*ret_help && strchr(accepted, 'k') != NULL && options.keys == NULL) {
		err = dcd_diag_set(diag, DCD_ERR_USAGE, "needs --keys KEYS, the folder of the signing keys");
	}
	if (err != 0) {
		repo_options_free(&options);
		return err;
	}
	*ret = options;
	return 0;
}

void repo_options_free(struct repo_options *options)
{
	for (size_t i = 0; i < options->image_count; i++) {
		free(options->images[i].class_name);
		options->images[i].class_name = NULL;
	}
	options->image_count = 0;
	free(options->base_versions);
	options->base_versions = NULL;
}
