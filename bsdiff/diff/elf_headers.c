#include "bsdiff/diff/elf_headers.h"

#include <string.h>

#include "base/checked.h"
#include "base/le.h"

#define SEGMENTS_MAX 64
#define SECTIONS_MAX 4096

/* Where the fields stand that follow from the class, bytes. */
struct layout {
	uint8_t header_size, segment_size, section_size;
	uint8_t segments_at, sections_at; /* offsets of tables; */
	uint8_t sizes;                    /* then, 16 bits each: segment's size, count, section's size, count, names */
	uint8_t segment_flags, segment_offset, segment_va, segment_file_len, segment_memory_len;
	uint8_t section_flags, section_va, section_offset, section_len, section_link;
};

static const struct layout layouts[2] = { { .header_size = 52,
					    .segment_size = 32,
					    .section_size = 40,
					    .segments_at = 28,
					    .sections_at = 32,
					    .sizes = 42,
					    .segment_flags = 24,
					    .segment_offset = 4,
					    .segment_va = 8,
					    .segment_file_len = 16,
					    .segment_memory_len = 20,
					    .section_flags = 8,
					    .section_va = 12,
					    .section_offset = 16,
					    .section_len = 20,
					    .section_link = 24 },
					  { .header_size = 64,
					    .segment_size = 56,
					    .section_size = 64,
					    .segments_at = 32,
					    .sections_at = 40,
					    .sizes = 54,
					    .segment_flags = 4,
					    .segment_offset = 8,
					    .segment_va = 16,
					    .segment_file_len = 32,
					    .segment_memory_len = 40,
					    .section_flags = 8,
					    .section_va = 16,
					    .section_offset = 24,
					    .section_len = 32,
					    .section_link = 40 } };

/* An address, offset or length. */
static uint64_t word_get(const struct dcd_elf_header *header, const uint8_t *at)
{
	return header->wide ? dcd_le64_get(at) : dcd_le32_get(at);
}

static uint64_t table_at(const struct dcd_elf_header *header, size_t field, uint64_t bytes)
{
	uint64_t at = word_get(header, header->file.data + field);
	return at >= layouts[header->wide].header_size && dcd_range_inside(at, bytes, header->file.len) ? at : 0;
}

bool dcd_elf_header_read(const struct dcd_bytes *bytes, struct dcd_elf_header *ret)
{
	if (bytes->len < DCD_ELF_HEADER_MIN || memcmp(bytes->data, "\177ELF", 4) != 0 || bytes->data[4] - 1U > 1 ||
	    bytes->data[5] != 1 || bytes->data[6] != 1) {
		return false;
	}
	struct dcd_elf_header header = { .file = *bytes, .wide = bytes->data[4] == 2 };
	const struct layout *l = &layouts[header.wide];
	if (bytes->len < l->header_size) {
		return false;
	}
	const uint8_t *sizes = bytes->data + l->sizes;
	header.type = dcd_le16_get(bytes->data + 16);
	header.machine = dcd_le16_get(bytes->data + 18);
	header.segment_count = dcd_le16_get(sizes + 2);
	header.section_count = dcd_le16_get(sizes + 6);
	header.names = dcd_le16_get(sizes + 8);
	if (dcd_le16_get(sizes) != l->segment_size || header.segment_count > SEGMENTS_MAX) {
		return false;
	}
	header.segments_at = table_at(&header, l->segments_at, (uint64_t)header.segment_count * l->segment_size);
	if (header.section_count > 1 && header.section_count <= SECTIONS_MAX && dcd_le16_get(sizes + 4) == l->section_size) {
		header.sections_at = table_at(&header, l->sections_at, (uint64_t)header.section_count * l->section_size);
	}
	header.section_count = header.sections_at == 0 ? 0 : header.section_count;
	*ret = header;
	return header.segments_at != 0;
}

struct dcd_elf_segment dcd_elf_segment_read(const struct dcd_elf_header *header, unsigned index)
{
	const struct layout *l = &layouts[header->wide];
	const uint8_t *raw = header->file.data + header->segments_at + (size_t)index * l->segment_size;
	return (struct dcd_elf_segment){ .type = dcd_le32_get(raw),
					 .flags = dcd_le32_get(raw + l->segment_flags),
					 .offset = word_get(header, raw + l->segment_offset),
					 .va = word_get(header, raw + l->segment_va),
					 .file_len = word_get(header, raw + l->segment_file_len),
					 .memory_len = word_get(header, raw + l->segment_memory_len) };
}

struct dcd_elf_section dcd_elf_section_read(const struct dcd_elf_header *header, unsigned index)
{
	const struct layout *l = &layouts[header->wide];
	const uint8_t *raw = header->file.data + header->sections_at + (size_t)index * l->section_size;
	return (struct dcd_elf_section){ .name = dcd_le32_get(raw),
					 .type = dcd_le32_get(raw + 4),
					 .flags = word_get(header, raw + l->section_flags),
					 .va = word_get(header, raw + l->section_va),
					 .offset = word_get(header, raw + l->section_offset),
					 .len = word_get(header, raw + l->section_len),
					 .link = dcd_le32_get(raw + l->section_link) };
}

uint64_t dcd_elf_sections_end(const struct dcd_elf_header *header)
{
	return header->sections_at + (uint64_t)header->section_count * layouts[header->wide].section_size;
}
