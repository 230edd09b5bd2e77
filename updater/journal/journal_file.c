#include "updater/journal/journal_file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "updater/journal/journal_format.h"

#define COPIES 2

static const char *const copy_names[COPIES] = { "journal.0", "journal.1" };

struct journal_file {
	struct dcd_journal base;
	struct dcd_dir *dir;
	uint64_t sequence; /* the highest that was seen or tried; 0: there is none */
	int newest;        /* the copy that a load took */
	bool loaded;       /* the two above are known */
};

static struct journal_file *of(struct dcd_journal *journal)
{
	return (struct journal_file *)journal;
}

static int load_copy(struct journal_file *jf, int copy, struct dcd_device_state *ret, uint64_t *ret_sequence, bool *ret_empty,
		     struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *data = NULL;
	size_t len = 0;
	int err = dcd_dir_load(jf->dir, copy_names[copy], DCD_JOURNAL_MAX, &data, &len, diag);
	*ret_empty = err == 0 && len == 0;
	if (err != 0) {
		return err;
	}
	char what[DCD_DIAG_TEXT / 2];
	(void)snprintf(what, sizeof what, "%s/%s", jf->dir->name, copy_names[copy]);
	return dcd_journal_decode(data, len, what, ret, ret_sequence, diag);
}

/* Takes the better copy into *ret, which is untouched when there is none. */
static int load_copies(struct journal_file *jf, struct dcd_device_state *ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE struct dcd_device_state *state = malloc(sizeof *state);
	if (state == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the journal");
	}
	int missing = 0, empty = 0;
	bool found = false;
	uint64_t highest = 0;
	for (int copy = 0; copy < COPIES; copy++) {
		uint64_t sequence = 0;
		bool is_empty = false;
		int err = load_copy(jf, copy, state, &sequence, &is_empty, diag);
		if (err == DCD_ERR_NO_MEMORY) {
			return err;
		}
		missing += err == DCD_ERR_NOT_FOUND ? 1 : 0;
		empty += is_empty ? 1 : 0;
		if (err == 0 && (!found || sequence > highest)) {
			found = true;
			highest = sequence;
			jf->newest = copy;
			*ret = *state;
		}
	}
	/* One that is empty and none beside it is what a cut in the very first store leaves on FAT. */
	bool begins = missing == COPIES || (missing == COPIES - 1 && empty == 1);
	if (!found && !begins) {
		return dcd_diag_set(
			diag, DCD_ERR_JOURNAL,
			"%s: no readable copy of the journal is left; restore journal.0 from a backup, or remove journal.0 and "
			"journal.1 to begin anew: what is in the slots is then unknown until verified, and which "
			"releases were bad is forgotten",
			jf->dir->name);
	}
	/* An attempt that failed half-way may have left its number on the disk: never hand it out again. */
	jf->sequence = jf->sequence > highest ? jf->sequence : highest;
	jf->loaded = true;
	return 0;
}

static int journal_file_load(struct dcd_journal *journal, struct dcd_device_state *ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE struct dcd_device_state *state = calloc(1, sizeof *state);
	if (state == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the journal");
	}
	int err = load_copies(of(journal), state, diag);
	if (err == 0) {
		*ret = *state;
	}
	return err;
}

/* A store without a load before it must still count on from what is there. */
static int learn_sequence(struct journal_file *jf, struct dcd_diag *diag)
{
	DCD_AUTO_FREE struct dcd_device_state *state = calloc(1, sizeof *state);
	if (state == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the journal");
	}
	return load_copies(jf, state, diag);
}

static int journal_file_store(struct dcd_journal *journal, const struct dcd_device_state *state, struct dcd_diag *diag)
{
	struct journal_file *jf = of(journal);
	int err = jf->loaded ? 0 : learn_sequence(jf, diag);
	if (err != 0) {
		return err;
	}
	DCD_AUTO_FREE uint8_t *data = NULL;
	size_t len = 0;
	err = dcd_journal_encode(state, jf->sequence + 1, &data, &len, diag);
	if (err != 0) {
		return err;
	}
	jf->sequence++;
	/* The copy that is older or damaged goes first: the good one stays until a better one is durable. */
	int first = COPIES - 1 - jf->newest;
	err = dcd_dir_replace(jf->dir, copy_names[first], data, len, diag);
	if (err == 0) {
		err = dcd_dir_replace(jf->dir, copy_names[jf->newest], data, len, diag);
	}
	/* After a failure only the disk knows which copy is the good one. */
	jf->loaded = err == 0;
	return err;
}

static void journal_file_close(struct dcd_journal *journal)
{
	free(of(journal));
}

static const struct dcd_journal_ops journal_file_ops = {
	.load = journal_file_load,
	.store = journal_file_store,
	.close = journal_file_close,
};

int dcd_journal_file_open(struct dcd_dir *dir, struct dcd_journal **ret, struct dcd_diag *diag)
{
	struct journal_file *jf = calloc(1, sizeof *jf);
	if (jf == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the journal");
	}
	jf->base.ops = &journal_file_ops;
	jf->base.name = dir->name;
	jf->dir = dir;
	*ret = &jf->base;
	return 0;
}
