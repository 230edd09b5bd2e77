#include "updater/engine/life.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

const char *dcd_life_name(enum dcd_life life)
{
	switch (life) {
	case DCD_LIFE_IDLE:
		return "idle";
	case DCD_LIFE_WRITING:
		return "writing";
	case DCD_LIFE_STAGED:
		return "staged";
	case DCD_LIFE_PENDING:
		return "pending";
	case DCD_LIFE_TRIAL:
		return "trial";
	case DCD_LIFE_ROLLED_BACK:
		return "rolled-back";
	}
	return "unknown";
}

enum dcd_life dcd_life_of(const struct dcd_device_state *state, const struct dcd_boot_state *boot)
{
	switch (state->phase) {
	case DCD_PHASE_WRITING:
		return DCD_LIFE_WRITING;
	case DCD_PHASE_STAGED:
		return DCD_LIFE_STAGED;
	case DCD_PHASE_PENDING:
		return boot->booted == state->target ? DCD_LIFE_TRIAL : DCD_LIFE_PENDING;
	case DCD_PHASE_IDLE:
		break;
	}
	if (!boot->slot[boot->booted].good) {
		return DCD_LIFE_TRIAL; /* the journal was lost in the middle of a trial */
	}
	return state->last.kind == DCD_OUTCOME_ROLLED_BACK ? DCD_LIFE_ROLLED_BACK : DCD_LIFE_IDLE;
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);
	memcpy(to, from, len);
	memset(to + len, 0, size - len);
}

bool dcd_life_note(struct dcd_device_state *state, enum dcd_outcome_kind kind, int err, const char *version, const char *reason,
		   int64_t now)
{
	struct dcd_outcome outcome = { .kind = kind, .err = err, .time = now };
	copy_text(outcome.version, sizeof outcome.version, version);
	copy_text(outcome.reason, sizeof outcome.reason, reason);
	/* Anybody's words, and status shows them on a terminal. */
	dcd_utf8_clean(outcome.reason);
	bool news = state->last.kind != kind || state->last.err != err || strcmp(state->last.version, outcome.version) != 0 ||
		    strcmp(state->last.reason, outcome.reason) != 0;
	if (news) {
		state->last = outcome;
	}
	return news;
}

static void note_format(struct dcd_device_state *state, enum dcd_outcome_kind kind, int err, const char *version, int64_t now,
			const char *format, ...) __attribute__((format(printf, 6, 7)));

static void note_format(struct dcd_device_state *state, enum dcd_outcome_kind kind, int err, const char *version, int64_t now,
			const char *format, ...)
{
	char reason[DCD_TEXT_SIZE];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	(void)dcd_life_note(state, kind, err, version, reason, now);
}

bool dcd_life_is_known_bad(const struct dcd_device_state *state, const struct dcd_hash *manifest_hash)
{
	for (size_t i = 0; i < state->known_bad_count; i++) {
		if (dcd_hash_equal(&state->known_bad[i], manifest_hash)) {
			return true;
		}
	}
	return false;
}

void dcd_life_forget_bad(struct dcd_device_state *state, const struct dcd_hash *manifest_hash)
{
	size_t kept = 0;
	for (size_t i = 0; i < state->known_bad_count; i++) {
		if (!dcd_hash_equal(&state->known_bad[i], manifest_hash)) {
			state->known_bad[kept++] = state->known_bad[i];
		}
	}
	memset(&state->known_bad[kept], 0, (state->known_bad_count - kept) * sizeof state->known_bad[0]);
	state->known_bad_count = kept;
}

static void remember_bad(struct dcd_device_state *state, const struct dcd_hash *manifest_hash)
{
	if (dcd_hash_is_zero(manifest_hash) || dcd_life_is_known_bad(state, manifest_hash)) {
		return;
	}
	if (state->known_bad_count == DCD_KNOWN_BAD_MAX) {
		memmove(&state->known_bad[0], &state->known_bad[1], (DCD_KNOWN_BAD_MAX - 1) * sizeof state->known_bad[0]);
		state->known_bad_count--;
	}
	state->known_bad[state->known_bad_count++] = *manifest_hash;
}

void dcd_life_identified(struct dcd_device_state *state, const struct dcd_boot_state *boot, const struct dcd_slot_record *record)
{
	state->slot[boot->booted] = *record;
	if (boot->slot[boot->booted].good && record->security_version > state->security_floor) {
		state->security_floor = record->security_version;
	}
}

static void set_idle(struct dcd_device_state *state)
{
	state->phase = DCD_PHASE_IDLE;
	state->target = 0;
}

static void note_confirmed(struct dcd_device_state *state, int slot, int64_t now)
{
	const struct dcd_slot_record *record = &state->slot[slot];
	const struct dcd_slot_record *other = &state->slot[dcd_slot_other(slot)];

	/* Anti-rollback: the floor follows a release only when that release has proved itself. */
	if (record->content == DCD_CONTENT_VERIFIED && record->security_version > state->security_floor) {
		state->security_floor = record->security_version;
	}
	/* An older release confirmed over a newer one is a user's rollback: don't walk straight back into what was left. */
	if (record->content == DCD_CONTENT_VERIFIED && other->content == DCD_CONTENT_VERIFIED &&
	    other->sequence_number > record->sequence_number) {
		remember_bad(state, &other->manifest_hash);
	}
	/* Marked bad, but a cut came before the loader heard of it, and then it proved itself. */
	dcd_life_forget_bad(state, &record->manifest_hash);
	set_idle(state);
	note_format(state, DCD_OUTCOME_CONFIRMED, DCD_OK, record->version, now, "release %s was confirmed good",
		    record->version[0] != '\0' ? record->version : "(unknown)");
}

/* True when the target is what a user goes back to: nothing newer than what runs, and no update's to stage. */
static bool is_way_back(const struct dcd_device_state *state, const struct dcd_boot_state *boot, int target)
{
	const struct dcd_slot_record *record = &state->slot[target];
	const struct dcd_slot_record *running = &state->slot[boot->booted];
	return record->content != DCD_CONTENT_VERIFIED ||
	       (running->content == DCD_CONTENT_VERIFIED && record->sequence_number < running->sequence_number);
}

/* The cut came before the flip. A slot that an update has written can't boot yet, one that was a fallback still can. */
static void flip_was_cut(struct dcd_device_state *state, const struct dcd_boot_state *boot, int64_t now)
{
	if (!is_way_back(state, boot, state->target)) {
		state->phase = DCD_PHASE_STAGED;
		return;
	}
	note_format(state, DCD_OUTCOME_FAILED, DCD_ERR_CANCELLED, state->slot[state->target].version, now,
		    "going back to the other slot was cut short; the running one stays");
	set_idle(state);
}

static bool reconcile_pending(struct dcd_device_state *state, const struct dcd_boot_state *boot, int64_t now)
{
	const struct dcd_boot_slot *target = &boot->slot[state->target];
	if (boot->booted == state->target) {
		if (!target->good) {
			return false; /* the trial is running */
		}
		note_confirmed(state, state->target, now);
		return true;
	}
	if (boot->order[0] != state->target) {
		flip_was_cut(state, boot, now);
		return true;
	}
	if (target->bootable && (target->good || target->tries_left > 0)) {
		return false; /* not rebooted yet, or tries are left */
	}
	const char *version = state->slot[state->target].version;
	remember_bad(state, &state->slot[state->target].manifest_hash);
	note_format(state, DCD_OUTCOME_ROLLED_BACK, DCD_ERR_NOT_CONFIRMED, version, now,
		    "release %s was booted until its tries were spent and never confirmed; the boot loader fell back", version);
	set_idle(state);
	return true;
}

bool dcd_life_reconcile(struct dcd_device_state *state, const struct dcd_boot_state *boot, int64_t now)
{
	if (state->phase == DCD_PHASE_PENDING) {
		return reconcile_pending(state, boot, now);
	}
	bool on_target = boot->booted == state->target;
	if (on_target && (state->phase == DCD_PHASE_WRITING || state->phase == DCD_PHASE_STAGED)) {
		/* Someone made the loader boot what we hadn't activated. It runs, so it isn't ours to write. */
		set_idle(state);
		return true;
	}
	return false;
}

int dcd_life_may_write_other(const struct dcd_boot_state *boot, struct dcd_diag *diag)
{
	if (!boot->slot[boot->booted].good) {
		return dcd_diag_set(diag, DCD_ERR_NOT_CONFIRMED,
				    "the running slot is not confirmed, so the other slot must stay as it is; run 'decade mark-good' "
				    "when the system is healthy, or reboot to fall back");
	}
	return 0;
}

static void record_of_release(const struct dcd_release *release, struct dcd_slot_record *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->content = DCD_CONTENT_WRITING;
	copy_text(ret->version, sizeof ret->version, release->version);
	ret->manifest_hash = release->manifest_hash;
	ret->sequence_number = release->sequence_number;
	ret->security_version = release->security_version;
	ret->image_count = release->image_count;
	for (size_t i = 0; i < release->image_count && i < DCD_SLOT_IMAGES_MAX; i++) {
		copy_text(ret->images[i].class_name, sizeof ret->images[i].class_name, release->images[i].class_name);
		ret->images[i].image_id = release->images[i].image_id;
		ret->images[i].size = release->images[i].size;
		ret->images[i].segment_size = release->images[i].segment_size;
	}
}

static void put_first(struct dcd_boot_state *boot, int slot)
{
	boot->order[0] = (uint8_t)slot;
	boot->order[1] = (uint8_t)dcd_slot_other(slot);
}

void dcd_life_begin_writing(struct dcd_device_state *state, struct dcd_boot_state *boot, int target, const struct dcd_release *release)
{
	put_first(boot, dcd_slot_other(target));
	boot->slot[target] = (struct dcd_boot_slot){ 0 };
	record_of_release(release, &state->slot[target]);
	state->phase = DCD_PHASE_WRITING;
	state->target = target;
}

bool dcd_life_may_fall_back(const struct dcd_device_state *state, const struct dcd_boot_state *boot)
{
	const struct dcd_slot_record *record = &state->slot[dcd_slot_other(boot->booted)];
	return record->sequence_number <= state->slot[boot->booted].sequence_number &&
	       record->security_version >= state->security_floor && !dcd_life_is_known_bad(state, &record->manifest_hash);
}

void dcd_life_staged(struct dcd_device_state *state, int64_t now)
{
	struct dcd_slot_record *record = &state->slot[state->target];
	record->content = DCD_CONTENT_VERIFIED;
	state->phase = DCD_PHASE_STAGED;
	note_format(state, DCD_OUTCOME_STAGED, DCD_OK, record->version, now, "release %s is in the other slot and was read back",
		    record->version);
}

static void make_pending(struct dcd_device_state *state, struct dcd_boot_state *boot, int target, uint8_t tries, int64_t now)
{
	put_first(boot, target);
	boot->slot[target] = (struct dcd_boot_slot){ .bootable = true, .good = false, .tries_left = tries };
	state->phase = DCD_PHASE_PENDING;
	state->target = target;
	const char *version = state->slot[target].version;
	note_format(state, DCD_OUTCOME_ACTIVATED, DCD_OK, version, now, "release %s is tried at the next boot", version);
}

int dcd_life_activate(struct dcd_device_state *state, struct dcd_boot_state *boot, uint8_t tries, int64_t now, struct dcd_diag *diag)
{
	if (state->phase != DCD_PHASE_STAGED || state->slot[state->target].content != DCD_CONTENT_VERIFIED) {
		return dcd_diag_set(diag, DCD_ERR_NOTHING_STAGED, "no release is staged; run 'decade install' first");
	}
	int err = dcd_life_may_write_other(boot, diag);
	if (err != 0) {
		return err;
	}
	make_pending(state, boot, state->target, tries, now);
	return 0;
}

bool dcd_life_confirm(struct dcd_device_state *state, struct dcd_boot_state *boot, uint8_t tries, int64_t now)
{
	struct dcd_boot_slot *booted = &boot->slot[boot->booted];
	bool trial = state->phase == DCD_PHASE_PENDING && state->target == boot->booted;
	if (booted->good && !trial) {
		return false;
	}
	*booted = (struct dcd_boot_slot){ .bootable = true, .good = true, .tries_left = tries };
	if (state->phase == DCD_PHASE_IDLE || trial) {
		put_first(boot, boot->booted);
		note_confirmed(state, boot->booted, now);
	}
	return true;
}

/* A running slot that is confirmed is given up only for one that is known to boot, and may. */
static int may_give_up_good(const struct dcd_device_state *state, const struct dcd_boot_slot *fallback,
			    const struct dcd_slot_record *record, struct dcd_diag *diag)
{
	if (!fallback->good) {
		return dcd_diag_set(diag, DCD_ERR_NO_OTHER_SLOT,
				    "the other slot was never confirmed, so the running one stays as the way back; %s",
				    state->phase == DCD_PHASE_PENDING ? "reboot to try the other"
								      : "'decade rollback' tries the other");
	}
	if (record->security_version < state->security_floor) {
		return dcd_diag_set(
			diag, DCD_ERR_DOWNGRADE,
			"the other slot's release '%s' has security version %llu, below this device's floor of %llu; install a "
			"newer one",
			record->version, (unsigned long long)record->security_version, (unsigned long long)state->security_floor);
	}
	return 0;
}

int dcd_life_mark_bad(struct dcd_device_state *state, struct dcd_boot_state *boot, const char *reason, int64_t now,
		      struct dcd_diag *diag)
{
	int other = dcd_slot_other(boot->booted);
	const struct dcd_boot_slot *fallback = &boot->slot[other];
	if (!fallback->bootable || (!fallback->good && fallback->tries_left == 0)) {
		return dcd_diag_set(diag, DCD_ERR_NO_OTHER_SLOT,
				    "the other slot can't boot, so the running one stays; install a release there first");
	}
	int err = boot->slot[boot->booted].good ? may_give_up_good(state, fallback, &state->slot[other], diag) : 0;
	if (err != 0) {
		return err;
	}
	const struct dcd_slot_record *record = &state->slot[boot->booted];
	put_first(boot, other);
	boot->slot[boot->booted] = (struct dcd_boot_slot){ 0 };
	remember_bad(state, &record->manifest_hash);
	note_format(state, DCD_OUTCOME_ROLLED_BACK, DCD_ERR_NOT_CONFIRMED, record->version, now,
		    "release %s was marked bad: %s; the next boot takes the other slot", record->version, reason);
	set_idle(state);
	return 0;
}

/* Not rebooted yet: taking the flip back is all there is to do. What was a fallback before is one again. */
static void withdraw(struct dcd_device_state *state, struct dcd_boot_state *boot, uint8_t tries, int64_t now)
{
	int target = state->target;
	bool back = is_way_back(state, boot, target);
	const char *version = state->slot[target].version;
	put_first(boot, boot->booted);
	boot->slot[target] = back ? (struct dcd_boot_slot){ .bootable = true, .tries_left = tries } : (struct dcd_boot_slot){ 0 };
	note_format(state, back ? DCD_OUTCOME_NONE : DCD_OUTCOME_STAGED, DCD_OK, version, now,
		    "the activation of release %s was withdrawn", version);
	if (back) {
		set_idle(state);
	} else {
		state->phase = DCD_PHASE_STAGED;
	}
}

int dcd_life_rollback(struct dcd_device_state *state, struct dcd_boot_state *boot, uint8_t tries, int64_t now, struct dcd_diag *diag)
{
	int other = dcd_slot_other(boot->booted);
	const struct dcd_slot_record *record = &state->slot[other];
	if (!boot->slot[boot->booted].good) {
		return dcd_life_mark_bad(state, boot, "a user asked to go back", now, diag);
	}
	if (state->phase == DCD_PHASE_PENDING) {
		withdraw(state, boot, tries, now);
		return 0;
	}
	/* What is staged may be the way back itself: a rollback that a cut interrupted, or one that was withdrawn. */
	if (state->phase == DCD_PHASE_STAGED && record->sequence_number >= state->slot[boot->booted].sequence_number) {
		return dcd_diag_set(diag, DCD_ERR_NO_OTHER_SLOT,
				    "the other slot holds release %s, which is staged and newer; there is nothing to go back to", record->version);
	}
	if (record->content != DCD_CONTENT_VERIFIED && !(record->content == DCD_CONTENT_UNKNOWN && boot->slot[other].good)) {
		return dcd_diag_set(diag, DCD_ERR_NO_OTHER_SLOT, "the other slot has no verified release to go back to");
	}
	if (record->security_version < state->security_floor) {
		return dcd_diag_set(diag, DCD_ERR_DOWNGRADE,
				    "release %s has security version %llu, below this device's floor of %llu; it must not run again",
				    record->version, (unsigned long long)record->security_version,
				    (unsigned long long)state->security_floor);
	}
	if (dcd_life_is_known_bad(state, &record->manifest_hash)) {
		return dcd_diag_set(diag, DCD_ERR_KNOWN_BAD,
				    "the other slot's release %s was left or rolled back on this device; 'decade install "
				    "--reinstall' tries it "
				    "again",
				    record->version);
	}
	make_pending(state, boot, other, tries, now);
	return 0;
}
