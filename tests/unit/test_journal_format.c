#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "manifest/crypto/sha256.h"
#include "updater/journal/journal_format.h"

static void fill_hash(struct dcd_hash *hash, uint8_t seed)
{
	for (size_t i = 0; i < DCD_HASH_SIZE; i++) {
		hash->bytes[i] = (uint8_t)(seed + i);
	}
}

/* Every member at its largest; too large for a stack. */
static struct dcd_device_state *full_state(void)
{
	struct dcd_device_state *s = calloc(1, sizeof *s);
	assert_non_null(s);
	s->phase = DCD_PHASE_PENDING;
	s->target = 1;
	s->security_floor = INT64_MAX;
	s->time_floor = INT64_MAX;
	s->known_bad_count = DCD_KNOWN_BAD_MAX;
	for (size_t i = 0; i < DCD_KNOWN_BAD_MAX; i++) {
		fill_hash(&s->known_bad[i], (uint8_t)(i * 3));
	}
	for (size_t i = 0; i < DCD_SLOT_COUNT; i++) {
		struct dcd_slot_record *r = &s->slot[i];
		r->content = DCD_CONTENT_VERIFIED;
		memset(r->version, '\x01', sizeof r->version - 1);
		fill_hash(&r->manifest_hash, (uint8_t)i);
		r->sequence_number = INT64_MAX;
		r->security_version = INT64_MAX;
		r->image_count = DCD_SLOT_IMAGES_MAX;
		for (size_t j = 0; j < DCD_SLOT_IMAGES_MAX; j++) {
			memset(r->images[j].class_name, '\x02', sizeof r->images[j].class_name - 1);
			fill_hash(&r->images[j].image_id, (uint8_t)(j * 5));
			r->images[j].size = INT64_MAX;
			r->images[j].segment_size = UINT32_MAX;
		}
	}
	s->last = (struct dcd_outcome){ .kind = DCD_OUTCOME_REPAIRED, .err = DCD_ERR_READ_BACK, .version = "2.0", .time = 1 };
	memset(s->last.reason, '"', sizeof s->last.reason - 1);
	return s;
}

static struct dcd_device_state *coded_and_back(const struct dcd_device_state *state)
{
	uint8_t *data;
	size_t len;
	uint64_t sequence = 0;
	assert_int_equal(dcd_journal_encode(state, 42, &data, &len, NULL), 0);
	assert_true(len <= DCD_JOURNAL_MAX);
	struct dcd_device_state *back = calloc(1, sizeof *back);
	assert_non_null(back);
	struct dcd_diag diag = { 0 };
	if (dcd_journal_decode(data, len, "journal", back, &sequence, &diag) != 0) {
		fail_msg("%s", diag.text);
	}
	assert_int_equal(sequence, 42);
	free(data);
	return back;
}

static void the_largest_state_survives_the_way_to_text_and_back(void **state)
{
	(void)state;
	struct dcd_device_state *s = full_state();
	struct dcd_device_state *back = coded_and_back(s);
	assert_memory_equal(s, back, sizeof *s);
	free(s);
	free(back);
}

static void the_empty_state_survives_the_way_to_text_and_back(void **state)
{
	(void)state;
	struct dcd_device_state *s = calloc(1, sizeof *s);
	assert_non_null(s);
	struct dcd_device_state *back = coded_and_back(s);
	assert_memory_equal(s, back, sizeof *s);
	free(s);
	free(back);
}

static void a_sentence_cut_inside_a_character_is_stored_without_its_rest(void **state)
{
	(void)state;
	struct dcd_device_state *s = calloc(1, sizeof *s);
	assert_non_null(s);
	(void)snprintf(s->last.reason, sizeof s->last.reason,
		       "Gr\xc3\xb6\xc3\x9f\x65 \xe2\x82\xac \xed\xa0\x80 \xc0\x80 \xf0\x9f\x98");
	s->last.time = -5;
	struct dcd_device_state *back = coded_and_back(s);
	assert_string_equal(back->last.reason, "Gr\xc3\xb6\xc3\x9f\x65 \xe2\x82\xac ??? ?? ???");
	assert_int_equal(back->last.time, 0);
	free(s);
	free(back);
}

static void encode_refusing(struct dcd_device_state *s, uint64_t sequence)
{
	uint8_t *data = NULL;
	size_t len;
	assert_int_equal(dcd_journal_encode(s, sequence, &data, &len, NULL), DCD_ERR_USAGE);
	assert_null(data);
	free(s);
}

static void values_that_could_not_be_read_again_are_not_stored(void **state)
{
	(void)state;
	encode_refusing(full_state(), DCD_JOURNAL_SEQUENCE_MAX + 1);
	struct dcd_device_state *s = full_state();
	s->target = 2;
	encode_refusing(s, 1);
	s = full_state();
	s->known_bad_count = DCD_KNOWN_BAD_MAX + 1;
	encode_refusing(s, 1);
	s = full_state();
	s->slot[1].image_count = DCD_SLOT_IMAGES_MAX + 1;
	encode_refusing(s, 1);
	s = full_state();
	s->slot[0].images[15].size = (uint64_t)INT64_MAX + 1;
	encode_refusing(s, 1);
	s = full_state();
	s->phase = (enum dcd_phase)4;
	encode_refusing(s, 1);
}

#define HASH "0000000000000000000000000000000000000000000000000000000000000000"
#define IMAGE "{\"class\":\"rootfs\",\"image-id\":\"" HASH "\",\"size\":1,\"segment-size\":2}"
#define SLOT_WITH(content, images)                                                                                               \
	"{\"content\":\"" content "\",\"version\":\"1\",\"manifest-hash\":\"" HASH                                               \
	"\",\"sequence-number\":1,\"security-version\":1,\"images\":[" images "]}"
#define SLOT SLOT_WITH("verified", IMAGE)
#define LAST "\"last\":{\"outcome\":\"confirmed\",\"error\":\"ok\",\"version\":\"1\",\"reason\":\"\",\"time\":7}"
#define ROOT(phase, target, slots, bad)                                                                                          \
	"{\"phase\":\"" phase "\",\"target\":" target ",\"security-floor\":3,\"time-floor\":4,\"slots\":[" slots                 \
	"],\"known-bad\":[" bad "]," LAST "}"
#define GOOD ROOT("idle", "0", SLOT "," SLOT, "")

/* A copy with a right hash around any text. */
static int decode_text(const char *sequence, const char *json, struct dcd_device_state *ret)
{
	size_t size = strlen(json) + 256;
	char *copy = malloc(size);
	assert_non_null(copy);
	char *body = copy + 82;
	size_t body_len = (size_t)snprintf(body, size - 82, "%s\n%s", sequence, json);
	struct dcd_hash hash;
	char hex[DCD_HASH_HEX_SIZE];
	dcd_hash_once(&dcd_sha256, body, body_len, &hash);
	dcd_hash_to_hex(&hash, hex);
	char head[84];
	assert_int_equal(snprintf(head, sizeof head, "decade-journal 1 %s ", hex), 82);
	memcpy(copy, head, 82);
	uint64_t number;
	int err = dcd_journal_decode((const uint8_t *)copy, 82 + body_len, "journal", ret, &number, NULL);
	free(copy);
	return err;
}

static void the_format_on_the_disk_stays_what_it_is(void **state)
{
	(void)state;
	struct dcd_device_state *s = calloc(1, sizeof *s);
	assert_non_null(s);
	assert_int_equal(decode_text("1", ROOT("pending", "1", SLOT "," SLOT_WITH("writing", ""), "\"" HASH "\""), s), 0);
	assert_int_equal(s->phase, DCD_PHASE_PENDING);
	assert_int_equal(s->target, 1);
	assert_int_equal(s->security_floor, 3);
	assert_int_equal(s->time_floor, 4);
	assert_int_equal(s->known_bad_count, 1);
	assert_int_equal(s->slot[0].content, DCD_CONTENT_VERIFIED);
	assert_string_equal(s->slot[0].images[0].class_name, "rootfs");
	assert_int_equal(s->slot[1].content, DCD_CONTENT_WRITING);
	assert_int_equal(s->slot[1].image_count, 0);
	assert_int_equal(s->last.kind, DCD_OUTCOME_CONFIRMED);
	assert_int_equal(s->last.time, 7);
	free(s);
}

static void what_is_signed_off_by_its_hash_is_still_checked(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		GOOD "x",
		ROOT("running", "0", SLOT "," SLOT, ""),
		ROOT("idle", "2", SLOT "," SLOT, ""),
		ROOT("idle", "-1", SLOT "," SLOT, ""),
		ROOT("idle", "0", SLOT, ""),
		ROOT("idle", "0", SLOT "," SLOT "," SLOT, ""),
		ROOT("idle", "0", SLOT ",5", ""),
		ROOT("idle", "0", SLOT "," SLOT_WITH("perhaps", ""), ""),
		ROOT("idle", "0", SLOT "," SLOT_WITH("verified", "{}"), ""),
		ROOT("idle", "0", SLOT "," SLOT, "\"00\""),
		ROOT("idle", "0", SLOT "," SLOT, "7"),
	};
	struct dcd_device_state *s = calloc(1, sizeof *s);
	assert_non_null(s);
	assert_int_equal(decode_text("1", GOOD, s), 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(decode_text("1", bad[i], s), DCD_ERR_JOURNAL);
	}
	static const char *const sequences[] = { "", "01", "-1", "9223372036854775808", "99999999999999999999", "1 ", "x" };
	for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
		assert_int_equal(decode_text(sequences[i], GOOD, s), DCD_ERR_JOURNAL);
	}
	assert_int_equal(decode_text("9223372036854775807", GOOD, s), 0);
	free(s);
}

static void more_images_or_hashes_than_there_is_room_for_are_refused(void **state)
{
	(void)state;
	struct dcd_device_state *s = calloc(1, sizeof *s);
	assert_non_null(s);
#define FOUR(x) x "," x "," x "," x
	assert_int_equal(decode_text("1", ROOT("idle", "0", SLOT "," SLOT_WITH("verified", FOUR(FOUR(IMAGE))), ""), s), 0);
	assert_int_equal(s->slot[1].image_count, 16);
	assert_int_equal(decode_text("1", ROOT("idle", "0", SLOT "," SLOT_WITH("verified", FOUR(FOUR(IMAGE)) "," IMAGE), ""), s),
			 DCD_ERR_JOURNAL);
	assert_int_equal(decode_text("1", ROOT("idle", "0", SLOT "," SLOT, FOUR(FOUR("\"" HASH "\""))), s), 0);
	assert_int_equal(s->known_bad_count, 16);
	assert_int_equal(decode_text("1", ROOT("idle", "0", SLOT "," SLOT, FOUR(FOUR("\"" HASH "\"")) ",\"" HASH "\""), s),
			 DCD_ERR_JOURNAL);
#undef FOUR
	free(s);
}

static void an_unknown_member_of_a_newer_release_is_ignored(void **state)
{
	(void)state;
	struct dcd_device_state *s = calloc(1, sizeof *s);
	assert_non_null(s);
	assert_int_equal(decode_text("1",
				     "{\"colour\":\"blue\",\"phase\":\"staged\",\"target\":1,\"security-floor\":3,\"time-floor\":"
				     "4,\"slots\":[" SLOT "," SLOT "],\"known-bad\":[]," LAST "}",
				     s),
			 0);
	assert_int_equal(s->phase, DCD_PHASE_STAGED);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_state_survives_the_way_to_text_and_back),
		cmocka_unit_test(the_empty_state_survives_the_way_to_text_and_back),
		cmocka_unit_test(a_sentence_cut_inside_a_character_is_stored_without_its_rest),
		cmocka_unit_test(values_that_could_not_be_read_again_are_not_stored),
		cmocka_unit_test(the_format_on_the_disk_stays_what_it_is),
		cmocka_unit_test(what_is_signed_off_by_its_hash_is_still_checked),
		cmocka_unit_test(more_images_or_hashes_than_there_is_room_for_are_refused),
		cmocka_unit_test(an_unknown_member_of_a_newer_release_is_ignored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
