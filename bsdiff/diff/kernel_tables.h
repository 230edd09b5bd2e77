/*
 * What is known of the insides of Linux kernels: their tables of distances and counted offsets, which no ELF header describes.
 * Everything here is a guess from names and content; a wrong one costs bytes, nothing else.
 */
#ifndef DCD_BSDIFF_DIFF_KERNEL_TABLES_H
#define DCD_BSDIFF_DIFF_KERNEL_TABLES_H

#include <stdbool.h>

#include "bsdiff/diff/elf_modules.h"

/* Is this the module of a kernel: linked into the last 2 GiB (x86-64), or anywhere in the upper half (AArch64)? */
static inline bool dcd_kernel_module(const struct dcd_elf_module *module)
{
	return module->low >> 63 != 0;
}

/*
 * Describes the table that a kernel keeps in the section of this name (a string of at most `max` bytes): region->kind, stride and
 * fields; or makes its length 0, when nothing in it is a reference. False for other sections.
 */
bool dcd_kernel_table_describe(const char *name, size_t max, struct dcd_elf_region *region);

/*
 * The symbol table (kallsyms): what it consists of, in ascending order of offset in the bytes that were searched. Its names and
 * tokens are in none of the regions.
 */
#define DCD_KERNEL_SYMBOL_REGIONS 3
struct dcd_kernel_symbols {
	struct dcd_elf_region regions[DCD_KERNEL_SYMBOL_REGIONS]; /* their modules are not set */
	size_t count;
	uint64_t base_at; /* where the word is that the array of addresses, the first region, counts from */
	uint64_t end;     /* behind its names */
};

/* Finds it in `bytes`, read-only data of a kernel; `va` is the address of the first byte. */
bool dcd_kernel_symbols_find(const struct dcd_bytes *bytes, uint64_t va, struct dcd_kernel_symbols *ret);

/* The word at `va` is 0 and is set when the kernel starts: to what, says its relocation, which is somewhere in `bytes`. 0: no. */
uint64_t dcd_kernel_relocated_word(const struct dcd_bytes *bytes, uint64_t va);

/*
 * The length of the table of 32-bit addresses of what needs relocation, which x86 appends to vmlinux; 0: `bytes` don't begin with
 * one.
 */
uint64_t dcd_kernel_relocations_length(const struct dcd_bytes *bytes, const struct dcd_elf_module *module);

#endif
