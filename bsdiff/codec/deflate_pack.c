#include "bsdiff/codec/deflate_pack.h"

#include <string.h>

#include "bsdiff/codec/deflate_trees.h"

#define WINDOW 32768U
#define MATCH_MIN 3U
#define MATCH_MAX 258U
#define DISTANCE_MAX (WINDOW - (MATCH_MAX + MATCH_MIN + 1))
#define TOO_FAR 4096U /* a match of three bytes from farther away costs more than literals */

/* How hard a level looks for matches. */
struct effort {
	uint16_t good; /* a match this long: search a quarter as long for a better one */
	uint16_t lazy; /* this long: don't look for a better one at the next byte; below level 4: don't enter longer ones */
	uint16_t nice; /* this long: stop searching */
	uint16_t chain;
};

static const struct effort efforts[10] = {
	{ 0, 0, 0, 0 },     { 4, 4, 8, 4 },      { 4, 5, 16, 8 },      { 4, 6, 32, 32 },       { 4, 4, 16, 16 },
	{ 8, 16, 32, 32 },  { 8, 16, 128, 128 }, { 8, 32, 128, 256 },  { 32, 128, 258, 1024 }, { 32, 258, 258, 4096 },
};

struct packing {
	struct dcd_deflate_block block;
	uint32_t head[1U << 16]; /* by hash of three bytes: the last position; 0, which never matches: none */
	uint32_t chain[WINDOW];  /* by position: the one before with its hash */
	const uint8_t *src;
	size_t len;
	size_t at;
	size_t block_start;
	struct effort effort;
	unsigned level;
	bool gzip;
	unsigned hash_bits;
	uint32_t symbols_max; /* of a block */
	size_t match_at;      /* where the last match that was found begins */
};

size_t dcd_deflate_memory(void)
{
	return sizeof(struct packing);
}

/* Enters position `at`, which has three bytes, and returns the one before with its hash. */
static uint32_t enter(struct packing *p, size_t at)
{
	unsigned shift = (p->hash_bits + MATCH_MIN - 1) / MATCH_MIN;
	unsigned hash = ((unsigned)p->src[at] << 2 * shift ^ (unsigned)p->src[at + 1] << shift ^ p->src[at + 2]) &
			((1U << p->hash_bits) - 1);
	uint32_t before = p->head[hash];
	p->chain[at % WINDOW] = before;
	p->head[hash] = (uint32_t)at;
	return before;
}

/* The longest match at p->at along the chain from `from`, over `best` bytes; else `best` (cut to what is left). */
static unsigned longest_match(struct packing *p, uint32_t from, unsigned best)
{
	size_t left = p->len - p->at;
	unsigned max = left < MATCH_MAX ? (unsigned)left : MATCH_MAX;
	unsigned nice = p->effort.nice < max ? p->effort.nice : max;
	unsigned tries = best >= p->effort.good ? p->effort.chain >> 2 : p->effort.chain;
	size_t limit = p->at > DISTANCE_MAX ? p->at - DISTANCE_MAX : 0;
	const uint8_t *scan = p->src + p->at;
	if (best >= left) {
		return (unsigned)left;
	}
	do {
		const uint8_t *match = p->src + from;
		if (match[best] == scan[best] && match[best - 1] == scan[best - 1] && match[0] == scan[0] && match[1] == scan[1]) {
			unsigned n = 2;
			while (n < max && match[n] == scan[n]) {
				n++;
			}
			if (n > best) {
				p->match_at = from;
				best = n;
				if (n >= nice) {
					break;
				}
			}
		}
		from = p->chain[from % WINDOW];
	} while (from > limit && --tries != 0);
	return best;
}

/* gzip looks every 4,096 symbols whether the block has become worth ending. */
static bool gzip_ends(const struct packing *p)
{
	const struct dcd_deflate_block *b = &p->block;
	if (p->level > 2 && (b->count & 0xfff) == 0) {
		uint64_t bits = (uint64_t)b->count * 8, bytes = p->at - p->block_start;
		for (unsigned code = 0; code < DCD_DEFLATE_DISTANCES; code++) {
			bits += (uint64_t)b->distances.freq[code] * (5 + dcd_deflate_distance_extra(code));
		}
		if (b->matches < b->count / 2 && bits >> 3 < bytes / 2) {
			return true;
		}
	}
	return false;
}

/* Notes a symbol; true when the block is to end behind it. */
static bool tally(struct packing *p, size_t distance, unsigned value)
{
	dcd_deflate_tally(&p->block, (unsigned)distance, value);
	return (p->gzip && gzip_ends(p)) || p->block.count == p->symbols_max;
}

static void flush(struct packing *p, bool last)
{
	dcd_deflate_flush(&p->block, p->src + p->block_start, p->at - p->block_start, last);
	p->block_start = p->at;
}

static uint32_t enter_if_room(struct packing *p)
{
	return p->len - p->at >= MATCH_MIN ? enter(p, p->at) : 0;
}

static bool near_enough(const struct packing *p, uint32_t from)
{
	return from != 0 && p->at - from <= DISTANCE_MAX;
}

/* Levels 1 to 3: a match is taken where it is found. */
static void pack_greedily(struct packing *p)
{
	while (p->at < p->len) {
		uint32_t from = enter_if_room(p);
		unsigned n = near_enough(p, from) ? longest_match(p, from, MATCH_MIN - 1) : 0;
		bool end;
		if (n >= MATCH_MIN) {
			end = tally(p, p->at - p->match_at, n - MATCH_MIN);
			bool enters = n <= p->effort.lazy && p->len - p->at - n >= MATCH_MIN;
			for (unsigned i = 1; enters && i < n; i++) {
				(void)enter(p, p->at + i);
			}
			p->at += n;
		} else {
			end = tally(p, 0, p->src[p->at]);
			p->at++;
		}
		if (end) {
			flush(p, false);
		}
	}
}

/* The match that ends the search at p->at - 1 is taken; everything in it is entered. */
static void take_previous(struct packing *p, size_t match, unsigned n)
{
	bool end = tally(p, p->at - 1 - match, n - MATCH_MIN);
	size_t stop = p->at - 1 + n;
	while (++p->at < stop) {
		(void)enter_if_room(p);
	}
	if (end) {
		flush(p, false);
	}
}

/* Levels 4 to 9: a match is taken only when the next byte doesn't begin a longer one. */
static void pack_lazily(struct packing *p)
{
	unsigned n = MATCH_MIN - 1;
	bool pending = false; /* the byte before is neither in a match nor put down */
	while (p->at < p->len) {
		uint32_t from = enter_if_room(p);
		unsigned before = n;
		size_t match_before = p->match_at;
		n = MATCH_MIN - 1;
		if (near_enough(p, from) && before < p->effort.lazy) {
			n = longest_match(p, from, before);
			n -= n == MATCH_MIN && p->at - p->match_at > TOO_FAR;
		}
		if (before >= MATCH_MIN && n <= before) {
			take_previous(p, match_before, before);
			pending = false;
			n = MATCH_MIN - 1;
			continue;
		}
		if (pending && tally(p, 0, p->src[p->at - 1])) {
			flush(p, false);
		}
		pending = true;
		p->at++;
	}
	if (pending) {
		(void)tally(p, 0, p->src[p->at - 1]);
	}
}

int dcd_deflate_pack(uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, void *memory,
		     size_t memory_size, size_t *ret_len)
{
	struct packing *p = memory;
	unsigned level = params & DCD_DEFLATE_LEVEL_MASK;
	if (level < 1 || level > 9 || params > (DCD_DEFLATE_GZIP | DCD_DEFLATE_MEMORY_9 | DCD_DEFLATE_LEVEL_MASK) ||
	    src_len > UINT32_MAX) {
		return DCD_ERR_UNSUPPORTED;
	}
	if (memory_size < sizeof *p) {
		return DCD_ERR_NO_MEMORY;
	}
	bool large = (params & DCD_DEFLATE_MEMORY_9) != 0;
	p->gzip = (params & DCD_DEFLATE_GZIP) != 0;
	p->hash_bits = large && !p->gzip ? 16 : 15;
	p->symbols_max = (large || p->gzip ? DCD_DEFLATE_SYMBOLS_MAX : DCD_DEFLATE_SYMBOLS_MAX / 2) - 1;
	p->level = level;
	p->effort = efforts[level];
	p->src = src;
	p->len = src_len;
	p->at = 0;
	p->block_start = 0;
	p->match_at = 0;
	memset(p->head, 0, sizeof p->head);
	dcd_deflate_begin(&p->block, dst, capacity);
	if (level < 4) {
		pack_greedily(p);
	} else {
		pack_lazily(p);
	}
	flush(p, true);
	dcd_deflate_align(&p->block);
	if (p->block.overflow) {
		return DCD_ERR_SIZE;
	}
	*ret_len = p->block.at;
	return 0;
}
