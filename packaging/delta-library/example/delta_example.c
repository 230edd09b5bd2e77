/*
 * How a program uses libdecade-delta:
 *
 *	delta_example diff OLD NEW PAYLOAD     on the host
 *	delta_example apply OLD PAYLOAD NEW    what a device does: one segment in memory at a time, nothing decoded before its
 *hash matched
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <decade_delta.h>
#include <decade_delta_host.h>

static int fail(const char *what)
{
	fprintf(stderr, "delta_example: %s\n", what);
	return 1;
}

/* ---- diff ---- */

static int map(const char *path, struct dcd_bytes *ret)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		return -1;
	}
	void *data = st.st_size == 0 ? NULL : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	*ret = (struct dcd_bytes){ data, (uint64_t)st.st_size };
	return data == MAP_FAILED ? -1 : 0;
}

static int diff(const char *old_path, const char *new_path, const char *payload_path)
{
	struct dcd_bytes base, image;
	struct dcd_diag diag = { 0 };
	struct dcd_encode_result result;
	const struct dcd_encode_options options = { .alg = &dcd_sha256 }; /* 1 MiB segments, effort 6, a thread a core */
	int fd = open(payload_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || map(old_path, &base) != 0 || map(new_path, &image) != 0) {
		return fail(strerror(errno));
	}
	if (dcd_encode_payload(&base, &image, fd, &options, &result, &diag) != 0) {
		return fail(diag.text);
	}
	printf("%llu bytes: %u same, %u zero, %u delta, %u full segments\n", (unsigned long long)result.payload_length,
	       result.frames[DCD_FRAME_SAME], result.frames[DCD_FRAME_ZERO], result.frames[DCD_FRAME_DELTA],
	       result.frames[DCD_FRAME_FULL]);
	return close(fd) == 0 ? 0 : fail(strerror(errno));
}

/* ---- apply ---- */

static int read_base(void *context, uint64_t offset, void *buf, size_t len)
{
	return pread(*(int *)context, buf, len, (off_t)offset) == (ssize_t)len ? 0 : DCD_ERR_IO;
}

/* Header and table. Who has their hash from a signed manifest compares it here; here only the image id holds them together. */
static int read_table(FILE *in, uint8_t **ret_table, struct dcd_payload *ret)
{
	uint8_t header[DCD_FORMAT_HEADER_SIZE];
	uint64_t length = 0;
	if (fread(header, 1, sizeof header, in) != sizeof header ||
	    dcd_payload_table_length(header, sizeof header, &length) != 0) {
		return DCD_ERR_MALFORMED;
	}
	uint8_t *table = malloc((size_t)length);
	if (table == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	memcpy(table, header, sizeof header);
	size_t rest = (size_t)length - sizeof header;
	int err = fread(table + sizeof header, 1, rest, in) == rest ? dcd_payload_open(table, (size_t)length, &dcd_sha256, ret)
								    : DCD_ERR_MALFORMED;
	*ret_table = table;
	return err;
}

/* All the memory that it takes, whatever the image's size. */
struct room {
	uint8_t *table, *segment, *memory;
	size_t size; /* of memory */
};

static int make_all(const struct dcd_payload *payload, struct dcd_frame_tools *tools, const struct room *room, FILE *in,
		    FILE *out)
{
	for (uint32_t i = 0; i < payload->segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(payload, i, &entry);
		if (fread(room->memory, 1, entry.frame_length, in) != entry.frame_length) {
			return DCD_ERR_MALFORMED;
		}
		dcd_frame_share_memory(tools, room->memory, room->size, entry.frame_length);
		int err = dcd_frame_make_segment(&entry, room->memory, entry.frame_length, tools, room->segment);
		if (err != 0) {
			return err;
		}
		if (fwrite(room->segment, 1, entry.segment_length, out) != entry.segment_length) {
			return DCD_ERR_IO;
		}
	}
	return 0;
}

static int apply_stream(int base_fd, FILE *in, FILE *out)
{
	struct dcd_payload payload;
	struct room room = { 0 };
	int err = read_table(in, &room.table, &payload);
	if (err == 0) {
		const struct dcd_decoder zstd = dcd_zstd_decoder();
		struct dcd_reader base = { .read = read_base, .context = &base_fd, .size = payload.base_size };
		room.size = dcd_frame_memory_size(&payload, &zstd);
		room.memory = aligned_alloc(16, room.size);
		room.segment = malloc(payload.segment_size);
		struct dcd_frame_tools tools = { .alg = &dcd_sha256, .zstd = &zstd, .base = &base };
		bool enough = room.segment != NULL && room.memory != NULL;
		err = enough ? make_all(&payload, &tools, &room, in, out) : DCD_ERR_NO_MEMORY;
	}
	free(room.table);
	free(room.segment);
	free(room.memory);
	return err;
}

static int apply(const char *old_path, const char *payload_path, const char *new_path)
{
	int base = open(old_path, O_RDONLY | O_CLOEXEC);
	FILE *in = fopen(payload_path, "rbe");
	FILE *out = fopen(new_path, "wbe");
	if (base < 0 || in == NULL || out == NULL) {
		return fail(strerror(errno));
	}
	int err = apply_stream(base, in, out);
	close(base);
	fclose(in);
	if (fclose(out) != 0 && err == 0) {
		err = DCD_ERR_IO;
	}
	return err == 0 ? 0 : fail(dcd_err_name(err));
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "diff") == 0) {
		return diff(argv[2], argv[3], argv[4]);
	}
	if (argc == 5 && strcmp(argv[1], "apply") == 0) {
		return apply(argv[2], argv[3], argv[4]);
	}
	return fail("delta_example diff OLD NEW PAYLOAD | apply OLD PAYLOAD NEW");
}
