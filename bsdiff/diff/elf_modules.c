#include "bsdiff/diff/elf_modules.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "bsdiff/diff/btf_types.h"
#include "bsdiff/diff/kernel_image.h"
#include "bsdiff/diff/kernel_tables.h"

/* The System V ABI's numbers. */
enum {
	ELF_HEADER_SIZE = 64,
	ELF_PROGRAM_HEADER_SIZE = 56,
	ELF_SECTION_HEADER_SIZE = 64,
	ELF_TYPE_EXEC = 2,
	ELF_TYPE_DYN = 3,
	ELF_MACHINE_X86_64 = 62,
	ELF_MACHINE_AARCH64 = 183,
	ELF_PT_LOAD = 1,
	ELF_PF_X = 1,
	ELF_SHT_PROGBITS = 1,
	ELF_SHT_RELA = 4,
	ELF_SHT_HASH = 5,
	ELF_SHT_NOBITS = 8,
	ELF_SHT_DYNSYM = 11,
	ELF_SHF_WRITE = 1,
	ELF_SHF_ALLOC = 2,
	ELF_SHF_EXECINSTR = 4,
	ELF_SHF_TLS = 0x400,
};
#define ELF_SHT_GNU_HASH UINT32_C(0x6ffffff6)
#define ELF_PT_EH_FRAME UINT32_C(0x6474e550)
#define ELF_PROGRAM_HEADERS_MAX 64
#define ELF_SECTION_HEADERS_MAX 4096
#define ELF_SPAN_MAX (UINT64_C(1) << 32)
#define ELF_PLAIN_MIN 0x10000 /* below it, addresses are numbers more often */

/* One file in being read; bytes[0..len) begin at its header and end with the image. */
struct elf_file {
	const uint8_t *bytes;
	uint64_t len;
	uint64_t offset; /* in the image */
	uint32_t module;
	enum dcd_region_kind code;
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
	bool plain = region->kind <= DCD_REGION_AARCH64 || region->kind == DCD_REGION_JUMPS;
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
	if (region.len == 0 || !dcd_range_inside(offset, region.len, file->len) || offset < file->end) {
		return 0;
	}
	file->end = offset + region.len;
	region.offset = file->offset + offset;
	region.module = region.kind == DCD_REGION_BTF ? region.module : file->module;
	return dcd_elf_modules_add_region(m, &region);
}

struct elf_segment {
	uint32_t type;
	uint32_t flags;
	uint64_t offset;
	uint64_t va;
	uint64_t file_len;
	uint64_t memory_len;
};

static uint64_t table_offset(const struct elf_file *file, size_t field, uint64_t count, uint64_t size)
{
	uint64_t offset = dcd_le64_get(file->bytes + field);
	return offset >= ELF_HEADER_SIZE && dcd_range_inside(offset, count * size, file->len) ? offset : 0;
}

static struct elf_segment segment_read(const uint8_t *raw)
{
	return (struct elf_segment){ .type = dcd_le32_get(raw),
				     .flags = dcd_le32_get(raw + 4),
				     .offset = dcd_le64_get(raw + 8),
				     .va = dcd_le64_get(raw + 16),
				     .file_len = dcd_le64_get(raw + 32),
				     .memory_len = dcd_le64_get(raw + 40) };
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
static bool segments_survey(struct elf_file *file, uint64_t table, unsigned count, struct dcd_elf_module *ret)
{
	/* Signed: a kernel's addresses are negative, but its per-processor data begin at 0. */
	int64_t low = INT64_MAX, high = INT64_MIN, negative_end = INT64_MIN;
	for (unsigned i = 0; i < count; i++) {
		struct elf_segment s = segment_read(file->bytes + table + (size_t)i * ELF_PROGRAM_HEADER_SIZE);
		if (s.type == ELF_PT_LOAD) {
			int64_t va = (int64_t)s.va;
			if (s.memory_len > ELF_SPAN_MAX || va > INT64_MAX - (int64_t)ELF_SPAN_MAX ||
			    !dcd_range_inside(s.offset, s.file_len, file->len)) {
				return false;
			}
			int64_t end = va + (int64_t)s.memory_len;
			low = va < low ? va : low;
			high = end > high ? end : high;
			negative_end = end < 0 && end > negative_end ? end : negative_end;
		}
		if (s.type == ELF_PT_EH_FRAME && s.file_len >= 12 && dcd_range_inside(s.offset, s.file_len, file->len)) {
			const uint8_t *head = file->bytes + s.offset;
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
static bool section_is_tbss(const uint8_t *raw)
{
	return dcd_le32_get(raw + 4) == ELF_SHT_NOBITS && (dcd_le64_get(raw + 8) & ELF_SHF_TLS) != 0;
}

static struct dcd_elf_region region_of(const struct elf_file *file, uint64_t va, uint64_t len, bool executable)
{
	struct dcd_elf_region region = { .va = va, .len = len, .kind = executable ? file->code : DCD_REGION_POINTERS };
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
static bool sections_plausible(const struct elf_file *file, uint64_t table, unsigned count, const struct dcd_elf_module *module)
{
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *raw = file->bytes + table + (size_t)i * ELF_SECTION_HEADER_SIZE;
		uint64_t va = dcd_le64_get(raw + 16), len = dcd_le64_get(raw + 32);
		if (i == 0 ? dcd_le32_get(raw + 4) != 0
			   : (dcd_le64_get(raw + 8) & ELF_SHF_ALLOC) != 0 && !section_is_tbss(raw) &&
				     !dcd_range_inside(va - module->low, len, module->span)) {
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
	if (type == ELF_SHT_RELA) {
		region->stride = rela_size;
		region->fields = 1U << 3; /* the upper half of r_info */
	} else if (type == ELF_SHT_DYNSYM) {
		region->stride = symbol_size;
		region->scale = 1;
	}
}

static bool section_read(const struct elf_file *file, uint64_t table, unsigned count, unsigned index, struct dcd_elf_region *ret)
{
	const uint8_t *raw = file->bytes + table + (size_t)index * ELF_SECTION_HEADER_SIZE;
	uint32_t type = dcd_le32_get(raw + 4), link = dcd_le32_get(raw + 40);
	uint64_t flags = dcd_le64_get(raw + 8);
	if ((flags & ELF_SHF_ALLOC) == 0 || type == ELF_SHT_NOBITS) {
		return false;
	}
	bool executable = (flags & ELF_SHF_EXECINSTR) != 0;
	*ret = region_of(file, dcd_le64_get(raw + 16), dcd_le64_get(raw + 32), executable);
	bool counts = type == ELF_SHT_RELA || type == ELF_SHT_DYNSYM || type == ELF_SHT_HASH || type == ELF_SHT_GNU_HASH;
	if (counts && link > 0 && link < count) {
		records_describe(ret, type, dcd_le64_get(file->bytes + table + (size_t)link * ELF_SECTION_HEADER_SIZE + 16));
	} else if (type == ELF_SHT_PROGBITS && !executable && (flags & ELF_SHF_WRITE) == 0 && ret->kind == DCD_REGION_POINTERS &&
		   file->code == DCD_REGION_X86_64) {
		ret->kind = DCD_REGION_JUMPS;
	}
	return true;
}

/* A kernel's data section at `offset`: the parts of the symbol table in it are regions of their own. */
static int kernel_data_add(struct dcd_elf_modules *m, struct elf_file *file, uint64_t offset, struct dcd_elf_region region)
{
	struct dcd_kernel_symbols symbols;
	region.kind = DCD_REGION_JUMPS;
	if (!dcd_range_inside(offset, region.len, file->len)) {
		return 0;
	}
	const struct dcd_bytes bytes = { file->bytes + offset, region.len };
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
static int kernel_section_add(struct dcd_elf_modules *m, struct elf_file *file, const uint8_t *raw, struct dcd_elf_region region)
{
	uint64_t offset = dcd_le64_get(raw + 24);
	uint32_t name = dcd_le32_get(raw);
	struct dcd_elf_region types;
	if (dcd_range_inside(offset, region.len, file->len)) {
		const struct dcd_bytes bytes = { file->bytes + offset, region.len };
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
static int sections_add(struct dcd_elf_modules *m, struct elf_file *file, uint64_t table, unsigned count)
{
	bool kernel = dcd_kernel_module(&m->modules[file->module]);
	for (unsigned i = 0; i < count; i++) {
		struct dcd_elf_region region;
		if (!section_read(file, table, count, i, &region)) {
			continue;
		}
		const uint8_t *raw = file->bytes + table + (size_t)i * ELF_SECTION_HEADER_SIZE;
		int err = kernel ? kernel_section_add(m, file, raw, region) : region_add(m, file, dcd_le64_get(raw + 24), region);
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

/* The table of section names, when it ends its last name. */
static void names_find(struct elf_file *file, uint64_t table, unsigned count)
{
	unsigned index = dcd_le16_get(file->bytes + 62);
	if (index == 0 || index >= count) {
		return;
	}
	const uint8_t *raw = file->bytes + table + (size_t)index * ELF_SECTION_HEADER_SIZE;
	uint64_t offset = dcd_le64_get(raw + 24), len = dcd_le64_get(raw + 32);
	if (len > 0 && dcd_range_inside(offset, len, file->len) && file->bytes[offset + len - 1] == 0) {
		file->names = file->bytes + offset;
		file->names_len = len;
	}
}

/* A kernel's sections, and the relocations behind the end of its file; *ret_end is where that is. */
static int kernel_end_add(struct dcd_elf_modules *m, struct elf_file *file, uint64_t end, uint64_t *ret_end)
{
	end = end > file->end ? end : file->end;
	const struct dcd_bytes bytes = { file->bytes + end, file->len - end };
	uint64_t len = dcd_kernel_relocations_length(&bytes, &m->modules[file->module]);
	/* Their addresses are their own; these are only to be out of the way. */
	struct dcd_elf_region region = { .len = len, .kind = DCD_REGION_RECORDS, .stride = 4, .fields = 1, .scale = 1 };
	*ret_end = end + len;
	return len == 0 ? 0 : region_add(m, file, end, region);
}

static int segments_add(struct dcd_elf_modules *m, struct elf_file *file, uint64_t table, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct elf_segment s = segment_read(file->bytes + table + (size_t)i * ELF_PROGRAM_HEADER_SIZE);
		if (s.type == ELF_PT_LOAD) {
			int err = region_add(m, file, s.offset, region_of(file, s.va, s.file_len, (s.flags & ELF_PF_X) != 0));
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

/* Adds the file whose header is at image offset `offset`; *ret_end is where the search goes on. */
static int file_add(struct dcd_elf_modules *m, const struct dcd_bytes *image, uint64_t offset, uint64_t *ret_end)
{
	struct elf_file file = { .bytes = image->data + offset, .len = image->len - offset, .offset = offset };
	*ret_end = offset + 4;
	if (file.len < ELF_HEADER_SIZE || file.bytes[4] != 2 || file.bytes[5] != 1 || file.bytes[6] != 1) {
		return 0;
	}
	unsigned type = dcd_le16_get(file.bytes + 16), machine = dcd_le16_get(file.bytes + 18);
	unsigned segments = dcd_le16_get(file.bytes + 56), sections = dcd_le16_get(file.bytes + 60);
	if ((type != ELF_TYPE_EXEC && type != ELF_TYPE_DYN) ||
	    (machine != ELF_MACHINE_X86_64 && machine != ELF_MACHINE_AARCH64) || segments > ELF_PROGRAM_HEADERS_MAX ||
	    dcd_le16_get(file.bytes + 54) != ELF_PROGRAM_HEADER_SIZE) {
		return 0;
	}
	file.code = machine == ELF_MACHINE_X86_64 ? DCD_REGION_X86_64 : DCD_REGION_AARCH64;
	uint64_t table = table_offset(&file, 32, segments, ELF_PROGRAM_HEADER_SIZE);
	struct dcd_elf_module module;
	if (table == 0 || !segments_survey(&file, table, segments, &module)) {
		return 0;
	}
	int err = dcd_elf_modules_add(m, &module, &file.module);
	if (err != 0) {
		return err;
	}
	regions_cut(m, offset);
	bool has_sections =
		sections > 1 && sections <= ELF_SECTION_HEADERS_MAX && dcd_le16_get(file.bytes + 58) == ELF_SECTION_HEADER_SIZE;
	uint64_t headers = has_sections ? table_offset(&file, 40, sections, ELF_SECTION_HEADER_SIZE) : 0;
	size_t before = m->region_count;
	uint64_t end = ELF_HEADER_SIZE;
	if (headers != 0 && sections_plausible(&file, headers, sections, &module)) {
		names_find(&file, headers, sections);
		err = sections_add(m, &file, headers, sections);
		/* Its user-space libraries are files inside this one, in the midst of its data. */
		if (err == 0 && dcd_kernel_module(&module)) {
			err = kernel_end_add(m, &file, headers + (uint64_t)sections * ELF_SECTION_HEADER_SIZE, &end);
		}
	}
	if (err == 0 && m->region_count == before) {
		err = segments_add(m, &file, table, segments);
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
		const uint8_t *hit = memmem(image->data + at, image->len - at, "\177ELF", 4);
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
