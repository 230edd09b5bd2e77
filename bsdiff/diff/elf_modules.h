/*
 * Linked ELF files inside an image: where they lie, and which addresses and kinds their bytes have. Found by their headers, at
 * any offset, so it doesn't matter in which container (file system, archive, bare file). A file is taken to lie in one run.
 */
#ifndef DCD_BSDIFF_DIFF_ELF_MODULES_H
#define DCD_BSDIFF_DIFF_ELF_MODULES_H

#include "bsdiff/diff/encode.h"

/* Bytes of one kind with consecutive addresses. */
struct dcd_elf_region {
	uint64_t offset; /* in the image */
	uint64_t len;
	uint64_t va;
	enum dcd_region_kind kind;
	uint32_t module;
	uint64_t origin; /* DCD_REGION_RECORDS, as in struct dcd_ref_region */
	uint32_t stride; /* ... and DCD_REGION_RELATIVE */
	uint32_t fields;
	int32_t scale;
	/* DCD_REGION_BTF: */
	uint32_t strings_len; /* bytes behind the types */
	uint32_t strings;     /* how many */
	uint32_t types;
};

struct dcd_elf_module {
	uint64_t low; /* the first address */
	uint64_t span;
	uint32_t plain; /* as in struct dcd_ref_module */
};

/* Regions in ascending order of offset, without overlap. Zero-initialised is empty. */
struct dcd_elf_modules {
	struct dcd_elf_module *modules;
	size_t count;
	size_t capacity;
	struct dcd_elf_region *regions;
	size_t region_count;
	size_t region_capacity;
};

/*
 * Finds all little-endian 64-bit x86-64 and AArch64 executables and shared objects, and bare arm64 kernels. Nothing in the image
 * is trusted.
 */
DCD_NODISCARD int dcd_elf_modules_find(const struct dcd_bytes *image, struct dcd_elf_modules *ret);
void dcd_elf_modules_free(struct dcd_elf_modules *modules);

/* For what finds modules: adds one, with its number; and a region of it, behind all others (or nothing happens). */
DCD_NODISCARD int dcd_elf_modules_add(struct dcd_elf_modules *modules, const struct dcd_elf_module *module, uint32_t *ret_index);
DCD_NODISCARD int dcd_elf_modules_add_region(struct dcd_elf_modules *modules, const struct dcd_elf_region *region);

/* The region that holds the byte at `offset`, or else the first one behind it, or else null. */
const struct dcd_elf_region *dcd_elf_modules_at(const struct dcd_elf_modules *modules, uint64_t offset);

#endif
