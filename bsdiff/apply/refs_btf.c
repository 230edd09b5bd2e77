#include "bsdiff/apply/refs_btf.h"

#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "bsdiff/apply/refs_scan.h"

#define CHUNK 4096U    /* bytes of the base at a time */
#define BLOCK 16U      /* words of bits that share a rank */
#define NEAR_TYPES 64U /* a type this little behind its user was mostly copied with it */

static uint32_t bit_words(uint32_t places)
{
	return places / 32 + 1;
}

uint64_t dcd_ref_btf_memory(const struct dcd_ref_btf *btf)
{
	uint64_t type_words = bit_words(btf->types_len / 4), string_words = bit_words(btf->strings_len);
	uint64_t words = type_words + type_words / BLOCK + 1 + string_words + string_words / BLOCK + 1;
	return CHUNK + 4 * (words + (uint64_t)btf->types + 1 + btf->strings);
}

static uint32_t *words_take(uint32_t **memory, uint64_t count)
{
	uint32_t *words = *memory;
	memset(words, 0, (size_t)count * 4);
	*memory += count;
	return words;
}

static void starts_take(struct dcd_ref_starts *starts, uint32_t places, uint32_t **memory)
{
	starts->places = places;
	starts->bits = words_take(memory, bit_words(places));
	starts->ranks = words_take(memory, bit_words(places) / BLOCK + 1);
}

static void starts_set(struct dcd_ref_starts *starts, uint32_t place)
{
	if (place < starts->places) {
		starts->bits[place / 32] |= 1U << place % 32;
	}
}

static bool starts_has(const struct dcd_ref_starts *starts, uint32_t place)
{
	return place < starts->places && (starts->bits[place / 32] >> place % 32 & 1) != 0;
}

static uint32_t bits_count(uint32_t bits)
{
	bits -= bits >> 1 & 0x55555555;
	bits = (bits & 0x33333333) + (bits >> 2 & 0x33333333);
	bits = (bits + (bits >> 4)) & 0x0f0f0f0f;
	return (bits * 0x01010101) >> 24;
}

static void starts_rank(struct dcd_ref_starts *starts)
{
	uint32_t count = 0, words = bit_words(starts->places);
	for (uint32_t i = 0; i < words; i++) {
		if (i % BLOCK == 0) {
			starts->ranks[i / BLOCK] = count;
		}
		count += bits_count(starts->bits[i]);
	}
}

/* How many begin before `place`, which is one of the places. */
static uint32_t starts_before(const struct dcd_ref_starts *starts, uint32_t place)
{
	uint32_t word = place / 32, count = starts->ranks[word / BLOCK];
	for (uint32_t i = word - word % BLOCK; i < word; i++) {
		count += bits_count(starts->bits[i]);
	}
	return count + bits_count(starts->bits[word] & ((1U << place % 32) - 1));
}

/* The first that begins behind `place`, or the end. */
static uint32_t starts_next(const struct dcd_ref_starts *starts, uint32_t place)
{
	do {
		place++;
		if (place % 32 == 0) {
			while (place < starts->places && starts->bits[place / 32] == 0) {
				place += 32;
			}
		}
	} while (place < starts->places && !starts_has(starts, place));
	return place < starts->places ? place : starts->places;
}

/* Bit i: the i-th of eight bytes is 0. */
static uint32_t zeros_of(uint64_t bytes)
{
	const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
	uint64_t high = ~(((bytes & low7) + low7) | bytes | low7); /* the highest bit of each byte that is 0 */
	return (uint32_t)((high >> 7) * UINT64_C(0x0102040810204080) >> 56);
}

/* Marks where strings begin in the next n bytes; `at` is a multiple of 32. Returns whether another one begins behind them. */
static bool strings_mark(struct dcd_ref_starts *starts, uint32_t at, const uint8_t *chunk, uint32_t n, bool begins)
{
	uint32_t mark = begins, i = 0;
	for (; n - i >= 8; i += 8) {
		uint32_t zeros = zeros_of(dcd_le64_get(chunk + i)), place = at + i;
		starts->bits[place / 32] |= ((zeros << 1 | mark) & 0xff) << place % 32;
		mark = zeros >> 7;
	}
	for (; i < n; i++) {
		starts->bits[(at + i) / 32] |= mark << (at + i) % 32;
		mark = chunk[i] == 0;
	}
	return mark != 0;
}

/* Marks where types begin in the next n bytes. Returns whether another one begins behind them. */
static bool types_mark(struct dcd_ref_starts *starts, uint32_t at, const uint8_t *chunk, uint32_t n, bool begins,
		       struct dcd_btf_walk *walk)
{
	for (uint32_t i = 0; n - i >= 4; i += 4) {
		if (begins) {
			starts_set(starts, (at + i) / 4);
		}
		begins = dcd_btf_step(walk, dcd_le32_get(chunk + i));
	}
	return begins;
}

/* Reads base bytes [offset, offset + len) chunk by chunk, and marks where types or strings begin. */
static int starts_read(struct dcd_ref_btf *btf, struct dcd_reader *base, uint64_t offset, uint32_t len, bool strings,
		       uint8_t *chunk)
{
	struct dcd_btf_walk walk = { 0, 0 };
	bool begins = true;
	if (!dcd_range_inside(offset, len, base->size)) {
		return DCD_ERR_WRONG_BASE;
	}
	for (uint32_t at = 0; at < len;) {
		uint32_t n = len - at < CHUNK ? len - at : CHUNK;
		int err = base->read(base->context, offset + at, chunk, n);
		if (err != 0) {
			return err;
		}
		begins = strings ? strings_mark(&btf->string_starts, at, chunk, n, begins)
				 : types_mark(&btf->type_starts, at, chunk, n, begins, &walk);
		at += n;
	}
	return 0;
}

int dcd_ref_btf_open(struct dcd_ref_btf *btf, struct dcd_reader *base, void *memory)
{
	uint8_t *chunk = memory;
	uint32_t *words = (uint32_t *)(void *)(chunk + CHUNK);
	starts_take(&btf->type_starts, btf->types_len / 4, &words);
	starts_take(&btf->string_starts, btf->strings_len, &words);
	btf->new_ids = words_take(&words, (uint64_t)btf->types + 1);
	btf->new_strings = words_take(&words, btf->strings);
	int err = starts_read(btf, base, btf->base, btf->types_len, false, chunk);
	err = err != 0 ? err : starts_read(btf, base, btf->base + btf->types_len, btf->strings_len, true, chunk);
	starts_rank(&btf->type_starts);
	starts_rank(&btf->string_starts);
	btf->walk = (struct dcd_btf_walk){ 0, 0 };
	btf->at = btf->first;
	btf->partial_len = 0;
	btf->old_id = 0;
	btf->old_next = 0;
	btf->new_next = 0;
	return err;
}

/* The number of the old string at `offset`, below btf->strings; false when none begins there. */
static bool string_number(const struct dcd_ref_btf *btf, uint32_t offset, uint32_t *ret)
{
	if (!starts_has(&btf->string_starts, offset)) {
		return false;
	}
	*ret = starts_before(&btf->string_starts, offset);
	return *ret < btf->strings;
}

/* The next word of the new types has been settled. */
static void word_pass(struct dcd_ref_btf *btf, uint32_t value)
{
	btf->at += 4;
	if (dcd_btf_step(&btf->walk, value)) {
		btf->id++;
		btf->old_id = 0;
	}
}

/* The copied word at `place` of the old types is one of the first three of a new type: is it the same of an old one? */
static void type_recognise(struct dcd_ref_btf *btf, uint32_t place)
{
	uint32_t word = btf->walk.word;
	if (word > 2 || btf->old_id != 0 || place < word || !starts_has(&btf->type_starts, place - word)) {
		return;
	}
	uint32_t old_id = 1 + starts_before(&btf->type_starts, place - word);
	if (old_id <= btf->types) {
		btf->old_id = old_id;
		btf->new_ids[old_id] = btf->id;
	}
}

static int word_settle(struct dcd_ref_piece *piece, struct dcd_ref_site *site, uint32_t predicted, uint32_t *ret)
{
	const uint8_t *field = piece->bytes + (site->at - piece->at);
	memcpy(site->old, field, 4);
	site->width = 4;
	site->gate = DCD_GATE_TABLE;
	site->region = (uint32_t)(piece->region - piece->refs->map.regions);
	dcd_le32_put(site->predicted, predicted);
	int err = dcd_ref_settle(piece, site);
	*ret = dcd_le32_get(field);
	return err;
}

/* A type id in a copied word. */
static int type_take(struct dcd_ref_piece *piece, size_t at, uint32_t target, uint32_t *ret)
{
	struct dcd_ref_btf *btf = &piece->refs->btf;
	const struct dcd_ref_map *map = &piece->refs->map;
	struct dcd_ref_site site = { .at = at, .target = target, .local = true, .known = true };
	uint32_t predicted;
	if (target <= btf->types && btf->new_ids[target] != 0) {
		predicted = btf->new_ids[target];
	} else if (btf->old_id != 0 && target - btf->old_id < NEAR_TYPES) {
		predicted = target - btf->old_id + btf->id;
	} else {
		site.local = false;
		predicted = target + (uint32_t)dcd_ref_map_shift(map, &map->modules[piece->region->module], target);
	}
	int err = word_settle(piece, &site, predicted, ret);
	if (err == 0 && target <= btf->types) {
		btf->new_ids[target] = *ret;
	}
	site.actual = *ret;
	if (err == 0 && piece->refs->watch != NULL) {
		piece->refs->watch(piece->refs->context, &site, piece->bytes + (at - piece->at));
	}
	return err;
}

/* A string's place in a copied word. */
static int name_take(struct dcd_ref_piece *piece, size_t at, uint32_t target, uint32_t *ret)
{
	struct dcd_ref_btf *btf = &piece->refs->btf;
	struct dcd_ref_site site = { .at = at, .target = target };
	uint32_t number = 0;
	bool is_string = string_number(btf, target, &number), first = is_string && btf->new_strings[number] == 0;
	uint32_t predicted = !is_string ? target : btf->new_strings[number];
	if (first) {
		predicted = target == btf->old_next ? btf->new_next : btf->next;
	}
	int err = word_settle(piece, &site, predicted, ret);
	if (err == 0 && is_string && *ret != 0) {
		btf->new_strings[number] = *ret;
	}
	if (err == 0 && first) {
		btf->old_next = starts_next(&btf->string_starts, target);
		btf->new_next = *ret + (btf->old_next - target);
		btf->next = *ret >= btf->next ? btf->new_next : btf->next;
	}
	if (err == 0 && piece->refs->watch != NULL) {
		piece->refs->watch(piece->refs->context, &site, piece->bytes + (at - piece->at));
	}
	return err;
}

/* The word at btf->at, which lies in the piece. */
static int word_take(struct dcd_ref_piece *piece)
{
	struct dcd_ref_btf *btf = &piece->refs->btf;
	size_t pos = btf->at - piece->at;
	uint32_t value = dcd_le32_get(piece->bytes + pos);
	uint64_t place = piece->old_va - piece->region->va + pos;
	if (place % 4 == 0) {
		type_recognise(btf, (uint32_t)(place / 4));
	}
	enum dcd_btf_role role = value == 0 ? DCD_BTF_PLAIN : dcd_btf_role(&btf->walk);
	int err;
	if (role == DCD_BTF_TYPE) {
		err = type_take(piece, btf->at, value, &value);
	} else if (role == DCD_BTF_NAME) {
		err = name_take(piece, btf->at, value, &value);
	} else {
		err = dcd_ref_settle_to(piece, pos + 4);
		value = dcd_le32_get(piece->bytes + pos);
	}
	word_pass(btf, value);
	return err;
}

void dcd_ref_btf_pass(struct dcd_ref_btf *btf, size_t at, const uint8_t *bytes, size_t len)
{
	while (btf->at < btf->end) {
		size_t place = (size_t)btf->at + btf->partial_len;
		if (place < at || place - at >= len) {
			return;
		}
		btf->partial[btf->partial_len++] = bytes[place - at];
		if (btf->partial_len == sizeof btf->partial) {
			btf->partial_len = 0;
			word_pass(btf, dcd_le32_get(btf->partial));
		}
	}
}

int dcd_ref_scan_btf(struct dcd_ref_piece *piece)
{
	struct dcd_ref_btf *btf = &piece->refs->btf;
	size_t end = piece->at + piece->len < btf->end ? piece->at + piece->len : btf->end;
	int err = 0;
	/* A word that began before the piece is not for us to predict. */
	size_t rest = sizeof btf->partial - btf->partial_len;
	if (btf->partial_len > 0 && piece->len >= rest) {
		err = dcd_ref_settle_to(piece, rest);
		dcd_ref_btf_pass(btf, piece->at, piece->bytes, rest);
	}
	while (err == 0 && btf->partial_len == 0 && btf->at >= piece->at && btf->at < end && end - btf->at >= 4) {
		err = word_take(piece);
	}
	return err;
}
