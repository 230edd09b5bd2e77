/*
 * Which of several equally good codes is taken is what matters here: ties in the heap go by depth, then by order; codes that get
 * too long are shortened in a fixed order.
 */
#include "bsdiff/codec/deflate_trees.h"

#include <string.h>

#define END_OF_BLOCK 256
#define LITERAL_BITS_MAX 15
#define LENGTH_BITS_MAX 7
#define REPEAT_3_6 16
#define ZEROS_3_10 17
#define ZEROS_11_138 18

enum { BLOCK_STORED = 0, BLOCK_FIXED = 1, BLOCK_OWN = 2 };

static const uint8_t length_order[DCD_DEFLATE_LENGTHS] = {
	16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15
};

/* Extra bits behind a length code: one more every four codes from the ninth on; 258 has a code of its own. */
static unsigned length_extra(unsigned code)
{
	return code < 8 || code == 28 ? 0 : code / 4 - 1;
}

unsigned dcd_deflate_distance_extra(unsigned code)
{
	return code < 4 ? 0 : code / 2 - 1;
}

/* Code of length `value` + 3, and what its extra bits say. */
static unsigned length_code(unsigned value, unsigned *ret_rest)
{
	*ret_rest = 0;
	if (value == 255) {
		return 28;
	}
	if (value < 8) {
		return value;
	}
	unsigned extra = 29 - (unsigned)__builtin_clz(value); /* bits below the leading one and the two behind it */
	*ret_rest = value & ((1U << extra) - 1);
	return 4 * extra + (value >> extra);
}

static unsigned distance_code(unsigned distance, unsigned *ret_rest)
{
	unsigned value = distance - 1;
	*ret_rest = 0;
	if (value < 4) {
		return value;
	}
	unsigned extra = 30 - (unsigned)__builtin_clz(value);
	*ret_rest = value & ((1U << extra) - 1);
	return 2 * extra + (value >> extra);
}

static void put_bits(struct dcd_deflate_block *b, unsigned value, unsigned count)
{
	b->bits |= (uint64_t)value << b->bit_count;
	b->bit_count += count;
	while (b->bit_count >= 8) {
		if (b->at < b->capacity) {
			b->out[b->at++] = (uint8_t)b->bits;
		} else {
			b->overflow = true;
		}
		b->bits >>= 8;
		b->bit_count -= 8;
	}
}

void dcd_deflate_align(struct dcd_deflate_block *b)
{
	put_bits(b, 0, (8 - b->bit_count) & 7);
}

/* ---- Huffman codes ---- */

static bool comes_first(const struct dcd_deflate_block *b, const struct dcd_deflate_tree *t, unsigned n, unsigned m)
{
	return t->freq[n] < t->freq[m] || (t->freq[n] == t->freq[m] && b->depth[n] <= b->depth[m]);
}

static void heap_sink(struct dcd_deflate_block *b, const struct dcd_deflate_tree *t, int k)
{
	uint16_t moved = b->heap[k];
	for (int j = 2 * k; j <= b->heap_len; j *= 2) {
		if (j < b->heap_len && comes_first(b, t, b->heap[j + 1], b->heap[j])) {
			j++;
		}
		if (comes_first(b, t, moved, b->heap[j])) {
			break;
		}
		b->heap[k] = b->heap[j];
		k = j;
	}
	b->heap[k] = moved;
}

/* What differs between the three alphabets. */
struct alphabet {
	int size;
	unsigned bits_max;
	const uint16_t *fixed_len; /* lengths in a block with fixed codes; null: there are none */
	unsigned (*extra)(unsigned code);
	unsigned extra_from; /* the first code that may have extra bits */
};

static unsigned repeat_extra(unsigned code)
{
	return code == 0 ? 2 : code == 1 ? 3 : 7;
}

static unsigned extra_of(const struct alphabet *a, unsigned code)
{
	return code >= a->extra_from ? a->extra(code - a->extra_from) : 0;
}

/* Leaves into the heap; a code has two of them at least, invented where need be. */
static void heap_fill(struct dcd_deflate_block *b, struct dcd_deflate_tree *t, const struct alphabet *a)
{
	b->heap_len = 0;
	b->heap_max = DCD_DEFLATE_NODES;
	t->max_code = -1;
	for (int n = 0; n < a->size; n++) {
		if (t->freq[n] != 0) {
			b->heap[++b->heap_len] = (uint16_t)n;
			t->max_code = n;
			b->depth[n] = 0;
		} else {
			t->len[n] = 0;
		}
	}
	while (b->heap_len < 2) {
		int n = t->max_code < 2 ? ++t->max_code : 0;
		b->heap[++b->heap_len] = (uint16_t)n;
		t->freq[n] = 1;
		b->depth[n] = 0;
		b->best_bits--;
		b->fixed_bits -= a->fixed_len != NULL ? a->fixed_len[n] : 0;
	}
	for (int n = b->heap_len / 2; n >= 1; n--) {
		heap_sink(b, t, n);
	}
}

/* Joins the two rarest until one is left; heap[heap_max..] becomes all nodes in descending order of frequency. */
static void nodes_join(struct dcd_deflate_block *b, struct dcd_deflate_tree *t, const struct alphabet *a)
{
	int node = a->size;
	do {
		uint16_t n = b->heap[1];
		b->heap[1] = b->heap[b->heap_len--];
		heap_sink(b, t, 1);
		uint16_t m = b->heap[1];
		b->heap[--b->heap_max] = n;
		b->heap[--b->heap_max] = m;
		t->freq[node] = (uint16_t)(t->freq[n] + t->freq[m]);
		b->depth[node] = (uint8_t)((b->depth[n] > b->depth[m] ? b->depth[n] : b->depth[m]) + 1);
		t->dad[n] = t->dad[m] = (uint16_t)node;
		b->heap[1] = (uint16_t)node++;
		heap_sink(b, t, 1);
	} while (b->heap_len >= 2);
	b->heap[--b->heap_max] = b->heap[1];
}

/* Where codes are too long: moves leaves down from shorter codes until all fit, then deals lengths out anew, rarest first. */
static void lengths_shorten(struct dcd_deflate_block *b, struct dcd_deflate_tree *t, unsigned bits_max, uint16_t *counts,
			    int overflow)
{
	for (; overflow > 0; overflow -= 2) {
		unsigned bits = bits_max - 1;
		while (counts[bits] == 0) {
			bits--;
		}
		counts[bits]--;
		counts[bits + 1] = (uint16_t)(counts[bits + 1] + 2);
		counts[bits_max]--;
	}
	int h = DCD_DEFLATE_NODES;
	for (unsigned bits = bits_max; bits != 0; bits--) {
		for (unsigned left = counts[bits]; left > 0;) {
			unsigned m = b->heap[--h];
			if ((int)m > t->max_code) {
				continue;
			}
			b->best_bits += (bits - (uint64_t)t->len[m]) * t->freq[m];
			t->len[m] = (uint16_t)bits;
			left--;
		}
	}
}

static void codes_assign(struct dcd_deflate_tree *t, const uint16_t *counts, unsigned bits_max)
{
	uint16_t next[LITERAL_BITS_MAX + 1] = { 0 };
	unsigned code = 0;
	for (unsigned bits = 1; bits <= bits_max; bits++) {
		code = (code + counts[bits - 1]) << 1;
		next[bits] = (uint16_t)code;
	}
	for (int n = 0; n <= t->max_code; n++) {
		unsigned len = t->len[n], reversed = 0;
		if (len == 0) {
			continue;
		}
		for (unsigned i = 0, value = next[len]++; i < len; i++, value >>= 1) {
			reversed = reversed << 1 | (value & 1);
		}
		t->code[n] = (uint16_t)reversed;
	}
}

static void tree_build(struct dcd_deflate_block *b, struct dcd_deflate_tree *t, const struct alphabet *a)
{
	heap_fill(b, t, a);
	nodes_join(b, t, a);
	uint16_t counts[LITERAL_BITS_MAX + 2] = { 0 };
	int overflow = 0;
	t->len[b->heap[b->heap_max]] = 0;
	for (int h = b->heap_max + 1; h < DCD_DEFLATE_NODES; h++) {
		unsigned n = b->heap[h], bits = t->len[t->dad[n]] + 1U;
		if (bits > a->bits_max) {
			bits = a->bits_max;
			overflow++;
		}
		t->len[n] = (uint16_t)bits;
		if ((int)n > t->max_code) {
			continue; /* no leaf */
		}
		counts[bits]++;
		b->best_bits += (uint64_t)t->freq[n] * (bits + extra_of(a, n));
		b->fixed_bits += a->fixed_len != NULL ? (uint64_t)t->freq[n] * (a->fixed_len[n] + extra_of(a, n)) : 0;
	}
	if (overflow > 0) {
		lengths_shorten(b, t, a->bits_max, counts, overflow);
	}
	codes_assign(t, counts, a->bits_max);
}

/* ---- code lengths, run-length coded ---- */

/* One run of equal code lengths: counted, or with `send` written. */
static void run_take(struct dcd_deflate_block *b, unsigned len, int previous, unsigned count, unsigned min, bool send)
{
	struct dcd_deflate_tree *t = &b->lengths;
	unsigned singles = count < min ? count : len != 0 && (int)len != previous ? 1 : 0;
	for (unsigned i = 0; i < singles; i++) {
		if (send) {
			put_bits(b, t->code[len], t->len[len]);
		} else {
			t->freq[len]++;
		}
	}
	if (count < min) {
		return;
	}
	count -= singles;
	unsigned symbol = len != 0 ? REPEAT_3_6 : count <= 10 ? ZEROS_3_10 : ZEROS_11_138;
	if (!send) {
		t->freq[symbol]++;
		return;
	}
	put_bits(b, t->code[symbol], t->len[symbol]);
	put_bits(b, count - (symbol == ZEROS_11_138 ? 11 : 3), repeat_extra(symbol - REPEAT_3_6));
}

static void lengths_scan(struct dcd_deflate_block *b, const struct dcd_deflate_tree *t, bool send)
{
	int previous = -1;
	unsigned count = 0, max = t->len[0] == 0 ? 138 : 7, min = t->len[0] == 0 ? 3 : 4;
	for (int n = 0; n <= t->max_code; n++) {
		unsigned len = t->len[n], next = n < t->max_code ? t->len[n + 1] : 0xffff;
		if (++count < max && len == next) {
			continue;
		}
		run_take(b, len, previous, count, min, send);
		count = 0;
		previous = (int)len;
		max = next == 0 ? 138 : len == next ? 6 : 7;
		min = next == 0 || len == next ? 3 : 4;
	}
}

/* Makes the code for code lengths; how many of them are sent. */
static int lengths_build(struct dcd_deflate_block *b)
{
	static const struct alphabet lengths = { DCD_DEFLATE_LENGTHS, LENGTH_BITS_MAX, NULL, repeat_extra, REPEAT_3_6 };
	lengths_scan(b, &b->literals, false);
	lengths_scan(b, &b->distances, false);
	tree_build(b, &b->lengths, &lengths);
	int last = DCD_DEFLATE_LENGTHS - 1;
	while (last >= 3 && b->lengths.len[length_order[last]] == 0) {
		last--;
	}
	b->best_bits += 3 * ((uint64_t)last + 1) + 5 + 5 + 4;
	return last + 1;
}

/* ---- blocks ---- */

static void symbols_write(struct dcd_deflate_block *b, const struct dcd_deflate_tree *literals,
			  const struct dcd_deflate_tree *distances)
{
	for (uint32_t i = 0; i < b->count; i++) {
		unsigned distance = b->symbol_distance[i], value = b->symbol_value[i], rest;
		if (distance == 0) {
			put_bits(b, literals->code[value], literals->len[value]);
			continue;
		}
		unsigned code = length_code(value, &rest);
		put_bits(b, literals->code[code + END_OF_BLOCK + 1], literals->len[code + END_OF_BLOCK + 1]);
		put_bits(b, rest, length_extra(code));
		code = distance_code(distance, &rest);
		put_bits(b, distances->code[code], distances->len[code]);
		put_bits(b, rest, dcd_deflate_distance_extra(code));
	}
	put_bits(b, literals->code[END_OF_BLOCK], literals->len[END_OF_BLOCK]);
}

static void block_begin(struct dcd_deflate_block *b)
{
	memset(b->literals.freq, 0, sizeof b->literals.freq);
	memset(b->distances.freq, 0, sizeof b->distances.freq);
	memset(b->lengths.freq, 0, sizeof b->lengths.freq);
	b->literals.freq[END_OF_BLOCK] = 1;
	b->best_bits = 0;
	b->fixed_bits = 0;
	b->count = 0;
	b->matches = 0;
}

static void stored_write(struct dcd_deflate_block *b, const uint8_t *src, size_t len)
{
	dcd_deflate_align(b);
	if (len > UINT16_MAX || len + 4 > b->capacity - b->at) {
		b->overflow = true;
		return;
	}
	put_bits(b, (unsigned)len, 16);
	put_bits(b, (unsigned)~len & 0xffff, 16);
	memcpy(b->out + b->at, src, len);
	b->at += len;
}

/* The fixed codes of RFC 1951, 3.2.6. */
static void fixed_build(struct dcd_deflate_block *b, struct dcd_deflate_tree *distances)
{
	struct dcd_deflate_tree *t = &b->fixed_literals;
	uint16_t counts[LITERAL_BITS_MAX + 1] = { [7] = 24, [8] = 152, [9] = 112 };
	for (int n = 0; n < 288; n++) {
		t->len[n] = n < 144 ? 8 : n < 256 ? 9 : n < 280 ? 7 : 8;
	}
	t->max_code = 287;
	codes_assign(t, counts, 9);
	for (unsigned n = 0; distances != NULL && n < DCD_DEFLATE_DISTANCES; n++) {
		distances->len[n] = 5;
		distances->code[n] = (uint16_t)((n & 1) << 4 | (n & 2) << 2 | (n & 4) | (n & 8) >> 2 | (n & 16) >> 4);
	}
}

void dcd_deflate_flush(struct dcd_deflate_block *b, const uint8_t *src, size_t len, bool last)
{
	static const uint16_t five[DCD_DEFLATE_DISTANCES] = { 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
							      5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5 };
	const struct alphabet literals = { DCD_DEFLATE_LITERALS, LITERAL_BITS_MAX, b->fixed_literals.len, length_extra,
					   END_OF_BLOCK + 1 };
	const struct alphabet distances = { DCD_DEFLATE_DISTANCES, LITERAL_BITS_MAX, five, dcd_deflate_distance_extra, 0 };
	tree_build(b, &b->literals, &literals);
	tree_build(b, &b->distances, &distances);
	int sent = lengths_build(b);
	uint64_t best = (b->best_bits + 3 + 7) >> 3, fixed = (b->fixed_bits + 3 + 7) >> 3;
	unsigned kind = len + 4 <= (fixed <= best ? fixed : best) ? BLOCK_STORED : fixed <= best ? BLOCK_FIXED : BLOCK_OWN;
	put_bits(b, kind << 1 | last, 3);
	if (kind == BLOCK_STORED) {
		stored_write(b, src, len);
	} else if (kind == BLOCK_FIXED) {
		fixed_build(b, &b->distances);
		symbols_write(b, &b->fixed_literals, &b->distances);
	} else {
		put_bits(b, (unsigned)(b->literals.max_code + 1 - 257), 5);
		put_bits(b, (unsigned)b->distances.max_code, 5);
		put_bits(b, (unsigned)(sent - 4), 4);
		for (int i = 0; i < sent; i++) {
			put_bits(b, b->lengths.len[length_order[i]], 3);
		}
		lengths_scan(b, &b->literals, true);
		lengths_scan(b, &b->distances, true);
		symbols_write(b, &b->literals, &b->distances);
	}
	block_begin(b);
}

void dcd_deflate_tally(struct dcd_deflate_block *b, unsigned distance, unsigned value)
{
	unsigned rest;
	b->symbol_distance[b->count] = (uint16_t)distance;
	b->symbol_value[b->count++] = (uint8_t)value;
	if (distance == 0) {
		b->literals.freq[value]++;
		return;
	}
	b->matches++;
	b->literals.freq[length_code(value, &rest) + END_OF_BLOCK + 1]++;
	b->distances.freq[distance_code(distance, &rest)]++;
}

void dcd_deflate_begin(struct dcd_deflate_block *b, uint8_t *out, size_t capacity)
{
	b->out = out;
	b->capacity = capacity;
	b->at = 0;
	b->bits = 0;
	b->bit_count = 0;
	b->overflow = false;
	fixed_build(b, NULL);
	block_begin(b);
}
