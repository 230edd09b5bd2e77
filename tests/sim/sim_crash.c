#include "tests/sim/sim_crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_loader.h"

#define INODES_MAX 512
#define PENDING_MAX 64
#define SAMPLES 64

/* What a cut may lose, keep, or tear. */
enum element_kind { ELEMENT_SECTORS, ELEMENT_DATA, ELEMENT_PLACE, ELEMENT_LINK, ELEMENT_RENAME, ELEMENT_REMOVE };

struct element {
	enum element_kind kind;
	const struct sim_op *op;
	int inode;
	int before; /* of ELEMENT_PLACE: the inode that the name led to, or -1 */
};

struct inode {
	struct sim_blob *durable;
	struct sim_blob *dirty; /* null: nothing newer than `durable` */
};

struct name {
	char text[SIM_NAME_SIZE];
	int inode;
};

struct names {
	struct name name[SIM_FILES_MAX];
	int count;
};

struct walk {
	const struct sim_crash_plan *plan;
	uint8_t dev[SIM_DEVS][SIM_DEV_MAX]; /* durable */
	struct inode inodes[INODES_MAX];
	int inode_count;
	struct names now[SIM_DIRS];
	struct names durable[SIM_DIRS];
	struct element pending[PENDING_MAX];
	int pending_count;
	struct sim_image image; /* the state that is being made */
	struct sim_blob *empty;
	size_t cut;
	int running;
	bool promised;
	uint64_t random;
};

static int name_find(const struct names *names, const char *text)
{
	for (int i = 0; i < names->count; i++) {
		if (strcmp(names->name[i].text, text) == 0) {
			return i;
		}
	}
	return -1;
}

static void name_put(struct names *names, const char *text, int inode)
{
	int at = name_find(names, text);
	if (at < 0) {
		if (names->count == SIM_FILES_MAX) {
			abort();
		}
		at = names->count++;
		(void)snprintf(names->name[at].text, SIM_NAME_SIZE, "%s", text);
	}
	names->name[at].inode = inode;
}

static void name_remove(struct names *names, const char *text)
{
	int at = name_find(names, text);
	if (at >= 0) {
		names->name[at] = names->name[--names->count];
	}
}

static int inode_new(struct walk *walk, struct sim_blob *durable)
{
	if (walk->inode_count == INODES_MAX) {
		abort();
	}
	walk->inodes[walk->inode_count] = (struct inode){ sim_blob_ref(durable), NULL };
	return walk->inode_count++;
}

static void pend(struct walk *walk, enum element_kind kind, const struct sim_op *op, int inode)
{
	if (walk->pending_count == PENDING_MAX) {
		abort();
	}
	walk->pending[walk->pending_count++] = (struct element){ kind, op, inode, -1 };
}

static bool of_medium(const struct element *element, bool device, int medium)
{
	return (element->kind == ELEMENT_SECTORS) == device && element->op->medium == medium;
}

/* What a sync of the file settles, not one of the folder. */
static bool of_file(const struct element *element)
{
	return element->kind == ELEMENT_DATA || element->kind == ELEMENT_PLACE;
}

static void forget_pending(struct walk *walk, int at)
{
	memmove(&walk->pending[at], &walk->pending[at + 1], (size_t)(walk->pending_count - at - 1) * sizeof walk->pending[0]);
	walk->pending_count--;
}

/* ---- making one state ---- */

static void apply_name(struct names *names, const struct element *element)
{
	switch (element->kind) {
	case ELEMENT_LINK:
		name_put(names, element->op->name, element->inode);
		return;
	case ELEMENT_RENAME:
		name_remove(names, element->op->name);
		name_put(names, element->op->to, element->inode);
		return;
	case ELEMENT_REMOVE:
		name_remove(names, element->op->name);
		return;
	default:
		return;
	}
}

/*
 * How a write tears. Sectors: prefixes, then suffixes, then one sector of garbage; with erase blocks, erased and half-erased
 * ones. Data of a file: half, garbage, zeros, nothing. Returns false when there is no such variant.
 */
static bool tear_sectors(const struct walk *walk, uint8_t *at, const struct sim_blob *data, int variant, bool whole)
{
	size_t sector = walk->plan->traits->sector;
	int sectors = (int)((data->len + sector - 1) / sector);
	if (variant < sectors - 1) {
		memcpy(at, data->data, (size_t)(variant + 1) * sector);
		return true;
	}
	variant -= sectors - 1;
	if (variant < sectors - 1) {
		size_t skip = (size_t)(variant + 1) * sector;
		memcpy(at + skip, data->data + skip, data->len - skip);
		return true;
	}
	variant -= sectors - 1;
	if (whole) {
		return false;
	}
	if (variant < sectors) {
		size_t begin = (size_t)variant * sector;
		size_t len = data->len - begin < sector ? data->len - begin : sector;
		memcpy(at, data->data, data->len);
		memset(at + begin, 0xA5, len);
		return true;
	}
	variant -= sectors;
	if (!walk->plan->traits->nand || variant > 2) {
		return false;
	}
	for (size_t i = 0; i < data->len; i++) {
		/* Erased; half erased: some bits are back at one; programmed in part. */
		at[i] = (uint8_t)(variant == 0        ? 0xFF
				  : variant == 1      ? (uint8_t)(at[i] | (0x11 << (i % 4)))
				  : i < data->len / 2 ? data->data[i]
						      : 0xFF);
	}
	return true;
}

static struct sim_blob *tear_file(struct walk *walk, const struct sim_blob *data, int variant)
{
	struct sim_blob *torn = sim_blob_new(data->data, data->len);
	switch (variant) {
	case 0:
		torn->len /= 2;
		return torn;
	case 1:
		memset(torn->data + torn->len / 2, 0xA5, torn->len - torn->len / 2);
		return torn;
	case 2:
		memset(torn->data, 0, torn->len);
		return torn;
	case 3:
		sim_blob_drop(torn);
		return sim_blob_ref(walk->empty);
	default:
		sim_blob_drop(torn);
		return NULL;
	}
}

/* What is found under a name. One that a file has moved to leads to what it led to before until the file's place is known there.
 */
static struct sim_blob *data_of(const struct walk *walk, const struct name *name, const bool *keep, int torn,
				struct sim_blob *torn_data)
{
	const struct inode *inode = &walk->inodes[name->inode];
	struct sim_blob *data = inode->durable;
	for (int i = 0; i < walk->pending_count; i++) {
		const struct element *element = &walk->pending[i];
		if (element->inode != name->inode) {
			continue;
		}
		if (element->kind == ELEMENT_DATA && keep[i]) {
			data = i == torn ? torn_data : inode->dirty;
		} else if (element->kind == ELEMENT_PLACE && !keep[i] && strcmp(element->op->to, name->text) == 0) {
			return element->before >= 0 ? walk->inodes[element->before].durable : walk->empty;
		}
	}
	return data;
}

static void make_files(struct walk *walk, const bool *keep, int torn, struct sim_blob *torn_data)
{
	for (int d = 0; d < SIM_DIRS; d++) {
		struct names names = walk->durable[d];
		bool broken = false; /* a name that was lost: with a journal, so are all after it */
		for (int i = 0; i < walk->pending_count; i++) {
			const struct element *element = &walk->pending[i];
			if (!of_medium(element, false, d) || of_file(element)) {
				continue;
			}
			broken = broken || !keep[i];
			if (keep[i] && !(broken && walk->plan->traits->ordered_names)) {
				apply_name(&names, element);
			}
		}
		for (int i = 0; i < names.count; i++) {
			struct sim_blob *data = data_of(walk, &names.name[i], keep, torn, torn_data);
			sim_files_put(&walk->image.dir[d], names.name[i].text, sim_blob_ref(data));
		}
	}
}

static int visit(struct walk *walk, const bool *keep, int torn, int variant, const char *how)
{
	struct sim_blob *torn_data = NULL;
	memcpy(walk->image.dev, walk->dev, sizeof walk->dev);
	if (torn >= 0 && walk->pending[torn].kind == ELEMENT_DATA) {
		torn_data = tear_file(walk, walk->inodes[walk->pending[torn].inode].dirty, variant);
		if (torn_data == NULL) {
			return -1;
		}
	}
	for (int i = 0; i < walk->pending_count; i++) {
		const struct element *element = &walk->pending[i];
		if (!keep[i] || element->kind != ELEMENT_SECTORS) {
			continue;
		}
		uint8_t *at = walk->image.dev[element->op->medium] + element->op->offset;
		bool whole = sim_loader->whole_sectors && element->op->medium == SIM_LOADER_DEV;
		if (i != torn) {
			memcpy(at, element->op->data->data, element->op->data->len);
		} else if (!tear_sectors(walk, at, element->op->data, variant, whole)) {
			return -1;
		}
	}
	make_files(walk, keep, torn, torn_data);
	sim_blob_drop(torn_data);
	const struct sim_crash_state state = {
		.image = &walk->image,
		.cut = walk->cut,
		.running = walk->running,
		.torn = torn >= 0,
		.promised = walk->promised,
		.how = how,
	};
	int err = walk->plan->visit(walk->plan->context, &state);
	sim_image_clear(&walk->image);
	return err;
}

/* ---- which states ---- */

static uint64_t next_random(struct walk *walk)
{
	walk->random ^= walk->random << 13;
	walk->random ^= walk->random >> 7;
	walk->random ^= walk->random << 17;
	return walk->random;
}

static void keep_all(bool *keep, bool value)
{
	for (int i = 0; i < PENDING_MAX; i++) {
		keep[i] = value;
	}
}

static int visit_torn(struct walk *walk, int element, bool others)
{
	bool keep[PENDING_MAX];
	keep_all(keep, others);
	keep[element] = true;
	for (int variant = 0;; variant++) {
		int err = visit(walk, keep, element, variant, "torn");
		if (err != 0) {
			return err < 0 ? 0 : err;
		}
		if (walk->plan->sparse) {
			return 0;
		}
	}
}

/* A file's name and its torn data have to survive together to be seen. */
static int visit_tears(struct walk *walk)
{
	int err = 0;
	for (int i = 0; err == 0 && i < walk->pending_count; i++) {
		bool newest = i == walk->pending_count - 1;
		enum element_kind kind = walk->pending[i].kind;
		if ((kind != ELEMENT_SECTORS || !newest) && kind != ELEMENT_DATA) {
			continue;
		}
		err = visit_torn(walk, i, true);
		if (err == 0 && kind == ELEMENT_SECTORS && !walk->plan->sparse) {
			err = visit_torn(walk, i, false);
		}
	}
	return err;
}

static int visit_few(struct walk *walk)
{
	int err = 0;
	for (unsigned bits = 0; err == 0 && bits < 1U << walk->pending_count; bits++) {
		bool keep[PENDING_MAX] = { false };
		for (int i = 0; i < walk->pending_count; i++) {
			keep[i] = (bits >> i & 1) != 0;
		}
		err = visit(walk, keep, -1, 0, "subset");
	}
	return err;
}

static int visit_many(struct walk *walk)
{
	bool keep[PENDING_MAX];
	int err = 0;
	for (int i = 0; err == 0 && i <= walk->pending_count; i++) {
		keep_all(keep, false);
		for (int j = 0; j < i; j++) {
			keep[j] = true;
		}
		err = visit(walk, keep, -1, 0, "prefix");
	}
	for (int i = 0; err == 0 && i < walk->pending_count; i++) {
		keep_all(keep, true);
		keep[i] = false;
		err = visit(walk, keep, -1, 0, "one dropped");
		if (err == 0) {
			keep_all(keep, false);
			keep[i] = true;
			err = visit(walk, keep, -1, 0, "one kept");
		}
	}
	for (int i = 0; err == 0 && i < SAMPLES; i++) {
		uint64_t bits = next_random(walk);
		for (int j = 0; j < walk->pending_count; j++) {
			keep[j] = (bits >> j & 1) != 0;
		}
		err = visit(walk, keep, -1, 0, "sample");
	}
	return err;
}

static int visit_cut(struct walk *walk)
{
	int err;
	if (walk->plan->sparse) {
		bool keep[PENDING_MAX];
		keep_all(keep, false);
		err = visit(walk, keep, -1, 0, "all dropped");
		keep_all(keep, true);
		err = err != 0 || walk->pending_count == 0 ? err : visit(walk, keep, -1, 0, "all kept");
	} else {
		err = walk->pending_count <= SIM_SUBSET_MAX ? visit_few(walk) : visit_many(walk);
	}
	return err != 0 ? err : visit_tears(walk);
}

/* ---- the operations ---- */

static void do_file_write(struct walk *walk, const struct sim_op *op)
{
	struct names *now = &walk->now[op->medium];
	int at = name_find(now, op->name);
	int inode = at >= 0 ? now->name[at].inode : inode_new(walk, walk->empty);
	if (at < 0) {
		name_put(now, op->name, inode);
		pend(walk, ELEMENT_LINK, op, inode);
	}
	for (int i = walk->pending_count - 1; i >= 0; i--) {
		if (walk->pending[i].kind == ELEMENT_DATA && walk->pending[i].inode == inode) {
			forget_pending(walk, i);
		}
	}
	sim_blob_drop(walk->inodes[inode].dirty);
	walk->inodes[inode].dirty = sim_blob_ref(op->data);
	pend(walk, ELEMENT_DATA, op, inode);
}

static void do_file_sync(struct walk *walk, const struct sim_op *op)
{
	int inode = walk->now[op->medium].name[name_find(&walk->now[op->medium], op->name)].inode;
	for (int i = walk->pending_count - 1; i >= 0; i--) {
		if (walk->pending[i].inode != inode || !of_file(&walk->pending[i])) {
			continue;
		}
		if (walk->pending[i].kind == ELEMENT_DATA) {
			sim_blob_drop(walk->inodes[inode].durable);
			walk->inodes[inode].durable = walk->inodes[inode].dirty;
			walk->inodes[inode].dirty = NULL;
		}
		forget_pending(walk, i);
	}
}

static void do_names(struct walk *walk, const struct sim_op *op)
{
	struct names *now = &walk->now[op->medium];
	int at = name_find(now, op->name);
	if (at < 0) {
		return; /* a remove of what isn't there */
	}
	int inode = now->name[at].inode, before = -1;
	name_remove(now, op->name);
	if (op->kind == SIM_RENAME) {
		int over = name_find(now, op->to);
		before = over >= 0 ? now->name[over].inode : -1;
		name_put(now, op->to, inode);
	}
	pend(walk, op->kind == SIM_RENAME ? ELEMENT_RENAME : ELEMENT_REMOVE, op, inode);
	bool whole = sim_loader->whole_files && op->medium == SIM_LOADER_DIR;
	if (op->kind == SIM_RENAME && !walk->plan->traits->ordered_names && !whole) {
		pend(walk, ELEMENT_PLACE, op, inode);
		walk->pending[walk->pending_count - 1].before = before;
	}
}

static void do_flush(struct walk *walk, const struct sim_op *op)
{
	bool device = op->kind == SIM_FLUSH;
	for (int i = 0; i < walk->pending_count;) {
		const struct element *element = &walk->pending[i];
		if (!of_medium(element, device, op->medium) || of_file(element)) {
			i++;
			continue;
		}
		if (device) {
			memcpy(walk->dev[op->medium] + element->op->offset, element->op->data->data, element->op->data->len);
		} else {
			apply_name(&walk->durable[op->medium], element);
		}
		forget_pending(walk, i);
	}
}

static void do_operation(struct walk *walk, const struct sim_op *op)
{
	switch (op->kind) {
	case SIM_WRITE:
		pend(walk, ELEMENT_SECTORS, op, -1);
		return;
	case SIM_FILE_WRITE:
		do_file_write(walk, op);
		return;
	case SIM_FILE_SYNC:
		do_file_sync(walk, op);
		return;
	case SIM_RENAME:
	case SIM_REMOVE:
		do_names(walk, op);
		return;
	case SIM_FLUSH:
	case SIM_DIR_SYNC:
		do_flush(walk, op);
		return;
	}
}

static struct walk *walk_new(const struct sim_crash_plan *plan)
{
	struct walk *walk = calloc(1, sizeof *walk);
	if (walk == NULL) {
		abort();
	}
	walk->plan = plan;
	walk->random = plan->seed | 1;
	walk->empty = sim_blob_new("", 0);
	memcpy(walk->dev, plan->start->dev, sizeof walk->dev);
	for (int d = 0; d < SIM_DIRS; d++) {
		const struct sim_files *files = &plan->start->dir[d];
		for (int i = 0; i < files->count; i++) {
			name_put(&walk->now[d], files->file[i].name, inode_new(walk, files->file[i].data));
		}
		walk->durable[d] = walk->now[d];
	}
	return walk;
}

static void walk_free(struct walk *walk)
{
	for (int i = 0; i < walk->inode_count; i++) {
		sim_blob_drop(walk->inodes[i].durable);
		sim_blob_drop(walk->inodes[i].dirty);
	}
	sim_blob_drop(walk->empty);
	free(walk);
}

int sim_crash_walk(const struct sim_crash_plan *plan)
{
	struct walk *walk = walk_new(plan);
	const struct sim_log *log = plan->log;
	size_t mark = 0;
	int err = 0;
	for (walk->cut = 0; err == 0 && walk->cut <= log->count; walk->cut++) {
		if (walk->cut > 0) {
			do_operation(walk, &log->ops[walk->cut - 1]);
		}
		walk->running = log->count == 0 ? -1 : log->ops[walk->cut < log->count ? walk->cut : log->count - 1].running;
		walk->promised = false;
		for (; mark < log->mark_count && log->marks[mark] <= walk->cut; mark++) {
			walk->promised = true;
		}
		err = visit_cut(walk);
	}
	walk_free(walk);
	return err;
}
