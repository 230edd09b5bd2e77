#include "updater/boot/boot_grub_format.h"

#include <stdio.h>
#include <string.h>

#define HEADLINE "# GRUB Environment Block\n"
#define HEADLINE_LEN (sizeof HEADLINE - 1)
#define PAD_NAME "BOOT_PAD"
#define PAD DCD_BOOT_VARS /* its number, behind the variables of the state */
#define OURS (DCD_BOOT_VARS + 1)
#define ORDER 0

/* A line of ours inside the block: [begin, end), with its line feed; `end` 0 when there is none. */
struct span {
	size_t begin, end;
};

struct layout {
	struct span ours[OURS];
	size_t used; /* where the '#' begin that fill the block */
};

static const char *name_of(const struct dcd_boot_vars *vars, int number)
{
	return number == PAD ? PAD_NAME : vars->name[number];
}

/* The first byte behind the line that begins at `at`, or 0 when it has no end before `used`. */
static size_t line_end(const uint8_t *block, size_t at, size_t used)
{
	while (at < used && block[at] != '\n') {
		at += block[at] == '\\' ? 2 : 1;
	}
	return at < used ? at + 1 : 0;
}

static int number_of(const struct dcd_boot_vars *vars, const uint8_t *line, size_t len)
{
	for (int i = 0; i < OURS; i++) {
		size_t name_len = strlen(name_of(vars, i));
		if (len > name_len && memcmp(line, name_of(vars, i), name_len) == 0 && line[name_len] == '=') {
			return i;
		}
	}
	return -1;
}

static int damaged(const char *what, struct dcd_diag *diag)
{
	return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
			    "%s is damaged, or no GRUB environment block; see docs/boot.md for how to restore it", what);
}

/* GRUB takes a name to reach up to the next '=', wherever that is: a line without one would swallow the next. */
static int add_line(const uint8_t *block, size_t begin, size_t end, const struct dcd_boot_vars *vars, struct layout *layout,
		    const char *what, struct dcd_diag *diag)
{
	if (block[begin] == '#') {
		return 0;
	}
	if (memchr(block + begin, '=', end - begin) == NULL) {
		return damaged(what, diag);
	}
	int number = number_of(vars, block + begin, end - begin);
	if (number < 0) {
		return 0;
	}
	if (layout->ours[number].end != 0) {
		/* GRUB reads the last of them and changes the first. */
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "%s has %s twice, so the boot state is unknown", what,
				    name_of(vars, number));
	}
	if (end > DCD_GRUB_ENV_SECTOR) {
		return dcd_diag_set(
			diag, DCD_ERR_BOOT_STATE,
			"%s has %s behind its first %u bytes, where a cut could tear the boot state; make the block anew "
			"with our variables first, see docs/boot.md",
			what, name_of(vars, number), DCD_GRUB_ENV_SECTOR);
	}
	layout->ours[number] = (struct span){ begin, end };
	return 0;
}

static int parse(const uint8_t *block, const struct dcd_boot_vars *vars, const char *what, struct layout *ret,
		 struct dcd_diag *diag)
{
	struct layout layout = { .used = DCD_GRUB_ENV_SIZE };
	if (memcmp(block, HEADLINE, HEADLINE_LEN) != 0) {
		return damaged(what, diag);
	}
	while (block[layout.used - 1] == '#') {
		layout.used--;
	}
	/* The first line ends with a line feed, so this ends at it at the latest. */
	if (block[layout.used - 1] != '\n') {
		return damaged(what, diag);
	}
	for (size_t at = HEADLINE_LEN; at < layout.used;) {
		size_t end = line_end(block, at, layout.used);
		if (end == 0) {
			return damaged(what, diag);
		}
		int err = add_line(block, at, end, vars, &layout, what, diag);
		if (err != 0) {
			return err;
		}
		at = end;
	}
	*ret = layout;
	return 0;
}

/* The values as text; what is too long, or has a NUL inside, becomes a text that no decoder takes. */
static int decode_values(const uint8_t *block, const struct layout *layout, const struct dcd_boot_vars *vars, const char *what,
			 struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	struct dcd_boot_var_values values;
	const char *value[DCD_BOOT_VARS];
	for (int i = 0; i < DCD_BOOT_VARS; i++) {
		const struct span *span = &layout->ours[i];
		value[i] = NULL;
		if (span->end == 0) {
			continue;
		}
		const uint8_t *text = block + span->begin + strlen(vars->name[i]) + 1;
		size_t len = (size_t)(block + span->end - 1 - text);
		if (len >= sizeof values.text[i] || memchr(text, '\0', len) != NULL) {
			(void)snprintf(values.text[i], sizeof values.text[i], "(damaged)");
		} else {
			memcpy(values.text[i], text, len);
			values.text[i][len] = '\0';
		}
		value[i] = values.text[i];
	}
	return dcd_boot_vars_decode(vars, value, what, ret, diag);
}

/* ---- the new block ---- */

struct output {
	uint8_t bytes[DCD_GRUB_ENV_SIZE];
	size_t len;
	bool full;
};

static void put(struct output *out, const void *data, size_t len)
{
	if (out->full || len > sizeof out->bytes - out->len) {
		out->full = true;
		return;
	}
	memcpy(out->bytes + out->len, data, len);
	out->len += len;
}

static void put_variable(struct output *out, const char *name, const char *value, size_t value_len)
{
	put(out, name, strlen(name));
	put(out, "=", 1);
	put(out, value, value_len);
	put(out, "\n", 1);
}

/* What BOOT_PAD has to hold so that BOOT_ORDER and it are as long together as before; in a new one, room for the longest order.
 */
static size_t pad_length(const struct layout *layout, const struct dcd_boot_vars *vars, const char *order)
{
	const struct span *pad = &layout->ours[PAD];
	size_t room = strlen(vars->bootname[0]) + 1 + strlen(vars->bootname[1]);
	if (pad->end != 0) {
		room = layout->ours[ORDER].end - layout->ours[ORDER].begin - strlen(vars->name[ORDER]) - (sizeof "=\n" - 1);
		room += pad->end - pad->begin - (sizeof PAD_NAME "=\n" - 1);
	}
	size_t len = strlen(order);
	return room > len ? room - len : 0;
}

static void put_ours(struct output *out, const struct dcd_boot_vars *vars, const struct dcd_boot_var_values *values, int number,
		     size_t pad_len)
{
	char pad[DCD_GRUB_ENV_SIZE];
	if (number == PAD) {
		memset(pad, '-', sizeof pad);
		put_variable(out, PAD_NAME, pad, pad_len);
		return;
	}
	put_variable(out, vars->name[number], values->text[number], strlen(values->text[number]));
}

static void build(const uint8_t *old, const struct layout *layout, const struct dcd_boot_vars *vars,
		  const struct dcd_boot_var_values *values, struct output *out)
{
	size_t pad_len = pad_length(layout, vars, values->text[ORDER]);
	put(out, HEADLINE, HEADLINE_LEN);
	for (int i = 0; i < OURS; i++) {
		if (layout->ours[i].end == 0) {
			put_ours(out, vars, values, i, pad_len);
		}
	}
	for (size_t at = HEADLINE_LEN; at < layout->used;) {
		size_t end = line_end(old, at, layout->used);
		int number = old[at] == '#' ? -1 : number_of(vars, old + at, end - at);
		if (number >= 0) {
			put_ours(out, vars, values, number, pad_len);
		} else {
			put(out, old + at, end - at);
		}
		at = end;
	}
	if (!out->full) {
		memset(out->bytes + out->len, '#', sizeof out->bytes - out->len);
	}
}

static int encode_parsed(const uint8_t *old, const struct layout *layout, const struct dcd_boot_vars *vars,
			 const struct dcd_boot_state *state, const char *what, uint8_t *ret, struct dcd_diag *diag)
{
	struct dcd_boot_var_values values;
	int err = dcd_boot_vars_encode(vars, state, &values, diag);
	if (err != 0) {
		return err;
	}
	struct output out = { .len = 0 };
	build(old, layout, vars, &values, &out);
	if (out.full ||
	    memcmp(out.bytes + DCD_GRUB_ENV_SECTOR, old + DCD_GRUB_ENV_SECTOR, DCD_GRUB_ENV_SIZE - DCD_GRUB_ENV_SECTOR) != 0) {
		return dcd_diag_set(
			diag, DCD_ERR_BOOT_STATE,
			"%s has no room in its first %u bytes for all of the boot state; make the block anew with our variables "
			"first, see docs/boot.md",
			what, DCD_GRUB_ENV_SECTOR);
	}
	memcpy(ret, out.bytes, sizeof out.bytes);
	return 0;
}

/* A block that reads well but could not be changed in one sector is found now, not in the middle of an update. */
static int check_room(const uint8_t *block, const struct layout *layout, const struct dcd_boot_vars *vars, const char *what,
		      struct dcd_diag *diag)
{
	int err = 0;
	for (uint8_t i = 0; err == 0 && i < 2 * DCD_SLOT_COUNT; i++) {
		uint8_t first = i % DCD_SLOT_COUNT;
		bool both = i < DCD_SLOT_COUNT;
		uint8_t scratch[DCD_GRUB_ENV_SIZE];
		struct dcd_boot_state state = { .order = { first, (uint8_t)dcd_slot_other(first) } };
		state.slot[first].bootable = true;
		state.slot[dcd_slot_other(first)].bootable = both;
		err = encode_parsed(block, layout, vars, &state, what, scratch, diag);
	}
	return err;
}

int dcd_grub_env_decode(const uint8_t block[DCD_GRUB_ENV_SIZE], const struct dcd_boot_vars *vars, const char *what,
			struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	struct layout layout;
	struct dcd_boot_state state;
	int err = parse(block, vars, what, &layout, diag);
	if (err == 0) {
		err = decode_values(block, &layout, vars, what, &state, diag);
	}
	if (err == 0) {
		err = check_room(block, &layout, vars, what, diag);
	}
	if (err == 0) {
		state.booted = ret->booted;
		*ret = state;
	}
	return err;
}

int dcd_grub_env_encode(const uint8_t old[DCD_GRUB_ENV_SIZE], const struct dcd_boot_vars *vars,
			const struct dcd_boot_state *state, const char *what, uint8_t ret[DCD_GRUB_ENV_SIZE],
			struct dcd_diag *diag)
{
	struct layout layout;
	struct dcd_boot_state before;
	int err = parse(old, vars, what, &layout, diag);
	if (err == 0) {
		err = decode_values(old, &layout, vars, what, &before, diag);
	}
	return err != 0 ? err : encode_parsed(old, &layout, vars, state, what, ret, diag);
}
