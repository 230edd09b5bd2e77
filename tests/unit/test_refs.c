#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/le.h"
#include "base/varint.h"
#include "bsdiff/apply/refs.h"

#define LEN 256U
#define LOW 0x10000U
#define SPAN 0x10000U
#define BTF_MEMORY 16384U

/* A MAP stream in the making: one module at LOW, one region of LEN bytes at base offset 0 and address LOW. */
struct map_text {
	uint8_t data[256];
	size_t len;
};

static void put(struct map_text *m, uint64_t value)
{
	m->len += dcd_varint_put(m->data + m->len, value);
}

static struct map_text map_of(enum dcd_region_kind kind, uint64_t adjust)
{
	struct map_text m = { .len = 0 };
	const uint64_t head[] = { 1, 1, 2, LOW, SPAN, 0, 1, 2 };
	for (size_t i = 0; i < 8; i++) {
		put(&m, head[i]);
	}
	put(&m, 0); /* gap */
	put(&m, LEN);
	put(&m, kind);
	put(&m, dcd_zigzag(0));
	put(&m, dcd_zigzag((int64_t)adjust));
	/* Stride, fields, origin, its shift, scale. */
	const uint64_t records[] = { 24, 1 << 3, dcd_zigzag(0x4000), dcd_zigzag(0x30), dcd_zigzag(24) };
	const uint64_t relative[] = { 12, 1 << 0 | 1 << 1 };
	const uint64_t sequence[] = { 3, 1, dcd_zigzag(0x800), dcd_zigzag(0x10), dcd_zigzag(4) };
	/* Relocations of 32-bit files: r_offset is an address, the upper part of r_info a symbol. */
	const uint64_t records32[] = { 8, 1 << 1 | 1 << DCD_RECORD_POINTERS, dcd_zigzag(0x4000), dcd_zigzag(0x30),
				       dcd_zigzag(16) };
	for (size_t i = 0; kind == DCD_REGION_RECORDS && i < 5; i++) {
		put(&m, records[i]);
	}
	for (size_t i = 0; kind == DCD_REGION_RECORDS32 && i < 5; i++) {
		put(&m, records32[i]);
	}
	for (size_t i = 0; kind == DCD_REGION_RELATIVE && i < 2; i++) {
		put(&m, relative[i]);
	}
	for (size_t i = 0; kind == DCD_REGION_SEQUENCE && i < 5; i++) {
		put(&m, sequence[i]);
	}
	/* Strings' length, types, strings, first, end, id, next. */
	const uint64_t btf[] = { LEN, 30, 60, 3, LEN - 5, 9, 100 };
	for (size_t i = 0; kind == DCD_REGION_BTF && i < 7; i++) {
		put(&m, btf[i]);
	}
	/* From LOW + 0x1000 addresses have moved by 0x40, from LOW + 0x8000 by -0x1000. */
	const uint64_t steps[] = { 0x1000, 0x7000, dcd_zigzag(0x40), dcd_zigzag(-0x1040) };
	for (size_t i = 0; i < 4; i++) {
		put(&m, steps[i]);
	}
	return m;
}

/* Settles by taking what is in `wanted` there; null: the prediction stays. */
struct corrector {
	uint8_t *bytes;
	const uint8_t *wanted;
	size_t settled;
};

static int settle(void *context, uint8_t *bytes, size_t len)
{
	struct corrector *c = context;
	assert_ptr_equal(bytes, c->bytes + c->settled); /* in order, nothing twice, nothing left out */
	if (c->wanted != NULL) {
		memcpy(bytes, c->wanted + c->settled, len);
	}
	c->settled += len;
	return 0;
}

/* Predicts bytes[0..LEN) as a copy to image offset 0. */
static void predict(const struct map_text *map, uint8_t *bytes, const uint8_t *wanted)
{
	struct corrector c = { .bytes = bytes, .wanted = wanted };
	struct dcd_refs refs = { .settle = settle, .context = &c };
	size_t size = (size_t)dcd_refs_memory(1, 1, 2, LEN);
	void *memory = malloc(size);
	assert_int_equal(dcd_refs_open(&refs, map->data, map->len, LEN, memory, size), 0);
	assert_int_equal(dcd_refs_copy(&refs, 0, 0, 0, bytes, LEN), 0);
	assert_int_equal(c.settled, LEN);
	free(memory);
}

static void put32(uint8_t *p, uint64_t value)
{
	dcd_le32_put(p, (uint32_t)value);
}

static void pointers_follow_the_map_and_other_words_stay(void **state)
{
	(void)state;
	uint8_t bytes[LEN] = { 0 };
	const uint64_t values[] = { LOW + 0x2000, LOW + 0x9000, 5, LOW + SPAN, LOW + 0xfff };
	for (size_t i = 0; i < 5; i++) {
		put32(bytes + 8 * i, values[i]);
	}
	struct map_text map = map_of(DCD_REGION_POINTERS, 0);
	predict(&map, bytes, NULL);
	assert_int_equal(dcd_le64_get(bytes), LOW + 0x2040);
	assert_int_equal(dcd_le64_get(bytes + 8), LOW + 0x8000);
	assert_int_equal(dcd_le64_get(bytes + 16), 5);
	assert_int_equal(dcd_le64_get(bytes + 24), LOW + SPAN);
	assert_int_equal(dcd_le64_get(bytes + 32), LOW + 0xfff); /* before the first step */
}

static void x86_64_branches_and_operands_are_relative_to_their_new_place(void **state)
{
	(void)state;
	uint8_t bytes[LEN];
	memset(bytes, 0x90, LEN);
	bytes[10] = 0xe8; /* call LOW + 0x2000 */
	put32(bytes + 11, 0x2000 - 15);
	bytes[30] = 0x48; /* lea LOW + 0x9000(%rip), %rax */
	bytes[31] = 0x8d;
	bytes[32] = 0x05;
	put32(bytes + 33, 0x9000 - 37);
	bytes[50] = 0xe9; /* jmp into this very copy: both ends move alike */
	put32(bytes + 51, 100 - 55);
	struct map_text map = map_of(DCD_REGION_X86_64, 0x10);
	predict(&map, bytes, NULL);
	assert_int_equal(dcd_le32_get(bytes + 11), 0x2040 - 15 - 0x10);
	assert_int_equal(dcd_le32_get(bytes + 33), 0x8000 - 37 - 0x10);
	assert_int_equal(dcd_le32_get(bytes + 51), 100 - 55);
}

static void aarch64_branches_and_address_pairs_are_predicted(void **state)
{
	(void)state;
	uint8_t bytes[LEN] = { 0 };
	put32(bytes, 0x94000000 | 0x2000 / 4);      /* bl LOW + 0x2000 */
	put32(bytes + 4, 0xb0000001 | 1 << 5);      /* adrp x1, LOW + 0x5000 (pages: 5) */
	put32(bytes + 8, 0x91000021 | 0x123 << 10); /* add x1, x1, 0x123 */
	struct map_text map = map_of(DCD_REGION_AARCH64, 0);
	predict(&map, bytes, NULL);
	assert_int_equal(dcd_le32_get(bytes), 0x94000000 | 0x2040 / 4);
	assert_int_equal(dcd_le32_get(bytes + 4), 0xb0000001 | 1 << 5);
	assert_int_equal(dcd_le32_get(bytes + 8), 0x91000021 | 0x163 << 10);
}

/* All as an assembler and a linker write them: the code at LOW with its targets at LOW + 0x2000 and LOW + 0x9000, and where they
 * went.
 */
static const uint8_t t32_old[] = {
	0x01, 0xf0, 0xfe, 0xff, 0x08, 0xf0, 0xfc, 0xef, /* bl near; blx far */
	0x01, 0xf0, 0xfa, 0xbf, 0x01, 0xf0, 0xf8, 0x87, /* b.w near; beq.w near */
	0x49, 0xf2, 0x00, 0x03, 0x01, 0x21,             /* movw r3, #:lower16:far; movs r1, #1 */
	0xc0, 0xf2, 0x01, 0x03,                         /* movt r3, #:upper16:far */
	0x03, 0x4a, 0x00, 0xbf, 0x7a, 0x44,             /* ldr r2, [pc, #12]; nop; add r2, pc */
	0xdf, 0xf8, 0x08, 0x90, 0xf9, 0x44, 0x00, 0xbf, /* ldr.w r9, [pc, #8]; add r9, pc; nop */
	0xde, 0x8f, 0x00, 0x00, 0xd9, 0x1f, 0x00, 0x00, /* far - pc; near + 1 - pc */
};
static const uint8_t t32_new[] = {
	0x02, 0xf0, 0x16, 0xf8, 0x07, 0xf0, 0xf4, 0xef, 0x02, 0xf0, 0x12, 0xb8, 0x02, 0xf0, 0x10, 0x80,
	0x48, 0xf2, 0x00, 0x03, 0x01, 0x21, 0xc0, 0xf2, 0x01, 0x03, 0x03, 0x4a, 0x00, 0xbf, 0x7a, 0x44,
	0xdf, 0xf8, 0x08, 0x90, 0xf9, 0x44, 0x00, 0xbf, 0xce, 0x7f, 0x00, 0x00, 0x09, 0x20, 0x00, 0x00,
};
static const uint8_t a32_old[] = {
	0xfe, 0x23, 0x00, 0xeb, 0xfd, 0x07, 0x00, 0xfa, 0xfc, 0x23, 0x00, 0x0a, /* bl far; blx near; beq far */
	0x00, 0x30, 0x09, 0xe3, 0x01, 0x10, 0xa0, 0xe3, 0x01, 0x30, 0x40, 0xe3, /* movw r3, ...; mov r1, #1; movt r3, ... */
	0x04, 0x20, 0x9f, 0xe5, 0x00, 0xf0, 0x20, 0xe3, 0x02, 0x20, 0x8f, 0xe0, /* ldr r2, [pc, #4]; nop; add r2, pc, r2 */
	0xd8, 0x8f, 0x00, 0x00,
};
static const uint8_t a32_new[] = {
	0xfa, 0x1f, 0x00, 0xeb, 0x09, 0x08, 0x00, 0xfa, 0xf8, 0x1f, 0x00, 0x0a, 0x00, 0x30, 0x08, 0xe3, 0x01, 0x10, 0xa0, 0xe3,
	0x01, 0x30, 0x40, 0xe3, 0x04, 0x20, 0x9f, 0xe5, 0x00, 0xf0, 0x20, 0xe3, 0x02, 0x20, 0x8f, 0xe0, 0xc8, 0x7f, 0x00, 0x00,
};

/* jal near; beq LOW + 0xff0; auipc a0, far; c.li a5, 1; addi a0, a0, far; auipc t1, near; sw a1, near(t1); call far */
static const uint8_t riscv_old[] = {
	0xef, 0x20, 0x00, 0x00, 0xe3, 0x06, 0xb5, 0x7e, 0x17, 0x95, 0x00, 0x00, 0x85, 0x47, 0x13, 0x05, 0x85,
	0xff, 0x17, 0x23, 0x00, 0x00, 0x23, 0x27, 0xb3, 0xfe, 0x97, 0x90, 0x00, 0x00, 0xe7, 0x80, 0x60, 0xfe,
};
static const uint8_t riscv_new[] = {
	0xef, 0x20, 0x00, 0x03, 0xe3, 0x0e, 0xb5, 0x7c, 0x17, 0x85, 0x00, 0x00, 0x85, 0x47, 0x13, 0x05, 0x85,
	0xfe, 0x17, 0x23, 0x00, 0x00, 0x23, 0x2f, 0xb3, 0x00, 0x97, 0x80, 0x00, 0x00, 0xe7, 0x80, 0x60, 0xfd,
};

static void expect_code(enum dcd_region_kind kind, const uint8_t *old, const uint8_t *new, size_t len)
{
	uint8_t bytes[LEN] = { 0 };
	memcpy(bytes, old, len);
	struct map_text map = map_of(kind, 0x10);
	predict(&map, bytes, NULL);
	assert_memory_equal(bytes, new, len);
}

static void t32_code_becomes_what_the_assembler_writes(void **state)
{
	(void)state;
	expect_code(DCD_REGION_T32, t32_old, t32_new, sizeof t32_old);
}

static void a32_code_becomes_what_the_assembler_writes(void **state)
{
	(void)state;
	expect_code(DCD_REGION_A32, a32_old, a32_new, sizeof a32_old);
}

static void riscv_code_becomes_what_the_assembler_writes(void **state)
{
	(void)state;
	expect_code(DCD_REGION_RISCV, riscv_old, riscv_new, sizeof riscv_old);
}

static void a_literal_is_known_in_another_copy_than_its_code(void **state)
{
	(void)state;
	const size_t code = 40, literal = 4;
	uint8_t bytes[LEN] = { 0 };
	memcpy(bytes, t32_old, sizeof t32_old);
	struct map_text map = map_of(DCD_REGION_T32, 0x10);
	struct corrector c = { .bytes = bytes };
	struct dcd_refs refs = { .settle = settle, .context = &c };
	size_t size = (size_t)dcd_refs_memory(1, 1, 2, LEN);
	void *memory = malloc(size);
	assert_int_equal(dcd_refs_open(&refs, map.data, map.len, LEN, memory, size), 0);
	assert_int_equal(dcd_refs_copy(&refs, 0, 0, 0, bytes, code), 0);
	/* Its pool has moved 0x20 further than the code: the distance counts from the code alone. */
	c = (struct corrector){ .bytes = bytes + code + 0x20 };
	memcpy(bytes + code + 0x20, t32_old + code, literal);
	assert_int_equal(dcd_refs_copy(&refs, 0, code + 0x20, code, bytes + code + 0x20, literal), 0);
	assert_memory_equal(bytes + code + 0x20, t32_new + code, literal);
	free(memory);
}

static void entries_of_a_linkage_table_lead_to_their_slot(void **state)
{
	(void)state;
	uint8_t bytes[LEN] = { 0 };
	put32(bytes, 0xe28fc600);     /* add ip, pc, #0 */
	put32(bytes + 4, 0xe28cca08); /* add ip, ip, #0x8000 */
	put32(bytes + 8, 0xe5bcfff8); /* ldr pc, [ip, #0xff8]!: LOW + 0x9000 */
	struct map_text map = map_of(DCD_REGION_A32, 0);
	predict(&map, bytes, NULL);
	assert_int_equal(dcd_le32_get(bytes), 0xe28fc600);
	assert_int_equal(dcd_le32_get(bytes + 4), 0xe28cca07);
	assert_int_equal(dcd_le32_get(bytes + 8), 0xe5bcfff8);
}

static void words_of_32_bits_are_addresses_symbols_and_unwind_distances(void **state)
{
	(void)state;
	uint8_t bytes[LEN] = { 0 };
	put32(bytes, LOW + 0x2000);
	put32(bytes + 4, 0xfff);
	struct map_text map = map_of(DCD_REGION_POINTERS32, 0);
	predict(&map, bytes, NULL);
	assert_int_equal(dcd_le32_get(bytes), LOW + 0x2040);
	assert_int_equal(dcd_le32_get(bytes + 4), 0xfff);

	/* Symbol 0x100 at LOW + 0x5000 goes by 0x40, its table by 0x30: one more symbol. */
	put32(bytes, LOW + 0x9000);
	put32(bytes + 4, 0x100 << 8 | 22);
	map = map_of(DCD_REGION_RECORDS32, 0);
	predict(&map, bytes, NULL);
	assert_int_equal(dcd_le32_get(bytes), LOW + 0x8000);
	assert_int_equal(dcd_le32_get(bytes + 4), 0x101 << 8 | 22);

	memset(bytes, 0, LEN);
	put32(bytes, 0x9000);
	put32(bytes + 4, 1);          /* can't be unwound */
	put32(bytes + 8, 0x80009000); /* how to unwind */
	map = map_of(DCD_REGION_EXIDX, 0x10);
	predict(&map, bytes, NULL);
	assert_int_equal(dcd_le32_get(bytes), 0x8000 - 0x10);
	assert_int_equal(dcd_le32_get(bytes + 4), 1);
	assert_int_equal(dcd_le32_get(bytes + 8), 0x80009000);
}

static void records_are_counted_from_the_origin_in_units(void **state)
{
	(void)state;
	uint8_t bytes[LEN] = { 0 };
	/* Relocations: r_offset, r_info with the symbol in its upper half, r_addend. The origin is LOW + 0x4000, moved by 0x30.
	 */
	put32(bytes, LOW + 0x9000);
	put32(bytes + 8, 6);
	put32(bytes + 12, 7);
	put32(bytes + 16, LOW + 0x2000);
	struct map_text map = map_of(DCD_REGION_RECORDS, 0);
	predict(&map, bytes, NULL);
	assert_int_equal(dcd_le64_get(bytes), LOW + 0x8000);
	assert_int_equal(dcd_le32_get(bytes + 8), 6);
	/* The symbol moved by 0x40, the table by 0x30: 16 is no multiple of 24, so the index stays. */
	assert_int_equal(dcd_le32_get(bytes + 12), 7);
	assert_int_equal(dcd_le64_get(bytes + 16), LOW + 0x2040);
	put32(bytes + 12, 1000); /* LOW + 0x4000 + 24000: moved by -0x1000 */
	put32(bytes, 0);
	put32(bytes + 16, 0);
	predict(&map, bytes, NULL);
	assert_int_equal(dcd_le32_get(bytes + 12), (1000 * 24 - 0x1000 - 0x30) % 24 == 0 ? (1000 * 24 - 0x1030) / 24 : 1000);
}

static void kernel_tables_count_from_each_field(void **state)
{
	(void)state;
	uint8_t bytes[LEN] = { 0 };
	/* Records of 12 bytes; the third word is no field, whatever it looks like. */
	put32(bytes, 0x2000);
	put32(bytes + 4, 0x9000 - 4);
	put32(bytes + 8, 0x2000 - 8);
	put32(bytes + 12, 0x2000 - 12);
	struct map_text map = map_of(DCD_REGION_RELATIVE, 8);
	predict(&map, bytes, NULL);
	assert_int_equal(dcd_le32_get(bytes), 0x2040 - 8);
	assert_int_equal(dcd_le32_get(bytes + 4), 0x8000 - 4 - 8);
	assert_int_equal(dcd_le32_get(bytes + 8), 0x2000 - 8);
	assert_int_equal(dcd_le32_get(bytes + 12), 0x2040 - 12 - 8);
}

static void numbers_of_24_bits_have_their_highest_byte_first(void **state)
{
	(void)state;
	uint8_t bytes[LEN] = { 0x00, 0x02, 0x01, 0x3f, 0xff, 0xff, 0x00, 0x20, 0x00 };
	struct map_text map = map_of(DCD_REGION_SEQUENCE, 0);
	predict(&map, bytes, NULL);
	/* LOW + 0x800 + 4 * 0x201 moved by 0x40, the origin by 0x10: 0x30 / 4 more. */
	const uint8_t wanted[] = { 0x00, 0x02, 0x0d, 0x3f, 0xff, 0xff };
	assert_memory_equal(bytes, wanted, sizeof wanted);
	assert_int_equal(bytes[6] << 16 | bytes[7] << 8 | bytes[8], 0x2000 - 0x1010 / 4);
}

/* Types of 12 bytes: 1 to 4 pointers to 5, which is an integer of 16 bytes; its name is the string at 1, "int", before "char". */
static size_t btf_base_make(uint8_t *base)
{
	memset(base, 0, 2 * (size_t)LEN);
	for (size_t i = 0; i < 4; i++) {
		put32(base + 12 * i + 4, 2U << 24);
		put32(base + 12 * i + 8, 5);
	}
	put32(base + 48, 1);
	put32(base + 52, 1U << 24);
	put32(base + 56, 4);
	put32(base + 64, 5);
	put32(base + 68, 1U << 24);
	put32(base + 72, 1);
	memcpy(base + 80, "\0int\0char", 10);
	return 80;
}

static int btf_base_read(void *context, uint64_t offset, void *buf, size_t len)
{
	memcpy(buf, (const uint8_t *)context + offset, len);
	return 0;
}

/* The types of the base, twelve more before them in the new image, and all strings ten bytes further. */
static void types_are_renumbered_and_strings_follow_each_other(void **state)
{
	(void)state;
	uint8_t base_bytes[2 * LEN], bytes[LEN], memory[BTF_MEMORY] __attribute__((aligned(16)));
	size_t len = btf_base_make(base_bytes);
	const uint64_t numbers[] = { 1, 1,   0,  0, UINT64_C(1) << 32, 0, 1, 0, 0, len, DCD_REGION_BTF, 0, 0, 10, 6, 3,
				     0, len, 13, 11 };
	struct map_text map = { .len = 0 };
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		put(&map, numbers[i]);
	}
	memcpy(bytes, base_bytes, len);
	struct corrector c = { .bytes = bytes };
	struct dcd_reader base = { btf_base_read, base_bytes, sizeof base_bytes };
	struct dcd_refs refs = { .base = &base, .settle = settle, .context = &c };
	assert_int_equal(dcd_refs_open(&refs, map.data, map.len, LEN, memory, sizeof memory), 0);
	assert_int_equal(dcd_refs_copy(&refs, 0, 0, 0, bytes, len), 0);
	assert_int_equal(c.settled, len);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(dcd_le32_get(bytes + 12 * i + 8), 17); /* the pointers are 13 to 16 now */
	}
	assert_int_equal(dcd_le32_get(bytes + 48), 11); /* the first new string lies where the frame said */
	assert_int_equal(dcd_le32_get(bytes + 64), 15); /* the second behind it */
	assert_int_equal(dcd_le32_get(bytes + 56), 4);
	/* A base without room for them is the wrong one. */
	base.size = len;
	assert_int_equal(dcd_refs_open(&refs, map.data, map.len, LEN, memory, sizeof memory), DCD_ERR_WRONG_BASE);
}

static void a_kernel_in_the_last_gibibytes_has_sign_extended_addresses(void **state)
{
	(void)state;
	const uint64_t low = 0xffffffff81000000, map_values[] = {
		1, 1, 1, low, UINT64_C(0x7f010000), 0x10000, 1, 1, 0, LEN, DCD_REGION_X86_64, 0, 0, 0x1000, dcd_zigzag(0x40)
	};
	struct map_text map = { .len = 0 };
	for (size_t i = 0; i < sizeof map_values / sizeof map_values[0]; i++) {
		put(&map, map_values[i]);
	}
	uint8_t bytes[LEN];
	memset(bytes, 0x11, LEN);
	put32(bytes + 10, 0x81002000);
	put32(bytes + 20, 0x00002000); /* the module goes on at 0, but a small number is no address */
	put32(bytes + 30, 0x80fffff0); /* before the module */
	bytes[40] = 0x8b;              /* mov 0x3000(%rip), as per-processor data are addressed */
	bytes[41] = 0x05;
	put32(bytes + 42, 0x3000 - (low + 46));
	predict(&map, bytes, NULL);
	assert_int_equal(dcd_le32_get(bytes + 10), 0x81002040);
	assert_int_equal(dcd_le32_get(bytes + 20), 0x2000);
	assert_int_equal(dcd_le32_get(bytes + 30), 0x80fffff0);
	assert_int_equal(dcd_le32_get(bytes + 42), (uint32_t)(0x3040 - (low + 46)));
}

static void unwind_entries_find_their_code_and_their_common_entry(void **state)
{
	(void)state;
	uint8_t bytes[LEN] = { 0 };
	put32(bytes, 16); /* a common entry of 20 bytes */
	put32(bytes + 20, 20);
	put32(bytes + 24, 24);
	put32(bytes + 28, 0x2000 - 28);
	struct map_text map = map_of(DCD_REGION_UNWIND, 8);
	predict(&map, bytes, NULL);
	assert_int_equal(dcd_le32_get(bytes + 24), 24); /* both in this copy */
	assert_int_equal(dcd_le32_get(bytes + 28), 0x2040 - 28 - 8);
}

static void jump_tables_point_back_to_code(void **state)
{
	(void)state;
	uint8_t bytes[LEN] = { 0 };
	/* This region ends up at LOW + 0x8000 in old addresses: entries lead back to LOW + 0x2000. */
	struct map_text map = { .len = 0 };
	const uint64_t numbers[] = { 1,
				     1,
				     1,
				     LOW,
				     SPAN,
				     0,
				     1,
				     1,
				     0,
				     LEN,
				     DCD_REGION_JUMPS,
				     dcd_zigzag(0x8000),
				     dcd_zigzag(0x100),
				     0x1000,
				     dcd_zigzag(0x40) };
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		put(&map, numbers[i]);
	}
	put32(bytes, 0x2000U - 0x8000U);
	put32(bytes + 4, 77);
	struct corrector c = { .bytes = bytes };
	struct dcd_refs refs = { .settle = settle, .context = &c };
	size_t size = (size_t)dcd_refs_memory(1, 1, 1, LEN);
	void *memory = malloc(size);
	assert_int_equal(dcd_refs_open(&refs, map.data, map.len, LEN, memory, size), 0);
	assert_int_equal(dcd_refs_copy(&refs, 0, 0, 0, bytes, LEN), 0);
	assert_int_equal(dcd_le32_get(bytes), 0x2040U - 0x8000U - 0x100U);
	assert_int_equal(dcd_le32_get(bytes + 4), 77);
	free(memory);
}

static void a_correction_teaches_the_next_reference_to_the_same_place(void **state)
{
	(void)state;
	uint8_t bytes[LEN] = { 0 }, wanted[LEN] = { 0 };
	put32(bytes, LOW + 0x2000);
	put32(bytes + 8, LOW + 0x2000);
	put32(wanted, LOW + 0x7770); /* not where the map says */
	struct map_text map = map_of(DCD_REGION_POINTERS, 0);
	struct corrector c = { .bytes = bytes, .wanted = wanted };
	struct dcd_refs refs = { .settle = settle, .context = &c };
	size_t size = (size_t)dcd_refs_memory(1, 1, 2, LEN);
	void *memory = malloc(size);
	assert_int_equal(dcd_refs_open(&refs, map.data, map.len, LEN, memory, size), 0);
	assert_int_equal(dcd_refs_copy(&refs, 0, 0, 0, bytes, 8), 0);
	c = (struct corrector){ .bytes = bytes + 8 };
	assert_int_equal(dcd_refs_copy(&refs, 0, 8, 8, bytes + 8, 8), 0);
	assert_int_equal(dcd_le64_get(bytes + 8), LOW + 0x7770);
	dcd_refs_forget(&refs);
	put32(bytes + 8, LOW + 0x2000);
	c = (struct corrector){ .bytes = bytes + 8 };
	assert_int_equal(dcd_refs_copy(&refs, 0, 8, 8, bytes + 8, 8), 0);
	assert_int_equal(dcd_le64_get(bytes + 8), LOW + 0x2040);
	free(memory);
}

static void a_closed_gate_leaves_the_field_as_copied(void **state)
{
	(void)state;
	uint8_t bytes[LEN] = { 0 };
	const uint8_t gate = 1 << DCD_GATE_POINTER;
	put32(bytes, LOW + 0x2000);
	struct map_text map = map_of(DCD_REGION_POINTERS, 0);
	struct corrector c = { .bytes = bytes };
	struct dcd_refs refs = { .gates = &gate, .gate_count = 1, .settle = settle, .context = &c };
	size_t size = (size_t)dcd_refs_memory(1, 1, 2, LEN);
	void *memory = malloc(size);
	assert_int_equal(dcd_refs_open(&refs, map.data, map.len, LEN, memory, size), 0);
	assert_int_equal(dcd_refs_copy(&refs, 0, 0, 0, bytes, LEN), 0);
	assert_int_equal(dcd_le64_get(bytes), LOW + 0x2000);
	free(memory);
}

static int open_map(const uint8_t *data, size_t len, size_t memory_size)
{
	struct dcd_refs refs = { .settle = settle };
	void *memory = malloc(memory_size);
	uint8_t *tight = malloc(len + 1);
	memcpy(tight, data, len);
	int err = dcd_refs_open(&refs, tight, len, LEN, memory, memory_size);
	free(tight);
	free(memory);
	return err;
}

static void maps_that_are_cut_or_lie_are_refused(void **state)
{
	(void)state;
	struct map_text map = map_of(DCD_REGION_RECORDS, 0);
	const size_t memory = (size_t)dcd_refs_memory(1, 1, 2, LEN);
	assert_int_equal(open_map(map.data, map.len, memory), 0);
	assert_int_equal(open_map(map.data, map.len, memory - 1), DCD_ERR_MALFORMED);
	for (size_t len = 0; len < map.len; len++) {
		assert_int_equal(open_map(map.data, len, memory), DCD_ERR_MALFORMED);
	}
	map.data[map.len] = 0;
	assert_int_equal(open_map(map.data, map.len + 1, memory), DCD_ERR_MALFORMED);
	/* Stride and fields, each wrong alone. */
	const size_t first = (size_t)((uint8_t *)memchr(map.data, 24, map.len) - map.data);
	const uint8_t wrong[][2] = { { 0, 0 }, { 0, 22 }, { 1, 0 }, { 1, 1 << 6 } };
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct map_text bad = map_of(DCD_REGION_RECORDS, 0);
		bad.data[first + wrong[i][0]] = wrong[i][1];
		assert_int_equal(open_map(bad.data, bad.len, memory), DCD_ERR_MALFORMED);
	}
	struct map_text newer = map_of(DCD_REGION_KINDS, 0);
	assert_int_equal(open_map(newer.data, newer.len, memory), DCD_ERR_UNSUPPORTED);
}

/* A base of many short types and strings. */
static int noise_read(void *context, uint64_t offset, void *buf, size_t len)
{
	(void)context;
	for (size_t i = 0; i < len; i++) {
		((uint8_t *)buf)[i] = (uint8_t)(((offset + i) * UINT64_C(0x9e3779b97f4a7c15) >> 40) & 0x0f);
	}
	return 0;
}

static void any_damaged_map_over_any_bytes_stays_inside_its_buffers(void **state)
{
	(void)state;
	uint64_t seed = 11;
	for (int round = 0; round < 100000; round++) {
		struct map_text map = map_of((enum dcd_region_kind)(round % DCD_REGION_KINDS), (uint64_t)round);
		for (int n = 0; n < round % 4; n++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
			map.data[(seed >> 33) % map.len] = (uint8_t)(seed >> 20);
		}
		uint8_t *bytes = malloc(LEN);
		for (size_t i = 0; i < LEN; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
			bytes[i] = (uint8_t)(seed >> 56) < 128 ? (uint8_t)(seed >> 40) : (uint8_t)((seed >> 62) == 3 ? 0xe8 : 0);
		}
		struct corrector c = { .bytes = bytes };
		struct dcd_reader base = { noise_read, NULL, 8 * (uint64_t)LEN };
		struct dcd_refs refs = { .base = &base, .settle = settle, .context = &c };
		bool kind_is_btf = round % DCD_REGION_KINDS == DCD_REGION_BTF;
		size_t size = (size_t)dcd_refs_memory(2, 3, 4, LEN) + (kind_is_btf ? BTF_MEMORY : 0);
		void *memory = malloc(size);
		if (dcd_refs_open(&refs, map.data, map.len, LEN, memory, size) == 0) {
			/* In two copies and some bytes between that no copy gave. */
			size_t cut = (seed >> 40) % (LEN - 8);
			assert_int_equal(dcd_refs_copy(&refs, seed >> 60, 0, 0, bytes, cut), 0);
			dcd_refs_extra(&refs, cut, bytes + cut, 3);
			c.settled += 3;
			assert_int_equal(dcd_refs_copy(&refs, seed >> 60, cut + 3, cut + 3, bytes + cut + 3, LEN - cut - 3), 0);
			assert_int_equal(c.settled, LEN);
		}
		free(memory);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pointers_follow_the_map_and_other_words_stay),
		cmocka_unit_test(x86_64_branches_and_operands_are_relative_to_their_new_place),
		cmocka_unit_test(aarch64_branches_and_address_pairs_are_predicted),
		cmocka_unit_test(t32_code_becomes_what_the_assembler_writes),
		cmocka_unit_test(a32_code_becomes_what_the_assembler_writes),
		cmocka_unit_test(riscv_code_becomes_what_the_assembler_writes),
		cmocka_unit_test(a_literal_is_known_in_another_copy_than_its_code),
		cmocka_unit_test(entries_of_a_linkage_table_lead_to_their_slot),
		cmocka_unit_test(words_of_32_bits_are_addresses_symbols_and_unwind_distances),
		cmocka_unit_test(records_are_counted_from_the_origin_in_units),
		cmocka_unit_test(kernel_tables_count_from_each_field),
		cmocka_unit_test(numbers_of_24_bits_have_their_highest_byte_first),
		cmocka_unit_test(types_are_renumbered_and_strings_follow_each_other),
		cmocka_unit_test(a_kernel_in_the_last_gibibytes_has_sign_extended_addresses),
		cmocka_unit_test(unwind_entries_find_their_code_and_their_common_entry),
		cmocka_unit_test(jump_tables_point_back_to_code),
		cmocka_unit_test(a_correction_teaches_the_next_reference_to_the_same_place),
		cmocka_unit_test(a_closed_gate_leaves_the_field_as_copied),
		cmocka_unit_test(maps_that_are_cut_or_lie_are_refused),
		cmocka_unit_test(any_damaged_map_over_any_bytes_stays_inside_its_buffers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
