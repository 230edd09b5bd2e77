/*
 * The update engine: what a device can be asked to do. It holds no state of its own between calls; everything it knows comes through its ports, and
 * everything it changes goes out through them in an order that a power cut can't spoil (the functions of life.h say which).
 */
#ifndef DCD_UPDATER_ENGINE_ENGINE_H
#define DCD_UPDATER_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/blockdev.h"
#include "base/dir.h"
#include "base/source.h"
#include "manifest/release/release.h"
#include "manifest/tuf/tuf.h"
#include "updater/engine/boot_control.h"
#include "updater/engine/device_state.h"
#include "updater/engine/image_install.h"
#include "updater/engine/life.h"

/* The slots' devices, by slot and image class. */
struct dcd_slot_port {
	/* Opens one; the caller closes it. Only the other slot is ever opened for writing. */
	int (*open)(void *context, int slot, const char *class_name, bool writable, struct dcd_blockdev **ret, struct dcd_diag *diag);
	void *context;
	size_t class_count;
	const char *const *classes; /* both slots have the same */
};

struct dcd_engine {
	/* Ports. */
	struct dcd_boot_control *boot;
	struct dcd_journal *journal;
	struct dcd_dir *metadata;   /* trusted TUF metadata */
	struct dcd_source *source;  /* null for what needs none */
	struct dcd_frame_stream *stream;
	dcd_segment_writer_factory *new_writer;
	struct dcd_slot_port slots;
	const struct dcd_hash_alg *alg;
	const struct dcd_decoder *zstd;
	const struct dcd_packer *packer; /* or null, as in struct dcd_image_ports */
	uint64_t pack_memory_max;
	struct dcd_progress_port progress;
	int64_t (*now)(void *context); /* the device's clock, seconds since 1970; may be wrong */
	void *now_context;

	/* What the device is. */
	const char *product;
	const char *board;
	const char *channel;
	uint8_t tries;
	enum dcd_expiry expiry;
	const uint8_t *factory_root;
	size_t factory_root_len;
	int64_t build_time; /* no clock is believed that is earlier than the program itself */
};

/* What a check or an install found and did. Strings are copies. */
struct dcd_report {
	char version[DCD_NAME_SIZE];      /* the release it is about, or "" */
	char from_version[DCD_NAME_SIZE]; /* what runs, or "" when it isn't known */
	char stale[DCD_TEXT_SIZE];        /* what had expired under `report`, or "" */
	char damaged[DCD_TEXT_SIZE];      /* stored metadata that didn't verify, or "" */
	bool delta;                       /* the running slot is the base */
	uint64_t bytes_full;              /* what full payloads take */
	uint64_t bytes_best;              /* what the chosen payloads take at most */
	enum dcd_outcome_kind outcome;    /* how far it came: staged, activated, repaired */
	struct dcd_install_stats stats;
	struct dcd_source_stats source;
};

/* What stands in the journal and the boot loader, reconciled; nothing is stored. */
DCD_NODISCARD int dcd_engine_status(struct dcd_engine *engine, struct dcd_device_state *ret_state, struct dcd_boot_state *ret_boot,
				    struct dcd_diag *diag);

/* Refreshes metadata and says what would be installed: 0, DCD_ERR_UP_TO_DATE, or why not. `ret` is filled as far as it came. */
DCD_NODISCARD int dcd_engine_check(struct dcd_engine *engine, struct dcd_report *ret, struct dcd_diag *diag);

/* A source's release, whatever this device thinks of it. */
struct dcd_examination {
	struct dcd_release *release; /* freed by the caller */
	char stale[DCD_TEXT_SIZE];   /* what had expired, or "" */
	struct dcd_tuf_versions versions;
};

/*
 * Verifies the source's metadata from this device's root on, and the manifest of the newest release that the source holds, of any channel.
 * Expiry is reported only. Nothing is stored but what the TUF client keeps in the metadata port; a caller who wants nothing stored gives it a
 * port that forgets (as for dcd_engine_check(), which then says whether this device would take the release). DCD_ERR_UNLISTED: it holds none.
 */
DCD_NODISCARD int dcd_engine_examine(struct dcd_engine *engine, struct dcd_examination *ret, struct dcd_diag *diag);

struct dcd_install_options {
	bool no_activate; /* stop when staged */
	bool full;        /* no deltas */
	bool again;       /* also the running release or one that was rolled back */
};

/*
 * Check, write the other slot, verify, and (unless told otherwise) activate. Whatever it ends with is in the journal as the last outcome, nothing-to-do
 * and a busy lock excepted.
 */
DCD_NODISCARD int dcd_engine_install(struct dcd_engine *engine, const struct dcd_install_options *options, struct dcd_report *ret,
				     struct dcd_diag *diag);

/*
 * Makes the other slot what its record says, segment by segment: a damaged fallback, or a cut install of a release that is not the newest any
 * more. The boot order stays.
 */
DCD_NODISCARD int dcd_engine_repair(struct dcd_engine *engine, struct dcd_report *ret, struct dcd_diag *diag);

/* 0, also when there was nothing to change. */
DCD_NODISCARD int dcd_engine_activate(struct dcd_engine *engine, struct dcd_diag *diag);
DCD_NODISCARD int dcd_engine_mark_good(struct dcd_engine *engine, struct dcd_diag *diag);
DCD_NODISCARD int dcd_engine_mark_bad(struct dcd_engine *engine, const char *reason, struct dcd_diag *diag);
DCD_NODISCARD int dcd_engine_rollback(struct dcd_engine *engine, struct dcd_diag *diag);

/*
 * Re-hashes a slot from the medium against its record. DCD_ERR_HASH names the image that differs; DCD_ERR_UNKNOWN_CONTENT when the journal has no
 * record.
 */
DCD_NODISCARD int dcd_engine_verify(struct dcd_engine *engine, int slot, struct dcd_diag *diag);

#endif
