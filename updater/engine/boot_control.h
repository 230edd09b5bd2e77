/*
 * The boot loader, as the engine sees it: which slot comes first, how many tries each has left, which ones are known good. One
 * adapter per loader in updater/boot implements it.
 *
 * The rule that every loader follows (docs/boot.md): walk `order`; a slot that is bootable and either good or with tries left is booted, and
 * when it isn't good its tries are counted down and stored *before* it is loaded. When no slot qualifies, the first good one in the order is
 * booted, else the first.
 */
#ifndef DCD_UPDATER_ENGINE_BOOT_CONTROL_H
#define DCD_UPDATER_ENGINE_BOOT_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"

#define DCD_SLOT_COUNT 2
#define DCD_TRIES_MAX 15

static inline int dcd_slot_other(int slot)
{
	return 1 - slot;
}

struct dcd_boot_slot {
	bool bootable;      /* the loader may choose it at all */
	bool good;          /* confirmed: booted without counting */
	uint8_t tries_left; /* 0..DCD_TRIES_MAX; means something only while not good */
};

struct dcd_boot_state {
	uint8_t order[DCD_SLOT_COUNT]; /* a permutation of the slot indices; order[0] is the primary slot */
	struct dcd_boot_slot slot[DCD_SLOT_COUNT];
	int booted; /* index of the slot that is running; read only, a store ignores it */
};

struct dcd_boot_control;

struct dcd_boot_control_ops {
	/* DCD_ERR_BOOT_STATE when it is missing, corrupt or not ours: reported, never repaired behind the owner's back. */
	int (*load)(struct dcd_boot_control *control, struct dcd_boot_state *ret, struct dcd_diag *diag);
	/* One atomic store: after a cut at any point, the loader finds all of the old state or all of the new one. Durable on return. */
	int (*store)(struct dcd_boot_control *control, const struct dcd_boot_state *state, struct dcd_diag *diag);
	void (*close)(struct dcd_boot_control *control);
};

/* Implementations embed this as their first member. */
struct dcd_boot_control {
	const struct dcd_boot_control_ops *ops;
	const char *name; /* for messages */
};

/* The slot that the rule above would boot, and the state that it would store before it did (equal to the old one for a good slot). */
int dcd_boot_choose(const struct dcd_boot_state *state, struct dcd_boot_state *ret_after);

#endif
