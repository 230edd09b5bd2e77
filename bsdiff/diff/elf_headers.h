/* The headers of an ELF file, of either class, little-endian (System V ABI). Nothing in the file is trusted. */
#ifndef DCD_BSDIFF_DIFF_ELF_HEADERS_H
#define DCD_BSDIFF_DIFF_ELF_HEADERS_H

#include <stdbool.h>
#include <stdint.h>

#include "bsdiff/diff/encode.h"

enum {
	DCD_ELF_HEADER_MIN = 52, /* bytes */
	DCD_ELF_TYPE_EXEC = 2,
	DCD_ELF_TYPE_DYN = 3,
	DCD_ELF_MACHINE_ARM = 40,
	DCD_ELF_MACHINE_X86_64 = 62,
	DCD_ELF_MACHINE_AARCH64 = 183,
	DCD_ELF_MACHINE_RISCV = 243,
	DCD_ELF_PT_LOAD = 1,
	DCD_ELF_PF_X = 1,
	DCD_ELF_SHT_PROGBITS = 1,
	DCD_ELF_SHT_RELA = 4,
	DCD_ELF_SHT_HASH = 5,
	DCD_ELF_SHT_NOBITS = 8,
	DCD_ELF_SHT_REL = 9,
	DCD_ELF_SHT_DYNSYM = 11,
	DCD_ELF_SHF_WRITE = 1,
	DCD_ELF_SHF_ALLOC = 2,
	DCD_ELF_SHF_EXECINSTR = 4,
	DCD_ELF_SHF_TLS = 0x400,
};
#define DCD_ELF_SHT_GNU_HASH UINT32_C(0x6ffffff6)
#define DCD_ELF_SHT_ARM_EXIDX UINT32_C(0x70000001)
#define DCD_ELF_PT_EH_FRAME UINT32_C(0x6474e550)

/* The two tables lie inside the bytes. */
struct dcd_elf_header {
	struct dcd_bytes file; /* from the header to the end of what was given */
	bool wide;             /* 64-bit */
	unsigned type;
	unsigned machine;
	uint64_t segments_at; /* bytes from the header */
	unsigned segment_count;
	uint64_t sections_at; /* 0 with section_count 0: none to be read */
	unsigned section_count;
	unsigned names; /* section of the sections' names */
};

struct dcd_elf_segment {
	uint32_t type;
	uint32_t flags;
	uint64_t offset;
	uint64_t va;
	uint64_t file_len;
	uint64_t memory_len;
};

struct dcd_elf_section {
	uint32_t name;
	uint32_t type;
	uint64_t flags;
	uint64_t va;
	uint64_t offset;
	uint64_t len;
	uint32_t link;
};

/* True when a little-endian file with a table of 64 segments at most begins with `bytes`. */
bool dcd_elf_header_read(const struct dcd_bytes *bytes, struct dcd_elf_header *ret);

/* `index` is below the count. */
struct dcd_elf_segment dcd_elf_segment_read(const struct dcd_elf_header *header, unsigned index);
struct dcd_elf_section dcd_elf_section_read(const struct dcd_elf_header *header, unsigned index);

/* Bytes from the header to the end of the table of sections. */
uint64_t dcd_elf_sections_end(const struct dcd_elf_header *header);

#endif
