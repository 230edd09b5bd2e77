#include "bsdiff/diff/elf_modules.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "bsdiff/diff/btf_types.h"
#include "bsdiff/diff/elf_headers.h"
#include "bsdiff/diff/kernel_image.h"
#include "bsdiff/diff/kernel_tables.h"
#include "bsdiff/diff/magic_find.h"

#define ELF_SPAN_MAX (UINT64_C(1) << 32)
#define ELF_PLAIN_MIN 0x10000 /* below it, addresses are numbers more often */

/* One file in being read. */
struct elf_file {
	struct dcd_elf_header header;
	uint64_t offset; /* in the image */
	uint32_t module;
	uint64_t unwind_va; /* .eh_frame and .eh_frame_hdr; 0: none */
	uint64_t table_va;
	uint64_t end;         /* how much of the file its headers name, bytes */
	const uint8_t *names; /* of sections, the last one ended by a NUL; null: none */
	uint64_t names_len;
};

static int grow(void **items, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity) {
		return 0;
	}
	size_t more = *capacity == 0 ? 64 : 2 * *capacity;
	void *grown = reallocarray(*items, more, size);
	if (grown == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	*items = grown;
	*capacity = more;
	return 0;
}

int dcd_elf_modules_add(struct dcd_elf_modules *modules, const struct dcd_elf_module *module, uint32_t *ret_index)
{
	int err = grow((void **)&modules->modules, modules->count, &modules->capacity, sizeof *modules->modules);
	if (err == 0) {
		*ret_index = (uint32_t)modules->count;
		modules->modules[modules->count++] = *module;
	}
	return err;
}

/* A region joins the one before when nothing but padding is between them. */
int dcd_elf_modules_add_region(struct dcd_elf_modules *m, const struct dcd_elf_region *region)
{
	struct dcd_elf_region *last = m->region_count > 0 ? &m->regions[m->region_count - 1] : NULL;
	if (region->len == 0 || (last != NULL && region->offset < last->offset + last->len)) {
		return 0;
	}
	bool plain =
		region->kind <= DCD_REGION_AARCH64 || region->kind == DCD_REGION_JUMPS || region->kind == DCD_REGION_POINTERS32;
	if (last != NULL && last->module == region->module && last->kind == region->kind && plain &&
	    last->va - last->offset == region->va - region->offset) {
		last->len = region->offset + region->len - last->offset;
		return 0;
	}
	int err = grow((void **)&m->regions, m->region_count, &m->region_capacity, sizeof *m->regions);
	if (err == 0) {
		m->regions[m->region_count++] = *region;
	}
	return err;
}

/* Adds what lies at `offset` of the file, if that is behind all that was added before. */
static int region_add(struct dcd_elf_modules *m, struct elf_file *file, uint64_t offset, struct dcd_elf_region region)
{
	if (region.len == 0 || !dcd_range_inside(offset, region.len, file->header.file.len) || offset < file->end) {
		return 0;
	}
	file->end = offset + region.len;
	region.offset = file->offset + offset;
	region.module = region.kind == DCD_REGION_BTF ? region.module : file->module;
	return dcd_elf_modules_add_region(m, &region);
}

/* In how many bytes from `low` on may a 32-bit field lie that is an address? `negative_end` ends the last 2 GiB, if any. */
static uint32_t plain_length(int64_t low, int64_t high, int64_t negative_end)
{
	if (low >= INT32_MIN && low < 0) {
		return (uint32_t)(negative_end - low);
	}
	return low >= ELF_PLAIN_MIN && high <= UINT32_MAX ? (uint32_t)(high - low) : 0;
}

/* The address range of the loaded segments, and the unwind tables. */
static bool segments_survey(struct elf_file *file, struct dcd_elf_module *ret)
{
	/* Signed: a kernel's addresses are negative, but its per-processor data begin at 0. */
	int64_t low = INT64_MAX, high = INT64_MIN, negative_end = INT64_MIN;
	for (unsigned i = 0; i < file->header.segment_count; i++) {
		struct dcd_elf_segment s = dcd_elf_segment_read(&file->header, i);
		if (s.type == DCD_ELF_PT_LOAD) {
			int64_t va = (int64_t)s.va;
			if (s.memory_len > ELF_SPAN_MAX || va > INT64_MAX - (int64_t)ELF_SPAN_MAX ||
			    !dcd_range_inside(s.offset, s.file_len, file->header.file.len)) {
				return false;
			}
			int64_t end = va + (int64_t)s.memory_len;
			low = va < low ? va : low;
			high = end > high ? end : high;
			negative_end = end < 0 && end > negative_end ? end : negative_end;
		}
		if (s.type == DCD_ELF_PT_EH_FRAME && s.file_len >= 12 &&
		    dcd_range_inside(s.offset, s.file_len, file->header.file.len)) {
			const uint8_t *head = file->header.file.data + s.offset;
			/* Version 1, pc-relative 32-bit pointer to .eh_frame, table of 32-bit offsets from here. */
			if (head[0] == 1 && head[1] == 0x1b && head[3] == 0x3b) {
				file->table_va = s.va;
				file->unwind_va = s.va + 4 + (uint64_t)(int64_t)(int32_t)dcd_le32_get(head + 4);
			}
		}
	}
	if (low >= high || (uint64_t)high - (uint64_t)low > ELF_SPAN_MAX) {
		return false;
	}
	*ret = (struct dcd_elf_module){ (uint64_t)low, (uint64_t)high - (uint64_t)low, plain_length(low, high, negative_end) };
	return true;
}

/* Thread-local zeros have addresses of their own, which may lie beyond the module's end. */
static bool section_is_tbss(const struct dcd_elf_section *section)
{
	return section->type == DCD_ELF_SHT_NOBITS && (section->flags & DCD_ELF_SHF_TLS) != 0;
}

/* A32 or T32? Nearly each instruction of A32 is unconditional: its word begins with 0xe. */
static enum dcd_region_kind arm_code(const uint8_t *bytes, uint64_t len)
{
	uint64_t unconditional = 0;
	for (uint64_t at = 3; at < len; at += 4) {
		unconditional += bytes[at] >> 4 == 14;
	}
	return unconditional > len / 8 ? DCD_REGION_A32 : DCD_REGION_T32;
}

static enum dcd_region_kind code_kind(const struct elf_file *file, uint64_t offset, uint64_t len)
{
	switch (file->header.machine) {
	case DCD_ELF_MACHINE_X86_64:
		return DCD_REGION_X86_64;
	case DCD_ELF_MACHINE_AARCH64:
		return DCD_REGION_AARCH64;
	case DCD_ELF_MACHINE_RISCV:
		return DCD_REGION_RISCV;
	default:
		return dcd_range_inside(offset, len, file->header.file.len) ? arm_code(file->header.file.data + offset, len)
									    : DCD_REGION_T32;
	}
}

static enum dcd_region_kind data_kind(const struct elf_file *file)
{
	return file->header.wide ? DCD_REGION_POINTERS : DCD_REGION_POINTERS32;
}

static struct dcd_elf_region region_of(const struct elf_file *file, uint64_t va, uint64_t offset, uint64_t len, bool executable)
{
	struct dcd_elf_region region = { .va = va,
					 .len = len,
					 .kind = executable ? code_kind(file, offset, len) : data_kind(file) };
	if (va == file->unwind_va && va != 0) {
		region.kind = DCD_REGION_UNWIND;
	}
	if (va == file->table_va && va != 0) {
		region.kind = DCD_REGION_RECORDS;
		region.origin = va;
		region.stride = 4;
		region.fields = 1;
		region.scale = 1;
	}
	return region;
}

/* True when the table describes sections of this module. In a fragmented file something else lies where it should be. */
static bool sections_plausible(const struct elf_file *file, const struct dcd_elf_module *module)
{
	for (unsigned i = 0; i < file->header.section_count; i++) {
		struct dcd_elf_section section = dcd_elf_section_read(&file->header, i);
		if (i == 0 ? section.type != 0
			   : (section.flags & DCD_ELF_SHF_ALLOC) != 0 && !section_is_tbss(&section) &&
				     !dcd_range_inside(section.va - module->low, section.len, module->span)) {
			return false;
		}
	}
	return true;
}

/* Tables of records that count symbols, or bytes of the string table: both in the section that `link` names. */
static void records_describe(struct dcd_elf_region *region, uint32_t type, uint64_t origin)
{
	const uint32_t symbol_size = 24, rela_size = 24;
	region->kind = DCD_REGION_RECORDS;
	region->origin = origin;
	region->scale = (int32_t)symbol_size;
	region->stride = 4;
	region->fields = 1;
	if (type == DCD_ELF_SHT_RELA) {
		region->stride = rela_size;
		region->fields = 1U << 3; /* the upper half of r_info */
	} else if (type == DCD_ELF_SHT_DYNSYM) {
		region->stride = symbol_size;
		region->scale = 1;
	}
}

/* The same of 32-bit files. */
static void records32_describe(struct dcd_elf_region *region, uint32_t type, uint64_t origin)
{
	const uint32_t symbol_size = 16;
	region->kind = DCD_REGION_RECORDS32;
	region->origin = origin;
	region->scale = (int32_t)symbol_size;
	region->stride = 4;
	region->fields = 1;
	if (type == DCD_ELF_SHT_REL) {
		region->stride = DCD_RECORD_REL;
		region->fields = 1U << 1 | 1U << DCD_RECORD_POINTERS; /* r_info; r_offset */
	} else if (type == DCD_ELF_SHT_DYNSYM) {
		region->stride = symbol_size;
		region->scale = 1;
		region->fields = 1 | 1U << (DCD_RECORD_POINTERS + 1); /* st_name; st_value */
	}
}

static bool counts_symbols(const struct elf_file *file, uint32_t type)
{
	return type == DCD_ELF_SHT_DYNSYM || type == DCD_ELF_SHT_HASH || type == DCD_ELF_SHT_GNU_HASH ||
	       type == (file->header.wide ? DCD_ELF_SHT_RELA : DCD_ELF_SHT_REL);
}

static bool section_describe(const struct elf_file *file, const struct dcd_elf_section *section, struct dcd_elf_region *ret)
{
	if ((section->flags & DCD_ELF_SHF_ALLOC) == 0 || section->type == DCD_ELF_SHT_NOBITS) {
		return false;
	}
	bool executable = (section->flags & DCD_ELF_SHF_EXECINSTR) != 0;
	*ret = region_of(file, section->va, section->offset, section->len, executable);
	if (counts_symbols(file, section->type) && section->link > 0 && section->link < file->header.section_count) {
		uint64_t origin = dcd_elf_section_read(&file->header, section->link).va;
		(file->header.wide ? records_describe : records32_describe)(ret, section->type, origin);
	} else if (section->type == DCD_ELF_SHT_PROGBITS && !executable && (section->flags & DCD_ELF_SHF_WRITE) == 0 &&
		   ret->kind == DCD_REGION_POINTERS && file->header.machine != DCD_ELF_MACHINE_AARCH64) {
		ret->kind = DCD_REGION_JUMPS;
	} else if (section->type == DCD_ELF_SHT_ARM_EXIDX && file->header.machine == DCD_ELF_MACHINE_ARM) {
		ret->kind = DCD_REGION_EXIDX;
	}
	return true;
}

/* A kernel's data section at `offset`: the parts of the symbol table in it are regions of their own. */
static int kernel_data_add(struct dcd_elf_modules *m, struct elf_file *file, uint64_t offset, struct dcd_elf_region region)
{
	struct dcd_kernel_symbols symbols;
	region.kind = DCD_REGION_JUMPS;
	if (!dcd_range_inside(offset, region.len, file->header.file.len)) {
		return 0;
	}
	const struct dcd_bytes bytes = { file->header.file.data + offset, region.len };
	if (!dcd_kernel_symbols_find(&bytes, region.va, &symbols)) {
		return region_add(m, file, offset, region);
	}
	struct dcd_elf_region rest = region;
	rest.va += symbols.end;
	rest.len -= symbols.end;
	region.len = symbols.regions[0].offset;
	int err = region_add(m, file, offset, region);
	for (size_t i = 0; err == 0 && i < symbols.count; i++) {
		err = region_add(m, file, offset + symbols.regions[i].offset, symbols.regions[i]);
	}
	return err != 0 ? err : region_add(m, file, offset + symbols.end, rest);
}

/* A kernel's types, header first, at `offset`. */
static int kernel_types_add(struct dcd_elf_modules *m, struct elf_file *file, uint64_t offset, struct dcd_elf_region types)
{
	const struct dcd_elf_module module = { .low = 0, .span = DCD_BTF_SPAN };
	int err = dcd_elf_modules_add(m, &module, &types.module);
	return err != 0 ? err : region_add(m, file, offset + types.offset, types);
}

/* What the linker's script of a kernel says of a section, behind what its header says. */
static int kernel_section_add(struct dcd_elf_modules *m, struct elf_file *file, const struct dcd_elf_section *section,
			      struct dcd_elf_region region)
{
	uint64_t offset = section->offset;
	uint32_t name = section->name;
	struct dcd_elf_region types;
	if (dcd_range_inside(offset, region.len, file->header.file.len)) {
		const struct dcd_bytes bytes = { file->header.file.data + offset, region.len };
		if (dcd_btf_describe(&bytes, &types)) {
			return kernel_types_add(m, file, offset, types);
		}
	}
	bool named = name < file->names_len &&
		     dcd_kernel_table_describe((const char *)file->names + name, file->names_len - name, &region);
	if (named || (region.kind != DCD_REGION_POINTERS && region.kind != DCD_REGION_JUMPS)) {
		return region_add(m, file, offset, region);
	}
	return kernel_data_add(m, file, offset, region);
}

/* Sections tell code from data most exactly; strip leaves their headers. */
static int sections_add(struct dcd_elf_modules *m, struct elf_file *file)
{
	bool kernel = dcd_kernel_module(&m->modules[file->module]);
	for (unsigned i = 0; i < file->header.section_count; i++) {
		struct dcd_elf_section section = dcd_elf_section_read(&file->header, i);
		struct dcd_elf_region region;
		if (!section_describe(file, &section, &region)) {
			continue;
		}
		int err = kernel ? kernel_section_add(m, file, &section, region) : region_add(m, file, section.offset, region);
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

/* The table of section names, when it ends its last name. */
static void names_find(struct elf_file *file)
{
	unsigned index = file->header.names;
	if (index == 0 || index >= file->header.section_count) {
		return;
	}
	struct dcd_elf_section names = dcd_elf_section_read(&file->header, index);
	const uint8_t *bytes = file->header.file.data + names.offset;
	if (names.len > 0 && dcd_range_inside(names.offset, names.len, file->header.file.len) && bytes[names.len - 1] == 0) {
		file->names = bytes;
		file->names_len = names.len;
	}
}

/* A kernel's sections, and the relocations behind the end of its file; *ret_end is where that is. */
static int kernel_end_add(struct dcd_elf_modules *m, struct elf_file *file, uint64_t end, uint64_t *ret_end)
{
	end = end > file->end ? end : file->end;
	const struct dcd_bytes bytes = { file->header.file.data + end, file->header.file.len - end };
	uint64_t len = dcd_kernel_relocations_length(&bytes, &m->modules[file->module]);
	/* Their addresses are their own; these are only to be out of the way. */
	struct dcd_elf_region region = { .len = len, .kind = DCD_REGION_RECORDS, .stride = 4, .fields = 1, .scale = 1 };
	*ret_end = end + len;
	return len == 0 ? 0 : region_add(m, file, end, region);
}

static int segments_add(struct dcd_elf_modules *m, struct elf_file *file)
{
	for (unsigned i = 0; i < file->header.segment_count; i++) {
		struct dcd_elf_segment s = dcd_elf_segment_read(&file->header, i);
		if (s.type == DCD_ELF_PT_LOAD) {
			bool executable = (s.flags & DCD_ELF_PF_X) != 0;
			int err = region_add(m, file, s.offset, region_of(file, s.va, s.offset, s.file_len, executable));
			if (err != 0) {
				return err;
			}
		}
	}
	return 0;
}

/* Another file begins at `offset`: what was taken for parts of earlier ones behind it is not. */
static void regions_cut(struct dcd_elf_modules *m, uint64_t offset)
{
	while (m->region_count > 0) {
		struct dcd_elf_region *last = &m->regions[m->region_count - 1];
		if (last->offset >= offset) {
			m->region_count--;
			continue;
		}
		if (last->len > offset - last->offset) {
			last->len = offset - last->offset;
		}
		return;
	}
}

/* One of the machines whose code we know, linked. */
static bool file_fits(const struct dcd_elf_header *header)
{
	bool machine = header->wide ? header->machine == DCD_ELF_MACHINE_X86_64 || header->machine == DCD_ELF_MACHINE_AARCH64 ||
					      header->machine == DCD_ELF_MACHINE_RISCV
				    : header->machine == DCD_ELF_MACHINE_ARM;
	return machine && (header->type == DCD_ELF_TYPE_EXEC || header->type == DCD_ELF_TYPE_DYN);
}

/* Adds the file whose header is at image offset `offset`; *ret_end is where the search goes on. */
static int file_add(struct dcd_elf_modules *m, const struct dcd_bytes *image, uint64_t offset, uint64_t *ret_end)
{
	const struct dcd_bytes bytes = { image->data + offset, image->len - offset };
	struct elf_file file = { .offset = offset };
	struct dcd_elf_module module;
	*ret_end = offset + 4;
	if (!dcd_elf_header_read(&bytes, &file.header) || !file_fits(&file.header) || !segments_survey(&file, &module)) {
		return 0;
	}
	int err = dcd_elf_modules_add(m, &module, &file.module);
	if (err != 0) {
		return err;
	}
	regions_cut(m, offset);
	size_t before = m->region_count;
	uint64_t end = DCD_ELF_HEADER_MIN;
	if (file.header.section_count > 0 && sections_plausible(&file, &module)) {
		names_find(&file);
		err = sections_add(m, &file);
		/* Its user-space libraries are files inside this one, in the midst of its data. */
		if (err == 0 && dcd_kernel_module(&module)) {
			err = kernel_end_add(m, &file, dcd_elf_sections_end(&file.header), &end);
		}
	}
	if (err == 0 && m->region_count == before) {
		err = segments_add(m, &file);
	}
	*ret_end = offset + end;
	return err;
}

int dcd_elf_modules_find(const struct dcd_bytes *image, struct dcd_elf_modules *ret)
{
	struct dcd_elf_modules modules = { 0 };
	uint64_t at = 0, kernel = 0;
	bool kernels = dcd_kernel_image_find(image, 0, &kernel);
	int err = 0;
	while (err == 0 && at < image->len) {
		const uint8_t *hit = dcd_magic_find(image->data + at, image->len - at, "\177ELF", 4);
		uint64_t file = hit != NULL ? (uint64_t)(hit - image->data) : image->len;
		if (kernels && kernel < file) {
			regions_cut(&modules, kernel);
			err = dcd_kernel_image_add(&modules, image, kernel, &at);
			kernels = dcd_kernel_image_find(image, at, &kernel);
		} else if (hit != NULL) {
			err = file_add(&modules, image, file, &at);
		} else {
			break;
		}
		/* What lies inside the last file is a part of it. */
		kernels = kernels && (kernel >= at || dcd_kernel_image_find(image, at, &kernel));
	}
	if (err != 0) {
		dcd_elf_modules_free(&modules);
		return err;
	}
	*ret = modules;
	return 0;
}

void dcd_elf_modules_free(struct dcd_elf_modules *modules)
{
	free(modules->modules);
	free(modules->regions);
	*modules = (struct dcd_elf_modules){ 0 };
}

const struct dcd_elf_region *dcd_elf_modules_at(const struct dcd_elf_modules *modules, uint64_t offset)
{
	size_t low = 0, high = modules->region_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (modules->regions[middle].offset + modules->regions[middle].len <= offset) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low < modules->region_count ? &modules->regions[low] : NULL;
}
