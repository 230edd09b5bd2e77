/*
 * The boot state as names of files, as the loader `systemd-boot` reads it (Boot Loader Specification, "Boot counting"):
 *
 *	decade-RANK-BOOTNAME.conf            a slot that is good
 *	decade-RANK-BOOTNAME+LEFT.conf       one on trial, not booted yet
 *	decade-RANK-BOOTNAME+LEFT-DONE.conf  one on trial
 *
 * The loader tries the highest rank first; one without tries left comes after all others. Pure: no I/O.
 */
#ifndef DCD_UPDATER_BOOT_BOOT_BLS_FORMAT_H
#define DCD_UPDATER_BOOT_BOOT_BLS_FORMAT_H

#include <stdint.h>

#include "updater/boot/boot.h"

#define DCD_BLS_NAME_SIZE 80 /* bytes of a file name with its NUL */
#define DCD_BLS_RANK_MAX 999999999U

struct dcd_bls_entry {
	int slot;
	uint32_t rank; /* 0..DCD_BLS_RANK_MAX */
	bool good;     /* has no counter */
	uint32_t left; /* while not good */
};

enum dcd_bls_kind {
	DCD_BLS_FOREIGN, /* nothing of ours */
	DCD_BLS_ENTRY,
	DCD_BLS_DAMAGED, /* looks like ours, but the loader and we might not agree on what it says */
};

/* What a file's name says; *ret is filled for DCD_BLS_ENTRY alone. */
enum dcd_bls_kind dcd_bls_parse(const char *name, const char *const bootname[DCD_SLOT_COUNT], struct dcd_bls_entry *ret);

void dcd_bls_name(const struct dcd_bls_entry *entry, const char *const bootname[DCD_SLOT_COUNT], char ret[DCD_BLS_NAME_SIZE]);

/*
 * Of two entries of one slot, which a cut may leave: true when `a` is the one that counts. The higher rank, for the loader takes
 * it first; without tries left it still says that they were spent. With one rank, the better one.
 */
bool dcd_bls_counts_before(const struct dcd_bls_entry *a, const struct dcd_bls_entry *b);

/*
 * The entries that a state needs, by slot index; `ret_present` says which slots have one. `now` is what is there (null where
 * none is). Ranks change as little as the order asks for.
 */
void dcd_bls_plan(const struct dcd_boot_state *state, const struct dcd_bls_entry *const now[DCD_SLOT_COUNT],
		  struct dcd_bls_entry ret[DCD_SLOT_COUNT], bool ret_present[DCD_SLOT_COUNT]);

#endif
