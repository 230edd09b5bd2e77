/*
 * BTF in kernels, for the encoder: where it is, what its types are called beyond their numbers, and where a segment stands in it.
 */
#ifndef DCD_BSDIFF_DIFF_BTF_TYPES_H
#define DCD_BSDIFF_DIFF_BTF_TYPES_H

#include <stdbool.h>

#include "bsdiff/diff/elf_modules.h"

#define DCD_BTF_HEADER_SIZE 24U

/* Ids are the addresses of a module of their own. */
#define DCD_BTF_SPAN (UINT64_C(1) << 32)

/*
 * Is there a whole BTF, header first, at the begin of `bytes`? Then *ret is the region of its types (offset in `bytes`; neither
 * address nor module set).
 */
bool dcd_btf_describe(const struct dcd_bytes *bytes, struct dcd_elf_region *ret);

/* The first BTF in `bytes`, at any multiple of 4; offsets in `bytes`. */
bool dcd_btf_find(const struct dcd_bytes *bytes, struct dcd_elf_region *ret);

/*
 * Writes a view of the types of `region` over view[0..len), a copy of them: each name is a hash of the string, each id one of
 * what it stands for, so equal types are equal bytes in any order. `image` is what the region's offset is in. 0 or
 * DCD_ERR_NO_MEMORY.
 */
DCD_NODISCARD int dcd_btf_view(const struct dcd_bytes *image, const struct dcd_elf_region *region, uint8_t *view);

/* Where the types of `region` begin and end in a segment, as in struct dcd_ref_btf. */
struct dcd_btf_sync {
	uint32_t first;
	uint32_t end;
	uint32_t id;
	uint32_t next;
};
struct dcd_btf_sync dcd_btf_sync(const struct dcd_bytes *image, const struct dcd_elf_region *region, uint64_t segment_offset,
				 uint32_t segment_len);

#endif
