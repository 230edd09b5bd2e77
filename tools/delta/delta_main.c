/* decade-delta: the delta engine alone. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bsdiff/diff/large_memory.h"
#include "bsdiff/format.h"
#include "tools/delta/delta_commands.h"

static const char usage_text[] =
	"usage: decade-delta diff  [--segment-size BYTES] [--effort 1..9] [--threads N] [--keep-packed] [--pack-memory BYTES]\n"
	"                          OLD NEW PAYLOAD\n"
	"       decade-delta full  [--segment-size BYTES] [--effort 1..9] [--threads N] NEW PAYLOAD\n"
	"       decade-delta apply [--max-memory BYTES] [--threads N] OLD PAYLOAD NEW\n"
	"       decade-delta info  [--json] PAYLOAD\n"
	"       decade-delta id    [--segment-size BYTES] [--threads N] IMAGE\n"
	"       decade-delta --help | --version\n";

static const char help_text[] =
	"\n"
	"diff makes the payload that turns OLD into NEW, full one that needs no OLD; apply makes NEW, which appears whole or not "
	"at all;\n"
	"info tells what a payload holds and what a device needs for it; id prints an image's identity.\n"
	"\n"
	"  --segment-size BYTES  a power of two from 4096 to 67108864 (K and M are understood); default 1M\n"
	"  --effort 1..9         1 is fastest, 9 makes the smallest payload; default 6\n"
	"  --threads N           default: one a core, for apply one, since each takes the memory that info states; the result is the\n"
	"                        same for any number\n"
	"  --keep-packed         don't look into compressed file systems and files: larger, but takes no compressor on the device\n"
	"  --pack-memory BYTES   what a device may need for a frame that compresses blocks again\n"
	"  --max-memory BYTES    refuse a payload that needs more (K, M and G are understood)\n"
	"  --json                machine-readable\n"
	"\n"
	"examples:\n"
	"  decade-delta diff rootfs-1.0.img rootfs-1.1.img 1.0-to-1.1.payload\n"
	"  decade-delta apply rootfs-1.0.img 1.0-to-1.1.payload out.img\n"
	"  decade-delta full --effort 9 rootfs-1.1.img 1.1.payload\n"
	"  decade-delta apply --max-memory 4M /dev/null 1.1.payload out.img\n"
	"\n"
	"Exit codes: 0 done, 1 failed, 2 wrong usage, 5 payload damaged, 6 file not found, 7 storage or wrong base.\n";

enum { OPTION_SEGMENT_SIZE = 256, OPTION_EFFORT, OPTION_THREADS, OPTION_MAX_MEMORY, OPTION_KEEP_PACKED, OPTION_PACK_MEMORY, OPTION_JSON, OPTION_HELP, OPTION_VERSION };

static const struct option long_options[] = {
	{ "segment-size", required_argument, NULL, OPTION_SEGMENT_SIZE },
	{ "effort", required_argument, NULL, OPTION_EFFORT },
	{ "threads", required_argument, NULL, OPTION_THREADS },
	{ "max-memory", required_argument, NULL, OPTION_MAX_MEMORY },
	{ "keep-packed", no_argument, NULL, OPTION_KEEP_PACKED },
	{ "pack-memory", required_argument, NULL, OPTION_PACK_MEMORY },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static int usage_error(void)
{
	fputs(usage_text, stderr);
	return dcd_err_exit_code(DCD_ERR_USAGE);
}

/* A whole decimal number with an optional unit, from `min` to `max`. */
static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	if (text[0] < '0' || text[0] > '9') {
		return false;
	}
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
	end += shift != 0;
	if (errno != 0 || *end != '\0' || value > max >> shift || value << shift < min) {
		return false;
	}
	*ret = (uint64_t)value << shift;
	return true;
}

static bool option_take(int option, const char *argument, struct dcd_delta_options *options)
{
	uint64_t value = 0;
	bool ok = true;
	switch (option) {
	case OPTION_SEGMENT_SIZE:
		ok = parse_number(argument, DCD_SEGMENT_SIZE_MIN, DCD_SEGMENT_SIZE_MAX, &value) && (value & (value - 1)) == 0;
		options->segment_size = (uint32_t)value;
		break;
	case OPTION_EFFORT:
		ok = parse_number(argument, 1, 9, &value);
		options->effort = (int)value;
		break;
	case OPTION_THREADS:
		ok = parse_number(argument, 1, 256, &value);
		options->threads = (int)value;
		break;
	case OPTION_MAX_MEMORY:
		ok = parse_number(argument, 1, UINT64_MAX, &options->max_memory);
		break;
	case OPTION_KEEP_PACKED:
		options->keep_packed = true;
		break;
	case OPTION_PACK_MEMORY:
		ok = parse_number(argument, 1, DCD_PACK_MEMORY_MAX, &value);
		options->pack_memory = (uint32_t)value;
		break;
	case OPTION_JSON:
		options->json = true;
		break;
	default:
		return false;
	}
	if (!ok) {
		fprintf(stderr, "decade-delta: \"%s\" is out of bounds or not a number\n", argument);
	}
	return ok;
}

static int command_encode(char **paths, const struct dcd_delta_options *options, struct dcd_diag *diag)
{
	return dcd_delta_command_encode(paths[0], paths[1], paths[2], options, diag);
}

static int command_full(char **paths, const struct dcd_delta_options *options, struct dcd_diag *diag)
{
	return dcd_delta_command_encode(NULL, paths[0], paths[1], options, diag);
}

static int command_apply(char **paths, const struct dcd_delta_options *options, struct dcd_diag *diag)
{
	return dcd_delta_command_apply(paths[0], paths[1], paths[2], options, diag);
}

static int command_info(char **paths, const struct dcd_delta_options *options, struct dcd_diag *diag)
{
	return dcd_delta_command_info(paths[0], options, diag);
}

static int command_id(char **paths, const struct dcd_delta_options *options, struct dcd_diag *diag)
{
	return dcd_delta_command_id(paths[0], options, diag);
}

static const struct command {
	const char *name;
	int paths;
	int (*run)(char **paths, const struct dcd_delta_options *options, struct dcd_diag *diag);
} commands[] = {
	{ "diff", 3, command_encode }, { "full", 2, command_full }, { "apply", 3, command_apply },
	{ "info", 1, command_info },   { "id", 1, command_id },
};

static int run(const struct command *command, char **paths, const struct dcd_delta_options *options)
{
	struct dcd_diag diag = { 0 };
	int err = command->run(paths, options, &diag);
	if (err != 0) {
		fprintf(stderr, "decade-delta: %s\n", diag.text);
	} else if (fflush(stdout) != 0) {
		perror("decade-delta: standard output");
		err = DCD_ERR_IO;
	}
	return dcd_err_exit_code(err);
}

int main(int argc, char **argv)
{
	struct dcd_delta_options options = { 0 };
	dcd_large_memory_setup();
	for (int option; (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
		if (option == OPTION_HELP || option == 'h') {
			printf("%s%s", usage_text, help_text);
			return 0;
		}
		if (option == OPTION_VERSION) {
			puts("decade-delta " DCD_VERSION);
			return 0;
		}
		if (!option_take(option, optarg, &options)) {
			return usage_error();
		}
	}
	for (size_t i = 0; optind < argc && i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(argv[optind], commands[i].name) == 0 && argc - optind - 1 == commands[i].paths) {
			return run(&commands[i], argv + optind + 1, &options);
		}
	}
	return usage_error();
}
