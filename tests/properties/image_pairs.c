#include "tests/properties/image_pairs.h"

#include "base/le.h"
#include "bsdiff/codec/deflate_pack.h"
#include "tests/unit/erofs_fixture.h"
#include "tests/unit/machine_fixture.h"
#include "tests/unit/payload_fixture.h"

#define TEXT_MAX (64U << 10)

int pair_maker_open(struct pair_maker *maker)
{
	*maker = (struct pair_maker){ .base = malloc(PAIR_IMAGE_MAX),
				      .image = malloc(PAIR_IMAGE_MAX),
				      .program = malloc(MACHINE_PROGRAM_MAX),
				      .text = malloc(TEXT_MAX),
				      .packer = malloc(dcd_deflate_memory()) };
	return maker->base != NULL && maker->image != NULL && maker->program != NULL && maker->text != NULL &&
	       maker->packer != NULL;
}

void pair_maker_close(struct pair_maker *maker)
{
	free(maker->base);
	free(maker->image);
	free(maker->program);
	free(maker->text);
	free(maker->packer);
}

/* Below `limit`, which is over 0. */
static size_t below(uint64_t *seed, size_t limit)
{
	return (size_t)(fixture_random(seed) >> 16) % limit;
}

static bool one_in(uint64_t *seed, size_t n)
{
	return below(seed, n) == 0;
}

/* Tiny as a rule, for speed, with every boundary near; a few of hundreds of KiB. */
static size_t some_length(uint64_t *seed)
{
	static const size_t edges[] = { 0, 1, 4095, 4096, 4097, 8192, 65536, 65537 };
	size_t choice = below(seed, 1000);
	if (choice < 40) {
		return edges[below(seed, 8)];
	}
	return choice < 760   ? below(seed, 3000)
	       : choice < 960 ? below(seed, 30000)
	       : choice < 995 ? below(seed, 120000)
			      : below(seed, 400000);
}

static void stretch_fill(uint64_t *seed, uint8_t *data, size_t len)
{
	size_t period = 1 + below(seed, one_in(seed, 4) ? 5000 : 40);
	switch (below(seed, 4)) {
	case 0:
		memset(data, one_in(seed, 3) ? 0xff : 0, len);
		break;
	case 1:
		for (size_t i = 0; i < len; i++) {
			data[i] = (uint8_t)(i % period * 37);
		}
		break;
	case 2:
		for (size_t i = 0; i < len; i++) {
			data[i] = (uint8_t)("etaoin shrdlu"[below(seed, 13)]);
		}
		break;
	default:
		fixture_fill(seed, data, len);
	}
}

static void stretches_fill(uint64_t *seed, uint8_t *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t n = 1 + below(seed, len / 3 + 64);
		n = n < len - at ? n : len - at;
		stretch_fill(seed, data + at, n);
		at += n;
	}
}

/* Copies as much as there is room for. */
static size_t put(uint8_t *image, size_t at, const uint8_t *data, size_t len)
{
	len = len < PAIR_IMAGE_MAX - at ? len : PAIR_IMAGE_MAX - at;
	memcpy(image + at, data, len);
	return at + len;
}

/* A build of a program in each image, at places of their own, perhaps only a part of the file. */
static void programs_make(struct pair_maker *m, uint64_t *seed)
{
	enum machine machine = (enum machine)below(seed, one_in(seed, 100) ? MACHINE_COUNT : MACHINE_KERNEL);
	unsigned functions =
		machine == MACHINE_KERNEL ? MACHINE_KERNEL_FUNCTIONS : 3 + (unsigned)below(seed, one_in(seed, 20) ? 600 : 60);
	size_t gaps[2] = { below(seed, 600), one_in(seed, 2) ? below(seed, 600) : 0 };
	uint64_t gap_seed = *seed;
	for (unsigned later = 0; later < 2; later++) {
		uint64_t same = gap_seed;
		uint8_t *image = later ? m->image : m->base;
		size_t len = gaps[0] + later * gaps[1];
		stretches_fill(&same, image, len);
		size_t size = machine_program_make(m->program, machine, functions, functions / 3,
						   later == 0 ? 0 : 16 + 16 * (unsigned)below(&same, 3));
		size = one_in(&same, 8) ? below(&same, size) : size;
		len = put(image, len, m->program, size);
		*(later ? &m->image_len : &m->base_len) = len;
	}
	(void)fixture_random(seed);
}

static void text_fill(uint64_t *seed, uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool again = i > 600 && !one_in(seed, 8);
		text[i] = again ? text[i - 1 - below(seed, 4) * 199] : (uint8_t)("etaoin shrdlu"[below(seed, 13)]);
	}
}

/* A gzip member behind image[0..at); as it is in files, but nobody looks at the checksum. */
static size_t member_put(struct pair_maker *m, uint8_t *image, size_t at, uint32_t params, size_t len)
{
	static const uint8_t head[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3 };
	uint8_t tail[8] = { 0 };
	size_t n;
	if (PAIR_IMAGE_MAX - at < 2 * len + 4096) {
		return at;
	}
	at = put(image, at, head, sizeof head);
	if (dcd_deflate_pack(params, image + at, PAIR_IMAGE_MAX - at, m->text, len, m->packer, dcd_deflate_memory(), &n) != 0) {
		abort();
	}
	dcd_le32_put(tail + 4, (uint32_t)len);
	return put(image, at + n, tail, sizeof tail);
}

/* Behind what there is. */
static void members_add(struct pair_maker *m, uint64_t *seed)
{
	static const uint32_t params[] = { 9 | DCD_DEFLATE_GZIP, 6 | DCD_DEFLATE_GZIP, 9, 6, 1, 8 | DCD_DEFLATE_MEMORY_9 };
	for (size_t members = 1 + below(seed, 4); members > 0; members--) {
		size_t len = 1 + below(seed, one_in(seed, 10) ? TEXT_MAX : 6000);
		uint32_t how = params[below(seed, 6)];
		text_fill(seed, m->text, len);
		m->base_len = member_put(m, m->base, m->base_len, how, len);
		for (size_t edits = below(seed, 4); edits > 0; edits--) {
			m->text[below(seed, len)] ^= 1;
		}
		m->image_len = member_put(m, m->image, m->image_len, one_in(seed, 10) ? params[below(seed, 6)] : how, len);
	}
}

static void inodes_make(struct pair_maker *m, uint64_t *seed)
{
	struct erofs_fixture fs[2];
	erofs_fixture_begin(&fs[0], m->base, PAIR_IMAGE_MAX, 1, false);
	erofs_fixture_begin(&fs[1], m->image, PAIR_IMAGE_MAX, 1, false);
	for (size_t members = 1 + below(seed, 5); members > 0; members--) {
		size_t len = 1 + below(seed, one_in(seed, 10) ? TEXT_MAX : 25000);
		uint32_t how = one_in(seed, 2) ? 9 | DCD_DEFLATE_GZIP : 6;
		text_fill(seed, m->text, len);
		for (unsigned later = 0; later < 2; later++) {
			for (size_t edits = later * below(seed, 4); edits > 0; edits--) {
				m->text[below(seed, len)] ^= 1;
			}
			size_t size = member_put(m, m->program, 0, how, len);
			unsigned attributes = one_in(seed, 4) ? (unsigned)below(seed, 700) : 0;
			if (PAIR_IMAGE_MAX - fs[later].len > size + EROFS_UNIT && !one_in(seed, 10)) {
				(void)erofs_fixture_inline(&fs[later], m->program, size, one_in(seed, 2), attributes);
			}
		}
	}
	erofs_fixture_end(&fs[0]);
	erofs_fixture_end(&fs[1]);
	m->base_len = fs[0].len;
	m->image_len = fs[1].len;
}

static void given_make(struct pair_maker *m, uint64_t *seed)
{
	size_t pair = below(seed, m->given_count / 2);
	m->base_len = put(m->base, 0, m->given[2 * pair].data, m->given[2 * pair].len);
	m->image_len = put(m->image, 0, m->given[2 * pair + 1].data, m->given[2 * pair + 1].len);
}

/* Overwrites image[to..] with image[from..], n bytes, or exchanges the two. */
static void blocks_swap(uint8_t *image, size_t a, size_t b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t byte = image[a + i];
		image[a + i] = image[b + i];
		image[b + i] = byte;
	}
}

/* One edit of the image; `n` bytes at `at`, of which `rest` are behind it. */
static size_t edit_lengthen_or_cut(uint64_t *seed, uint8_t *image, size_t len, size_t at, size_t n)
{
	size_t rest = len - at;
	switch (below(seed, 3)) {
	case 0: /* insert */
		n = n < PAIR_IMAGE_MAX - len ? n : PAIR_IMAGE_MAX - len;
		memmove(image + at + n, image + at, rest);
		stretch_fill(seed, image + at, n);
		return len + n;
	case 1: /* delete */
		n = n < rest ? n : rest;
		memmove(image + at, image + at + n, rest - n);
		return len - n;
	default: /* cut off */
		return one_in(seed, 4) ? at : len;
	}
}

static size_t edit(uint64_t *seed, uint8_t *image, size_t len)
{
	size_t at = below(seed, len + 1), n = below(seed, one_in(seed, 2) ? 40 : len / 2 + 40), rest = len - at;
	size_t inside = n < rest ? n : rest, other = below(seed, len - inside + 1);
	switch (below(seed, 7)) {
	case 0:
		stretch_fill(seed, image + at, inside);
		return len;
	case 1:
		memset(image + at, 0, inside);
		return len;
	case 2: /* move */
		memmove(image + other, image + at, inside);
		return len;
	case 3:
		blocks_swap(image, at, other, inside);
		return len;
	case 4: /* a change every few bytes, as relocated pointers make */
		for (size_t i = at; i < at + inside; i += 5 + below(seed, 20)) {
			image[i] = (uint8_t)(image[i] + 3);
		}
		return len;
	default:
		return edit_lengthen_or_cut(seed, image, len, at, n);
	}
}

static enum pair_shape some_shape(const struct pair_maker *m, uint64_t *seed)
{
	size_t choice = below(seed, 1000);
	if (choice < 10 && m->given_count >= 2) {
		return PAIR_GIVEN;
	}
	return choice < 60    ? PAIR_STRANGERS
	       : choice < 100 ? PAIR_MEMBERS
	       : choice < 115 ? PAIR_INODES
	       : choice < 140 ? PAIR_BOTH
	       : choice < 300 ? PAIR_PROGRAM
			      : PAIR_STRETCHES;
}

void pair_make(struct pair_maker *m, uint64_t *seed)
{
	m->shape = some_shape(m, seed);
	switch (m->shape) {
	case PAIR_PROGRAM:
		programs_make(m, seed);
		break;
	case PAIR_MEMBERS:
		m->base_len = 0;
		m->image_len = 0;
		members_add(m, seed);
		break;
	case PAIR_BOTH:
		programs_make(m, seed);
		members_add(m, seed);
		break;
	case PAIR_INODES:
		inodes_make(m, seed);
		break;
	case PAIR_GIVEN:
		given_make(m, seed);
		break;
	case PAIR_STRANGERS:
		m->base_len = some_length(seed);
		m->image_len = some_length(seed);
		stretches_fill(seed, m->base, m->base_len);
		stretches_fill(seed, m->image, m->image_len);
		return;
	default:
		m->base_len = some_length(seed);
		stretches_fill(seed, m->base, m->base_len);
		m->image_len = put(m->image, 0, m->base, m->base_len);
	}
	for (size_t edits = below(seed, m->shape == PAIR_STRETCHES ? 12 : 4); edits > 0; edits--) {
		m->image_len = edit(seed, m->image, m->image_len);
	}
}
