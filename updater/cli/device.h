/* A device put together from its configuration: adapters opened and handed to the engine. The only place where they all meet. */
#ifndef DCD_UPDATER_CLI_DEVICE_H
#define DCD_UPDATER_CLI_DEVICE_H

#include "updater/config/config.h"
#include "updater/engine/engine.h"
#include "updater/journal/lock.h"
#include "updater/pipeline/prefetch_stream.h"

struct dcd_device {
	struct dcd_config *config;
	struct dcd_lock *lock;
	struct dcd_dir *state_dir;
	struct dcd_dir *metadata_dir;
	struct dcd_source *source;
	struct dcd_frame_stream *stream;
	uint8_t *factory_root;
	struct dcd_decoder zstd;
	struct dcd_packer packer;
	struct dcd_engine engine;
};

enum dcd_device_need {
	DCD_DEVICE_LOOK = 0,        /* no lock: what it shows may be changing */
	DCD_DEVICE_CHANGE = 1,      /* the lock */
	DCD_DEVICE_EXAMINE = 2,     /* the source and the factory root, no lock: nothing is changed */
	DCD_DEVICE_SOURCE = 2 | 1,  /* the lock, the source and the factory root */
	DCD_DEVICE_READ = 4,        /* the lock, so that nothing changes meanwhile, but nothing is stored: a read-only state folder will do */
};

/*
 * `source` overrides the configured one; null: the configuration's. DCD_ERR_CONFIG, DCD_ERR_BUSY, DCD_ERR_IO, … On failure nothing stays open.
 */
DCD_NODISCARD int dcd_device_open(const char *config_path, enum dcd_device_need need, const char *source, struct dcd_device *ret,
				  struct dcd_diag *diag);
void dcd_device_close(struct dcd_device *device);

#endif
