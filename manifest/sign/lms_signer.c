#include "manifest/sign/lms_signer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "manifest/crypto/private_key.h"
#include "manifest/sign/lms_private.h"

#define STATE_MAX 512 /* bytes of the file */

struct lms_state {
	uint32_t next;
	char place[DCD_LMS_PLACE_MAX];
};

struct lms_signer {
	struct dcd_signer base;
	struct dcd_lms_home *home;
	struct dcd_lms_private *key;
	char *name;
};

/* ---- the state file ---- */

static size_t state_write(const struct lms_state *state, char text[STATE_MAX])
{
	int len = snprintf(text, STATE_MAX, "decade lms state 1\nnext %" PRIu32 "\nplace %s\nend\n", state->next, state->place);
	return len > 0 && len < STATE_MAX ? (size_t)len : 0;
}

/* Only what state_write() wrote, to the byte: a file that was torn or edited stops the key. */
static bool state_read(const char *text, size_t len, struct lms_state *ret)
{
	struct lms_state read = { 0 };
	char again[STATE_MAX];
	if (sscanf(text, "decade lms state 1\nnext %" SCNu32 "\nplace %127s\nend\n", &read.next, read.place) != 2) {
		return false;
	}
	if (state_write(&read, again) != len || memcmp(again, text, len) != 0) {
		return false;
	}
	*ret = read;
	return true;
}

static int state_load(struct dcd_lms_home *home, const char *name, struct lms_state *ret, struct dcd_diag *diag)
{
	char text[STATE_MAX] = { 0 };
	size_t len = 0;
	int err = home->dir->ops->read(home->dir, home->state_name, text, sizeof text - 1, &len);
	if (err == 0 && state_read(text, len, ret)) {
		return 0;
	}
	return dcd_diag_set(
		diag, err == 0 ? DCD_ERR_MALFORMED : DCD_ERR_HOST,
		"%s: its state %s/%s is %s, so which signatures it has made is not known and it must not sign; bring the "
		"newest state back, or rotate to a new key",
		name, home->dir->name, home->state_name,
		err == DCD_ERR_NOT_FOUND          ? "gone"
		: err == 0 || err == DCD_ERR_SIZE ? "damaged"
						  : "unreadable");
}

/* Durable on return. */
static int state_store(struct dcd_lms_home *home, const struct lms_state *state, struct dcd_diag *diag)
{
	char text[STATE_MAX];
	size_t len = state_write(state, text);
	return len == 0 ? dcd_diag_set(diag, DCD_ERR_BUG, "an LMS state that is too long")
			: dcd_dir_replace(home->dir, home->state_name, text, len, diag);
}

int dcd_lms_state_create(struct dcd_lms_home *home, struct dcd_diag *diag)
{
	struct lms_state state = { 0 };
	uint32_t unused = 0;
	int err = home->enter(home, "", state.place, &unused, diag);
	if (err != 0) {
		return err;
	}
	err = state_store(home, &state, diag);
	home->leave(home);
	return err;
}

/* ---- reserving ---- */

static int check_copy(const struct lms_signer *self, const struct lms_state *state, const char *place, uint32_t unused,
		      struct dcd_diag *diag)
{
	if (self->home->moved) {
		return 0;
	}
	if (strcmp(state->place, place) != 0) {
		return dcd_diag_set(diag, DCD_ERR_EXISTS,
				    "%s: a copy: its state was written at another place. Two copies that sign would give the key "
				    "away. If this is the only one from now on, say --keys-moved once",
				    self->name);
	}
	if (unused > state->next) {
		return dcd_diag_set(diag, DCD_ERR_EXISTS,
				    "%s: its state is old: it would use leaf %" PRIu32 " next, and a signature by leaf %" PRIu32
				    " is published. If the copy that made that is gone for good, say --keys-moved once",
				    self->name, state->next, unused - 1);
	}
	return 0;
}

static int reserve_locked(const struct lms_signer *self, const char *place, uint32_t unused, uint32_t *ret, struct dcd_diag *diag)
{
	struct lms_state state = { 0 };
	int err = state_load(self->home, self->name, &state, diag);
	if (err == 0) {
		err = check_copy(self, &state, place, unused, diag);
	}
	if (err != 0) {
		return err;
	}
	if (strcmp(state.place, place) != 0 || unused > state.next) {
		state.next = (unused > state.next ? unused : state.next) + DCD_LMS_MOVED_MARGIN;
		memcpy(state.place, place, strlen(place) + 1);
	}
	uint32_t leaf = state.next;
	if (leaf >= dcd_lms_private_leaves(self->key)) {
		return dcd_diag_set(diag, DCD_ERR_HOST,
				    "%s: used up: all %" PRIu32 " signatures of this LMS key have been made; rotate to a new key",
				    self->name, dcd_lms_private_leaves(self->key));
	}
	/* Before the signature exists, so that no cut can make one that the state doesn't know. */
	state.next = leaf + 1;
	err = state_store(self->home, &state, diag);
	if (err == 0) {
		*ret = leaf;
	}
	return err;
}

static int reserve(const struct lms_signer *self, uint32_t *ret, struct dcd_diag *diag)
{
	char place[DCD_LMS_PLACE_MAX] = "";
	uint32_t unused = 0;
	int err = self->home->enter(self->home, self->base.keyid, place, &unused, diag);
	if (err == 0) {
		err = reserve_locked(self, place, unused, ret, diag);
		self->home->leave(self->home);
	}
	return err;
}

static int lms_sign(struct dcd_signer *signer, const uint8_t *message, size_t message_len, uint8_t *signature, size_t capacity,
		    size_t *ret_len, struct dcd_diag *diag)
{
	struct lms_signer *self = (struct lms_signer *)signer;
	uint32_t leaf = 0;
	if (capacity < DCD_LMS_SIGNATURE_SIZE) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s: no room for a signature", signer->name);
	}
	int err = reserve(self, &leaf, diag);
	if (err == 0) {
		err = dcd_lms_private_sign(self->key, leaf, NULL, message, message_len, signature, diag);
	}
	if (err == 0) {
		*ret_len = DCD_LMS_SIGNATURE_SIZE;
	}
	return err;
}

/* ---- the signer ---- */

static void lms_close(struct dcd_signer *signer)
{
	struct lms_signer *self = (struct lms_signer *)signer;
	dcd_lms_private_free(self->key);
	self->home->close(self->home);
	free(self->name);
	free(self);
}

static const struct dcd_signer_ops lms_ops = { .sign = lms_sign, .close = lms_close };

int dcd_lms_signer_new(struct dcd_lms_home *home, const uint8_t *key_file, size_t key_file_len, const char *name,
		       struct dcd_signer **ret, struct dcd_diag *diag)
{
	struct lms_signer *self = calloc(1, sizeof *self);
	char *copy = strdup(name);
	if (self == NULL || copy == NULL) {
		free(self);
		free(copy);
		home->close(home);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for the key", name);
	}
	*self = (struct lms_signer){ .base = { .ops = &lms_ops, .name = copy }, .home = home, .name = copy };
	int err = dcd_lms_private_decode(key_file, key_file_len, name, &self->key, diag);
	if (err == 0) {
		uint8_t public_key[DCD_LMS_PUBLIC_SIZE];
		char hex[2 * DCD_LMS_PUBLIC_SIZE + 1];
		const struct dcd_key_names *names = dcd_key_names(DCD_KEY_LMS);
		dcd_lms_private_public(self->key, public_key);
		dcd_hex_encode(public_key, sizeof public_key, hex);
		err = dcd_signer_set_key(&self->base, names->keytype, names->scheme, hex, diag);
	}
	if (err != 0) {
		dcd_signer_close(&self->base);
		return err;
	}
	*ret = &self->base;
	return 0;
}

int dcd_lms_signer_left(struct dcd_signer *signer, uint32_t *ret, struct dcd_diag *diag)
{
	struct lms_signer *self = (struct lms_signer *)signer;
	struct lms_state state = { 0 };
	int err = state_load(self->home, self->name, &state, diag);
	if (err == 0) {
		uint32_t all = dcd_lms_private_leaves(self->key);
		*ret = state.next < all ? all - state.next : 0;
	}
	return err;
}
