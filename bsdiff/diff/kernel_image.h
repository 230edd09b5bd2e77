/*
 * A bare arm64 kernel (`Image`; Linux: Documentation/arm64/booting.rst): code, data and tables in one piece, with 64 bytes of
 * header but no description of its parts. They are told apart by what they look like.
 */
#ifndef DCD_BSDIFF_DIFF_KERNEL_IMAGE_H
#define DCD_BSDIFF_DIFF_KERNEL_IMAGE_H

#include <stdbool.h>

#include "bsdiff/diff/elf_modules.h"

/* The first one that begins at `from` or behind it. */
bool dcd_kernel_image_find(const struct dcd_bytes *image, uint64_t from, uint64_t *ret_offset);

/* Adds the modules and regions of the kernel at `offset`; *ret_end is where it ends. */
DCD_NODISCARD int dcd_kernel_image_add(struct dcd_elf_modules *modules, const struct dcd_bytes *image, uint64_t offset,
				       uint64_t *ret_end);

#endif
