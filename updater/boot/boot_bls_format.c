#include "updater/boot/boot_bls_format.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "decade-"
#define SUFFIX ".conf"

/* A decimal number of at most nine digits, without leading zeros, so that a state has one name. */
static bool take_number(const char **at, uint32_t *ret)
{
	size_t digits = strspn(*at, "0123456789");
	uint32_t value = 0;
	if (digits == 0 || digits > 9 || (digits > 1 && **at == '0')) {
		return false;
	}
	for (size_t i = 0; i < digits; i++) {
		value = value * 10 + (uint32_t)((*at)[i] - '0');
	}
	*at += digits;
	*ret = value;
	return true;
}

static bool parse_counter(const char *at, struct dcd_bls_entry *entry)
{
	uint32_t done;
	if (strcmp(at, SUFFIX) == 0) {
		entry->good = true;
		entry->left = 0;
		return true;
	}
	entry->good = false;
	if (*at++ != '+' || !take_number(&at, &entry->left) || entry->left > DCD_TRIES_MAX) {
		return false;
	}
	if (*at == '-') {
		at++;
		if (!take_number(&at, &done)) {
			return false;
		}
	}
	return strcmp(at, SUFFIX) == 0;
}

/* Names of other files that happen to begin like ours, templates and scratch files, don't end like ours. */
static bool looks_like_ours(const char *name)
{
	size_t len = strlen(name);
	size_t suffix = sizeof SUFFIX - 1;
	return strncmp(name, PREFIX, sizeof PREFIX - 1) == 0 && len > suffix && strcmp(name + len - suffix, SUFFIX) == 0;
}

enum dcd_bls_kind dcd_bls_parse(const char *name, const char *const bootname[DCD_SLOT_COUNT], struct dcd_bls_entry *ret)
{
	struct dcd_bls_entry entry = { 0 };
	if (!looks_like_ours(name)) {
		return DCD_BLS_FOREIGN;
	}
	const char *at = name + sizeof PREFIX - 1;
	if (!take_number(&at, &entry.rank) || *at++ != '-') {
		return DCD_BLS_DAMAGED;
	}
	for (entry.slot = 0; entry.slot < DCD_SLOT_COUNT; entry.slot++) {
		size_t len = strlen(bootname[entry.slot]);
		if (strncmp(at, bootname[entry.slot], len) == 0 && parse_counter(at + len, &entry)) {
			*ret = entry;
			return DCD_BLS_ENTRY;
		}
	}
	return DCD_BLS_DAMAGED;
}

void dcd_bls_name(const struct dcd_bls_entry *entry, const char *const bootname[DCD_SLOT_COUNT], char ret[DCD_BLS_NAME_SIZE])
{
	char counter[16] = "";
	if (!entry->good) {
		(void)snprintf(counter, sizeof counter, "+%u", (unsigned)entry->left);
	}
	(void)snprintf(ret, DCD_BLS_NAME_SIZE, PREFIX "%u-%s%s" SUFFIX, (unsigned)entry->rank, bootname[entry->slot], counter);
}

bool dcd_bls_counts_before(const struct dcd_bls_entry *a, const struct dcd_bls_entry *b)
{
	if (a->rank != b->rank) {
		return a->rank > b->rank;
	}
	return a->good != b->good ? a->good : a->left > b->left;
}

static bool keeps_its_name(const struct dcd_bls_entry *entry, const struct dcd_bls_entry *now)
{
	return now != NULL && now->good == entry->good && (entry->good || now->left == entry->left);
}

void dcd_bls_plan(const struct dcd_boot_state *state, const struct dcd_bls_entry *const now[DCD_SLOT_COUNT],
		  struct dcd_bls_entry ret[DCD_SLOT_COUNT], bool ret_present[DCD_SLOT_COUNT])
{
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const struct dcd_boot_slot *slot = &state->slot[i];
		ret_present[i] = slot->bootable;
		ret[i] = (struct dcd_bls_entry){
			.slot = i,
			.rank = now[i] != NULL ? now[i]->rank : 0,
			.good = slot->good,
			.left = slot->good ? 0 : slot->tries_left,
		};
	}
	struct dcd_bls_entry *first = &ret[state->order[0]], *second = &ret[state->order[1]];
	/* A slot without an entry has no rank to compete with; the next time it gets one. */
	bool ordered = !ret_present[0] || !ret_present[1] || first->rank > second->rank;
	bool named = now[first->slot] != NULL && now[second->slot] != NULL;
	if (ordered && (named || !ret_present[second->slot])) {
		return;
	}
	/* One of the two moves: the one whose name changes anyway, so that one file changes and not two. */
	if (keeps_its_name(first, now[first->slot]) && first->rank > 0) {
		second->rank = first->rank - 1;
	} else {
		first->rank = second->rank + 1;
	}
}
