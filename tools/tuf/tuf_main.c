#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "tools/tuf/tuf_download.h"
#include "tools/tuf/tuf_options.h"
#include "tools/tuf/tuf_place.h"
#include "tools/tuf/tuf_route.h"
#include "updater/journal/dir_posix.h"

static const char help[] =
	"decade-tuf - a client of TUF repositories (https://theupdateframework.io)\n"
	"\n"
	"    decade-tuf --metadata-dir DIR init TRUSTED_ROOT\n"
	"    decade-tuf --metadata-dir DIR --metadata-url URL refresh\n"
	"    decade-tuf --metadata-dir DIR --metadata-url URL --target-name PATH --target-base-url URL --target-dir DIR "
	"download\n"
	"\n"
	"init takes a root metadata file as the one to trust, as it is. refresh brings the metadata in DIR up to date and "
	"verifies it.\n"
	"download refreshes, finds the target and stores it, verified, in the target folder; its name there is printed. A target "
	"that\n"
	"is there already is not fetched again. URLs may also be folders.\n"
	"\n"
	"    --metadata-dir DIR      root.json, timestamp.json, snapshot.json, targets.json, and delegated roles\n"
	"    --target-name PATH      may repeat; processed in order until one fails\n"
	"    --expiry report         accept expired metadata and say so, instead of refusing it\n"
	"    --help, --version       this text; the program's version\n"
	"\n"
	"Example:\n"
	"    decade-tuf --metadata-dir ~/.tuf init 1.root.json\n"
	"    decade-tuf --metadata-dir ~/.tuf --metadata-url https://updates.example.com/metadata \\\n"
	"        --target-base-url https://updates.example.com/targets --target-dir . --target-name releases/1.0.json download\n"
	"\n"
	"Exit codes: 0 done, 1 failed, 2 wrong usage.\n";

static int load_file(const char *path, size_t max, uint8_t **ret, size_t *ret_len, struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *data = malloc(max + 1);
	FILE *file = fopen(path, "rb");
	if (data == NULL || file == NULL) {
		int err = dcd_diag_set(diag, DCD_ERR_HOST, "%s: can't be read: %s", path, strerror(errno));
		if (file != NULL) {
			fclose(file);
		}
		return err;
	}
	size_t len = fread(data, 1, max + 1, file);
	bool bad = ferror(file) != 0 || len > max;
	fclose(file);
	if (bad) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: can't be read, or is too large", path);
	}
	*ret = data;
	*ret_len = len;
	data = NULL;
	return 0;
}

static int run_init(const struct tuf_options *options, struct tuf_place *place, struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *root = NULL;
	size_t len = 0;
	int err = load_file(options->trusted_root, DCD_TUF_ROOT_MAX, &root, &len, diag);
	return err == 0 ? dcd_dir_replace(&place->base, "root.json", root, len, diag) : err;
}

static int download_all(const struct tuf_options *options, struct dcd_tuf *tuf, struct dcd_diag *diag)
{
	struct dcd_dir *folder = NULL;
	if (mkdir(options->target_dir, 0777) != 0 && errno != EEXIST) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: can't be made: %s", options->target_dir, strerror(errno));
	}
	int err = dcd_dir_posix_open(options->target_dir, &folder, diag);
	for (size_t i = 0; err == 0 && i < options->target_count; i++) {
		err = tuf_download(tuf, folder, options->target_names[i], diag);
	}
	if (folder != NULL) {
		folder->ops->close(folder);
	}
	return err;
}

static int run_client(const struct tuf_options *options, struct tuf_place *place, struct dcd_source *source,
		      struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *root = NULL;
	size_t root_len = 0;
	int err = dcd_dir_load(&place->base, "root.json", DCD_TUF_ROOT_MAX, &root, &root_len, diag);
	if (err != 0) {
		return dcd_diag_set(diag, err, "%s/root.json can't be read; begin with `decade-tuf init`", options->metadata_dir);
	}
	const struct dcd_tuf_options client = {
		.source = source,
		.store = &place->base,
		.metadata_prefix = TUF_ROUTE_METADATA,
		.targets_prefix = TUF_ROUTE_TARGETS,
		.factory_root = root,
		.factory_root_len = root_len,
		.start_time = (int64_t)time(NULL),
		.expiry = options->expiry,
	};
	struct dcd_tuf *tuf = NULL;
	err = dcd_tuf_new(&client, &tuf, diag);
	if (err == 0) {
		err = dcd_tuf_refresh(tuf, diag);
	}
	if (err == 0 && options->command == TUF_COMMAND_DOWNLOAD) {
		err = download_all(options, tuf, diag);
	}
	if (err == 0 && dcd_tuf_stale(tuf) != NULL) {
		fprintf(stderr, "decade-tuf: stale: %s\n", dcd_tuf_stale(tuf));
	}
	dcd_tuf_free(tuf);
	return err;
}

static int run(const struct tuf_options *options, struct dcd_diag *diag)
{
	struct tuf_place place = { .folder = NULL };
	struct tuf_route route = { .metadata = NULL };
	int err = tuf_place_open(options->metadata_dir, &place, diag);
	if (err == 0 && options->command == TUF_COMMAND_INIT) {
		err = run_init(options, &place, diag);
	} else if (err == 0) {
		err = tuf_route_open(options->metadata_url, options->target_base_url, &route, diag);
		if (err == 0) {
			err = run_client(options, &place, &route.base, diag);
		}
		tuf_route_close(&route);
	}
	tuf_place_close(&place);
	return err;
}

int main(int argc, char **argv)
{
	struct dcd_diag diag = { 0 };
	struct tuf_options options;
	int err = tuf_options_parse(argc, argv, &options, &diag);
	if (err == 0 && (options.help || options.version)) {
		fputs(options.help ? help : "decade-tuf " DCD_VERSION "\n", stdout);
		return 0;
	}
	bool usage = err == DCD_ERR_USAGE;
	if (err == 0) {
		err = run(&options, &diag);
	}
	if (err != 0) {
		fprintf(stderr, "decade-tuf: %s\n", diag.text[0] != '\0' ? diag.text : dcd_err_name(err));
	}
	if (fflush(stdout) != 0 && err == 0) {
		err = DCD_ERR_HOST;
	}
	return err == 0 ? 0 : usage ? 2 : 1;
}
