/*
 * The life of an update as pure functions on what the journal and the boot loader say. Nothing here does I/O: updater/engine/engine.h stores
 * what these functions decide, in the order that they document.
 */
#ifndef DCD_UPDATER_ENGINE_LIFE_H
#define DCD_UPDATER_ENGINE_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "manifest/release/release.h"
#include "updater/engine/boot_control.h"
#include "updater/engine/device_state.h"

/* Where a device stands, for people and reports: DESIGN section 3. */
enum dcd_life {
	DCD_LIFE_IDLE,
	DCD_LIFE_WRITING, /* cut while writing: the next install goes on */
	DCD_LIFE_STAGED,
	DCD_LIFE_PENDING, /* activated; the next boot tries it */
	DCD_LIFE_TRIAL,   /* running, not yet confirmed */
	DCD_LIFE_ROLLED_BACK,
};

const char *dcd_life_name(enum dcd_life life);
enum dcd_life dcd_life_of(const struct dcd_device_state *state, const struct dcd_boot_state *boot);

/*
 * Brings the journal's view up to what the boot loader did meanwhile: a trial that was confirmed, a trial whose tries are spent (rolled back, and
 * the release is then known bad), a flip that a cut prevented. True when `state` changed and should be stored.
 */
bool dcd_life_reconcile(struct dcd_device_state *state, const struct dcd_boot_state *boot, int64_t now);

/* Only a confirmed running slot allows the other one to be touched: a device always keeps one slot known to boot. */
DCD_NODISCARD int dcd_life_may_write_other(const struct dcd_boot_state *boot, struct dcd_diag *diag);

/*
 * Before the target's first byte changes. `boot` first (the target can't boot any more), then `state`. A target that was pending
 * is withdrawn by this: the running slot is primary again.
 */
void dcd_life_begin_writing(struct dcd_device_state *state, struct dcd_boot_state *boot, int target, const struct dcd_release *release);

/* Whether the other slot's release, once it is whole, may be left bootable behind the running one: none that is newer, below the
 * floor or bad. */
bool dcd_life_may_fall_back(const struct dcd_device_state *state, const struct dcd_boot_state *boot);

/* Every segment has been read back. Only `state` changes; the slot stays unbootable until it is activated. */
void dcd_life_staged(struct dcd_device_state *state, int64_t now);

/*
 * The flip. `state` is stored first, `boot` second: a cut between them leaves a journal that says pending and a loader that doesn't, which
 * dcd_life_reconcile() reads as staged. DCD_ERR_NOTHING_STAGED.
 */
DCD_NODISCARD int dcd_life_activate(struct dcd_device_state *state, struct dcd_boot_state *boot, uint8_t tries, int64_t now,
				    struct dcd_diag *diag);

/*
 * The running slot is good. `boot` first, `state` second (floors rise only after the loader knows). True when something changed.
 */
bool dcd_life_confirm(struct dcd_device_state *state, struct dcd_boot_state *boot, uint8_t tries, int64_t now);

/*
 * The running slot is bad: the next boot takes the other one, which must be able to boot (else DCD_ERR_NO_OTHER_SLOT). A
 * confirmed slot is given up only for a confirmed one that isn't below the security floor (DCD_ERR_DOWNGRADE). `state` first,
 * `boot` second (also when `state` can't be stored): after a cut between them the slot boots until its tries are spent, but its
 * release isn't installed again.
 */
DCD_NODISCARD int dcd_life_mark_bad(struct dcd_device_state *state, struct dcd_boot_state *boot, const char *reason, int64_t now,
				    struct dcd_diag *diag);

/*
 * What a user who asks for the way back gets, by where the device stands: in a trial, the running release is marked bad; before
 * the reboot into a trial, the activation is withdrawn; otherwise the other slot's release is tried, which must be verified, not
 * below the security floor and not known bad. `state` first, `boot` second, as in activate; except for a withdrawal, where `boot`
 * goes first: after a cut the loader must not boot what the journal says is withdrawn.
 */
DCD_NODISCARD int dcd_life_rollback(struct dcd_device_state *state, struct dcd_boot_state *boot, uint8_t tries, int64_t now,
				    struct dcd_diag *diag);

/*
 * What runs was compared with signed metadata and is `record`. When the loader calls it confirmed, its security version is the least that the
 * floor can have been: so a journal that was lost doesn't take the floor with it.
 */
void dcd_life_identified(struct dcd_device_state *state, const struct dcd_boot_state *boot, const struct dcd_slot_record *record);

bool dcd_life_is_known_bad(const struct dcd_device_state *state, const struct dcd_hash *manifest_hash);
/* Asked for again: the release may be tried once more. */
void dcd_life_forget_bad(struct dcd_device_state *state, const struct dcd_hash *manifest_hash);

/*
 * Records why something ended as it did. False when it is what the journal says already (so that a device that polls a broken server for
 * years doesn't wear out its flash with the same sentence).
 */
bool dcd_life_note(struct dcd_device_state *state, enum dcd_outcome_kind kind, int err, const char *version, const char *reason,
		   int64_t now);

#endif
