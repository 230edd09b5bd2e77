#include "tests/unit/machine_fixture.h"

#include <stdbool.h>
#include <string.h>

#include "base/le.h"
#include "bsdiff/diff/elf_headers.h"

#define CODE 0x400U /* where the code begins in the file */
#define FUNCTION 64U
#define SECTIONS_MAX 16U
#define KERNEL_BASE UINT64_C(0xffffffff81000000)
#define KERNEL_TYPES 1200U

struct section {
	const char *name;
	uint32_t type;
	uint32_t flags;
	uint32_t at;
	uint32_t len;
	uint32_t link;
};

/* A file in the making. File offsets are addresses, but for `base`. */
struct program {
	uint8_t *out;
	size_t at;
	uint64_t base;
	enum machine machine;
	bool wide;
	unsigned functions;
	unsigned grown;
	bool later; /* the build that has grown */
	uint32_t place[MACHINE_FUNCTIONS_MAX];
	struct section sections[SECTIONS_MAX];
	uint32_t count; /* the first is the empty one */
	uint32_t unwind_table;
};

static void put32(struct program *p, uint64_t value)
{
	dcd_le32_put(p->out + p->at, (uint32_t)value);
	p->at += 4;
}

/* An address or a length of the file's class. */
static void put_word(struct program *p, uint64_t value)
{
	put32(p, value);
	if (p->wide) {
		put32(p, value >> 32);
	}
}

static uint32_t section_begin(struct program *p, const char *name, uint32_t type, uint32_t flags, uint32_t link)
{
	p->at = (p->at + 15) / 16 * 16;
	p->sections[p->count] = (struct section){ name, type, flags, (uint32_t)p->at, 0, link };
	return p->count++;
}

static void section_end(struct program *p)
{
	struct section *section = &p->sections[p->count - 1];
	section->len = (uint32_t)p->at - section->at;
}

/* The same number for the same thing in each build. */
static uint32_t mix_of(uint32_t number)
{
	number = (number + 1) * 2654435761U;
	return number ^ number >> 15;
}

static uint32_t call_riscv(uint32_t distance)
{
	return 0xefU | (distance >> 20 & 1) << 31 | (distance >> 1 & 0x3ff) << 21 | (distance >> 11 & 1) << 20 |
	       (distance >> 12 & 0xff) << 12;
}

static uint32_t call_t32(uint32_t distance)
{
	uint32_t sign = distance >> 24 & 1, j1 = (distance >> 23 & 1) ^ sign ^ 1, j2 = (distance >> 22 & 1) ^ sign ^ 1;
	uint32_t high = 0xf000U | sign << 10 | (distance >> 12 & 0x3ff);
	uint32_t low = 0xd000U | j1 << 13 | j2 << 11 | (distance >> 1 & 0x7ff);
	return high | low << 16;
}

/* A call at p->at of the function at `callee`, and an instruction that refers to nothing. */
static void call_put(struct program *p, uint32_t callee, uint32_t mix)
{
	uint32_t distance = callee - (uint32_t)p->at;
	switch (p->machine) {
	case MACHINE_AARCH64:
		put32(p, 0x94000000U | (distance >> 2 & 0x3ffffff));
		put32(p, 0xd2800000U | (mix & 0xffff) << 5);
		break;
	case MACHINE_A32:
		put32(p, 0xeb000000U | ((distance - 8) >> 2 & 0xffffff));
		put32(p, 0xe3a00000U | (mix & 0xfff));
		break;
	case MACHINE_T32:
		put32(p, call_t32(distance - 4));
		put32(p, 0x21002000U | (mix & 0xff) | (mix & 0xff00) << 8);
		break;
	case MACHINE_RISCV:
		put32(p, call_riscv(distance));
		put32(p, 0x513U | mix << 20);
		break;
	default:
		p->out[p->at++] = 0xe8;
		put32(p, distance - 5);
		memcpy(p->out + p->at, (const uint8_t[]){ 0x48, 0xc7, (uint8_t)mix }, 3);
		p->at += 3;
	}
}

static void code_write(struct program *p)
{
	p->at = CODE;
	section_begin(p, ".text", DCD_ELF_SHT_PROGBITS, DCD_ELF_SHF_ALLOC | DCD_ELF_SHF_EXECINSTR, 0);
	for (unsigned f = 0; f < p->functions; f++) {
		while (p->at < p->place[f]) {
			p->out[p->at++] = 0x90;
		}
		for (uint32_t i = 0; i < FUNCTION / 8; i++) {
			uint32_t mix = mix_of(f * 8 + i);
			call_put(p, p->place[(mix >> 8) % p->functions], mix);
		}
	}
	section_end(p);
}

/* Distances from the table to code before it. */
static void jumps_write(struct program *p)
{
	section_begin(p, ".rodata", DCD_ELF_SHT_PROGBITS, DCD_ELF_SHF_ALLOC, 0);
	uint32_t table = (uint32_t)p->at;
	for (unsigned f = 0; f < p->functions; f++) {
		put32(p, p->place[mix_of(f) % p->functions] - table);
	}
	section_end(p);
}

static void unwind_write(struct program *p)
{
	static const uint8_t cie[16] = { 12, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 0x1b };
	section_begin(p, ".eh_frame", DCD_ELF_SHT_PROGBITS, DCD_ELF_SHF_ALLOC, 0);
	uint32_t frame = (uint32_t)p->at;
	memcpy(p->out + p->at, cie, sizeof cie);
	p->at += sizeof cie;
	for (unsigned f = 0; f < p->functions; f++) {
		put32(p, 12);
		put32(p, (uint32_t)p->at - frame);
		put32(p, p->place[f] - (uint32_t)p->at);
		put32(p, FUNCTION);
	}
	put32(p, 0);
	section_end(p);
	section_begin(p, ".eh_frame_hdr", DCD_ELF_SHT_PROGBITS, DCD_ELF_SHF_ALLOC, 0);
	p->unwind_table = (uint32_t)p->at;
	put32(p, 0x3b031b01);
	put32(p, frame - (uint32_t)p->at);
	put32(p, p->functions);
	for (unsigned f = 0; f < p->functions; f++) {
		put32(p, p->place[f] - p->unwind_table);
		put32(p, frame + 16 + 16 * f - p->unwind_table);
	}
	section_end(p);
}

/* Symbols, their names, and relocations that count them. */
static void symbols_write(struct program *p)
{
	uint32_t names = p->count + 1, symbols = section_begin(p, ".dynsym", DCD_ELF_SHT_DYNSYM, DCD_ELF_SHF_ALLOC, names);
	for (unsigned f = 0; f < p->functions; f++) {
		put32(p, 8 * f + (p->later && f >= p->grown ? 8 : 0));
		if (p->wide) {
			put32(p, 0xc0012);
		}
		put_word(p, p->place[f]);
		put_word(p, FUNCTION);
		if (!p->wide) {
			put32(p, 0xc0012);
		}
	}
	section_end(p);
	section_begin(p, ".dynstr", DCD_ELF_SHT_PROGBITS, DCD_ELF_SHF_ALLOC, 0);
	for (unsigned f = 0; f < p->functions + p->later; f++) {
		put32(p, 0x61616161U + (mix_of(f) & 0x0f0f0f0f));
		put32(p, 0x00616161U + (mix_of(f + 7777) & 0x0f0f0f));
	}
	section_end(p);
	section_begin(p, ".rel", p->wide ? DCD_ELF_SHT_RELA : DCD_ELF_SHT_REL, DCD_ELF_SHF_ALLOC, symbols);
	for (unsigned f = 0; f < p->functions; f++) {
		uint32_t symbol = f + (p->later && f >= p->grown);
		put_word(p, p->place[f] + 8);
		put_word(p, p->wide ? (uint64_t)symbol << 32 | 7 : symbol << 8 | 21);
		if (p->wide) {
			put_word(p, 0);
		}
	}
	section_end(p);
}

static void pointers_write(struct program *p)
{
	section_begin(p, ".data", DCD_ELF_SHT_PROGBITS, DCD_ELF_SHF_ALLOC | DCD_ELF_SHF_WRITE, 0);
	for (unsigned f = 0; f < p->functions; f++) {
		put_word(p, p->base + p->place[mix_of(f + 99) % p->functions]);
	}
	section_end(p);
}

/* 32-bit ARM's unwind index. */
static void index_write(struct program *p)
{
	section_begin(p, ".ARM.exidx", DCD_ELF_SHT_ARM_EXIDX, DCD_ELF_SHF_ALLOC, 0);
	for (unsigned f = 0; f < p->functions; f++) {
		put32(p, (p->place[f] - (uint32_t)p->at) & 0x7fffffff);
		put32(p, 0x80b0b0b0);
	}
	section_end(p);
}

/*
 * The symbol table of kernels: offsets (100 absolute, then from the base downwards), names, and the symbols' numbers in the order
 * of their names. The later build has a symbol more.
 */
static void kernel_symbols_write(struct program *p)
{
	unsigned symbols = p->functions + p->later, grown = p->later ? p->grown : p->functions;
	section_begin(p, ".rodata", DCD_ELF_SHT_PROGBITS, DCD_ELF_SHF_ALLOC, 0);
	for (unsigned i = 0; i < 1024; i++) {
		put32(p, i % 2 == 0 ? 0x7fff0000U : 1);
	}
	for (unsigned i = 0; i < symbols; i++) {
		put32(p, i < 100 ? 8 * i + 2 : i == grown ? 0U - 1 - (p->place[i] - 8) : 0U - 1 - p->place[i - (i > grown)]);
	}
	p->at = (p->at + 7) / 8 * 8;
	put32(p, KERNEL_BASE & UINT32_MAX);
	put32(p, KERNEL_BASE >> 32);
	put32(p, symbols);
	put32(p, 0);
	for (unsigned i = 0; i < symbols; i++) {
		p->out[p->at++] = 1;
		p->out[p->at++] = (uint8_t)('a' + (i - (i > grown)) % 26);
	}
	p->at = (p->at + 7) / 8 * 8;
	for (unsigned i = 0; i < (symbols + 255) / 256; i++) {
		put32(p, 512 * i);
	}
	p->at = (p->at + 7) / 8 * 8;
	for (unsigned i = 0; i < symbols; i++) {
		unsigned symbol = i == p->functions ? grown : mix_of(i) % p->functions;
		symbol += i < p->functions && symbol >= grown;
		memcpy(p->out + p->at, (const uint8_t[]){ 0, (uint8_t)(symbol >> 8), (uint8_t)symbol }, 3);
		p->at += 3;
	}
	p->at += 64;
	section_end(p);
}

/* Pointers to other types, in BTF. */
static void kernel_types_write(struct program *p)
{
	uint32_t types = KERNEL_TYPES + p->later;
	section_begin(p, ".BTF", DCD_ELF_SHT_PROGBITS, DCD_ELF_SHF_ALLOC, 0);
	const uint32_t head[] = { 0x0001eb9f, 24, 0, 12 * types, 12 * types, 13 };
	for (size_t i = 0; i < 6; i++) {
		put32(p, head[i]);
	}
	for (uint32_t i = 0; i < types; i++) {
		uint32_t other = mix_of(i - (p->later && i > p->grown)) % KERNEL_TYPES;
		put32(p, i % 3 * 4 + 1);
		put32(p, 2U << 24);
		put32(p, 1 + other + (p->later && other >= p->grown));
	}
	memcpy(p->out + p->at, "\0abc\0def\0ghi", 13);
	p->at += 13;
	section_end(p);
}

static void kernel_tables_write(struct program *p)
{
	section_begin(p, "__ex_table", DCD_ELF_SHT_PROGBITS, DCD_ELF_SHF_ALLOC, 0);
	for (unsigned f = 0; f < p->functions; f++) {
		put32(p, p->place[f] + 8 - (uint32_t)p->at);
		put32(p, p->place[mix_of(f) % p->functions] - (uint32_t)p->at);
		put32(p, 3);
	}
	section_end(p);
	kernel_symbols_write(p);
	kernel_types_write(p);
}

static void program_header(struct program *p, uint32_t type, uint32_t flags, uint32_t at, uint32_t len)
{
	put32(p, type);
	if (p->wide) {
		put32(p, flags);
	}
	put_word(p, at);
	put_word(p, p->base + at);
	put_word(p, p->base + at);
	put_word(p, len);
	put_word(p, len);
	if (!p->wide) {
		put32(p, flags);
	}
	put_word(p, 16);
}

/* The sections' names and headers, at the end. */
static uint32_t sections_write(struct program *p)
{
	uint32_t names[SECTIONS_MAX] = { 0 };
	section_begin(p, ".shstrtab", 3, 0, 0);
	p->out[p->at++] = 0;
	for (uint32_t i = 1; i < p->count; i++) {
		size_t len = strlen(p->sections[i].name) + 1;
		names[i] = (uint32_t)p->at - p->sections[p->count - 1].at;
		memcpy(p->out + p->at, p->sections[i].name, len);
		p->at += len;
	}
	section_end(p);
	p->at = (p->at + 15) / 16 * 16;
	uint32_t at = (uint32_t)p->at;
	for (uint32_t i = 0; i < p->count; i++) {
		const struct section *s = &p->sections[i];
		put32(p, names[i]);
		put32(p, s->type);
		put_word(p, s->flags);
		put_word(p, (s->flags & DCD_ELF_SHF_ALLOC) != 0 ? p->base + s->at : 0);
		put_word(p, s->at);
		put_word(p, s->len);
		put32(p, s->link);
		put32(p, 0);
		put_word(p, 16);
		put_word(p, 0);
	}
	return at;
}

static void file_header(struct program *p, uint32_t sections_at, uint32_t end)
{
	static const uint16_t machines[MACHINE_COUNT] = {
		DCD_ELF_MACHINE_X86_64, DCD_ELF_MACHINE_AARCH64, DCD_ELF_MACHINE_ARM,
		DCD_ELF_MACHINE_ARM,    DCD_ELF_MACHINE_RISCV,   DCD_ELF_MACHINE_X86_64
	};
	const uint16_t header = p->wide ? 64 : 52, segments = p->unwind_table != 0 ? 2 : 1;
	memcpy(p->out, p->wide ? "\177ELF\2\1\1" : "\177ELF\1\1\1", 7);
	p->at = 16;
	put32(p, DCD_ELF_TYPE_DYN | (uint32_t)machines[p->machine] << 16);
	put32(p, 1);
	put_word(p, p->base + CODE);
	put_word(p, header);
	put_word(p, sections_at);
	put32(p, 0);
	const uint16_t sizes[] = {
		header, p->wide ? 56 : 32, segments, p->wide ? 64 : 40, (uint16_t)p->count, (uint16_t)(p->count - 1)
	};
	for (size_t i = 0; i < 6; i++) {
		dcd_le16_put(p->out + p->at, sizes[i]);
		p->at += 2;
	}
	program_header(p, DCD_ELF_PT_LOAD, 5, 0, end);
	if (segments == 2) {
		program_header(p, DCD_ELF_PT_EH_FRAME, 4, p->unwind_table, 12 + 8 * p->functions);
	}
}

size_t machine_program_make(uint8_t *out, enum machine machine, unsigned functions, unsigned grown, unsigned growth)
{
	struct program p = {
		.out = out, .machine = machine, .functions = functions, .grown = grown, .later = growth > 0, .count = 1
	};
	p.wide = machine != MACHINE_A32 && machine != MACHINE_T32;
	p.base = machine == MACHINE_KERNEL ? KERNEL_BASE : 0;
	memset(out, 0, MACHINE_PROGRAM_MAX);
	for (unsigned f = 0; f < functions; f++) {
		p.place[f] = CODE + FUNCTION * f + (f >= grown ? growth : 0);
	}
	code_write(&p);
	if (machine == MACHINE_KERNEL) {
		kernel_tables_write(&p);
	} else if (p.wide) {
		jumps_write(&p);
		unwind_write(&p);
		symbols_write(&p);
	} else {
		index_write(&p);
		symbols_write(&p);
	}
	pointers_write(&p);
	uint32_t end = (uint32_t)p.at, sections_at = sections_write(&p);
	size_t len = p.at;
	file_header(&p, sections_at, end);
	return len;
}
