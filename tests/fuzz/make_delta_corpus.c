/*
 * Writes the seeds of tests/fuzz/corpus/{payload_table,frame}: tables and frames of small real payloads.
 * Run from the tree's root: build/dev/bsdiff/diff/make_delta_corpus tests/fuzz/corpus
 */
#include <stdio.h>

#include "tests/unit/payload_fixture.h"
#include "base/le.h"

#define SEG DCD_SEGMENT_SIZE_MIN

static int write_seed(const char *folder, const char *target, const char *name, unsigned number, const uint8_t *head,
		      size_t head_len, const uint8_t *data, size_t len)
{
	char path[4096];
	(void)snprintf(path, sizeof path, "%s/%s/%s-%u", folder, target, name, number);
	FILE *file = fopen(path, "wb");
	if (file == NULL) {
		perror(path);
		return 1;
	}
	int failed = fwrite(head, 1, head_len, file) != head_len || fwrite(data, 1, len, file) != len;
	return fclose(file) != 0 || failed;
}

static int write_payload(const char *folder, const char *name, const struct fixture_payload *p)
{
	struct dcd_payload payload;
	size_t at = (size_t)p->result.table_length;
	if (dcd_payload_open(p->data, at, &dcd_sha256, &payload) != 0) {
		return 1;
	}
	int failed = write_seed(folder, "payload_table", name, 0, NULL, 0, p->data, at);
	for (uint32_t i = 0; i < payload.segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(&payload, i, &entry);
		uint8_t head[4] = { (uint8_t)entry.kind, 0, 0, (uint8_t)i };
		dcd_le16_put(head + 1, (uint16_t)(entry.segment_length - 1));
		failed |= write_seed(folder, "frame", name, i, head, sizeof head, p->data + at, entry.frame_length);
		at += entry.frame_length;
	}
	return failed;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	/* The base that fuzz_frame reads. */
	static uint8_t base[2 * SEG], image[2 * SEG + 100];
	for (size_t i = 0; i < sizeof base; i++) {
		base[i] = (uint8_t)(i * 31);
	}
	memcpy(image + 40, base, SEG);
	for (size_t i = 0; i < SEG; i += 50) {
		image[i]++;
		image[SEG + i] = (uint8_t)("seed"[i % 4]);
	}
	const struct dcd_encode_options options = { .segment_size = SEG, .alg = &dcd_sha256 };
	struct fixture_payload p;
	int failed = 0;
	failed |=
		fixture_encode(base, sizeof base, image, sizeof image, &options, &p) != 0 || write_payload(argv[1], "delta", &p);
	failed |= fixture_encode(NULL, 0, image, sizeof image, &options, &p) != 0 || write_payload(argv[1], "full", &p);
	failed |= fixture_encode(base, sizeof base, base, sizeof base, &options, &p) != 0 || write_payload(argv[1], "same", &p);
	failed |= fixture_encode(NULL, 0, image, 0, &options, &p) != 0 || write_payload(argv[1], "empty", &p);
	return failed;
}
