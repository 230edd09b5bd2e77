#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "updater/boot/boot_grub_format.h"

#define HEAD "# GRUB Environment Block\n"
#define OURS "BOOT_ORDER=A AB\nBOOT_A_LEFT=3\nBOOT_AB_LEFT=0\nBOOT_A_GOOD=1\nBOOT_AB_GOOD=0\n"

static const char *const names[DCD_SLOT_COUNT] = { "A", "AB" };

static const struct dcd_boot_vars *vars_of_names(void)
{
	static struct dcd_boot_vars vars;
	assert_int_equal(dcd_boot_vars_init(&vars, names, NULL), 0);
	return &vars;
}

static void fill(uint8_t block[DCD_GRUB_ENV_SIZE], const char *text)
{
	assert_true(strlen(text) <= DCD_GRUB_ENV_SIZE);
	memset(block, '#', DCD_GRUB_ENV_SIZE);
	memcpy(block, text, strlen(text));
}

static int decode_text(const char *text, struct dcd_boot_state *ret)
{
	uint8_t block[DCD_GRUB_ENV_SIZE];
	fill(block, text);
	return dcd_grub_env_decode(block, vars_of_names(), "grubenv", ret, NULL);
}

/* Lines of somebody else, `len` bytes of them. */
static const char *foreign(size_t len)
{
	static char text[DCD_GRUB_ENV_SIZE];
	memset(text, 'x', len);
	text[1] = '=';
	text[len - 1] = '\n';
	text[len] = '\0';
	return text;
}

static void a_block_is_read_as_grub_reads_it(void **state)
{
	(void)state;
	struct dcd_boot_state s;
	assert_int_equal(decode_text(HEAD "saved_entry=a\\\\b\\\nx=\n# a remark\n" OURS "next=1\n", &s), 0);
	assert_int_equal(s.order[0], 0);
	assert_true(s.slot[0].bootable && s.slot[0].good && s.slot[0].tries_left == 3);
	assert_true(s.slot[1].bootable && !s.slot[1].good && s.slot[1].tries_left == 0);
}

static void what_is_no_whole_block_is_an_unknown_state(void **state)
{
	(void)state;
	struct dcd_boot_state s = { .booted = 5 };
	static const char *const bad[] = {
		"",                                   /* nothing */
		"# GRUB environment block\n" OURS,    /* another headline */
		HEAD "saved_entry=0\n",               /* nothing of ours */
		HEAD "BOOT_ORDER=A AB",               /* no end of the line */
		HEAD OURS "x=1\\\n",                  /* the line feed is part of the value */
		HEAD "garbage\n" OURS,                /* GRUB takes it for a part of the next name */
		HEAD OURS "BOOT_ORDER=AB A\n",        /* twice */
		HEAD OURS "BOOT_PAD=-\nBOOT_PAD=-\n", /* twice */
		HEAD "BOOT_ORDER=A \\AB\n",           /* nobody writes it like this */
		HEAD "BOOT_ORDER=C\n",
		HEAD
		"BOOT_ORDER=A AB A AB A AB A AB A AB A AB A AB A AB A AB A AB A AB A AB A AB A AB A AB A AB A AB A AB A AB\n",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(decode_text(bad[i], &s), DCD_ERR_BOOT_STATE);
	}
	assert_int_equal(s.booted, 5);
}

static void every_bit_of_the_headline_matters(void **state)
{
	(void)state;
	uint8_t block[DCD_GRUB_ENV_SIZE];
	struct dcd_boot_state s;
	for (size_t bit = 0; bit < 8 * (sizeof HEAD - 1); bit++) {
		fill(block, HEAD OURS);
		block[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_int_equal(dcd_grub_env_decode(block, vars_of_names(), "grubenv", &s, NULL), DCD_ERR_BOOT_STATE);
	}
}

/* The bytes of a block without our lines. */
static size_t without_ours(const uint8_t *block, char *ret)
{
	size_t len = 0;
	for (size_t at = 0, end; at < DCD_GRUB_ENV_SIZE; at = end) {
		const uint8_t *feed = memchr(block + at, '\n', DCD_GRUB_ENV_SIZE - at);
		end = feed == NULL ? DCD_GRUB_ENV_SIZE : (size_t)(feed - block) + 1;
		if (feed != NULL && memcmp(block + at, "BOOT_", 5) != 0) {
			memcpy(ret + len, block + at, end - at);
			len += end - at;
		}
	}
	return len;
}

static void every_store_keeps_the_second_sector_and_what_is_not_ours(void **state)
{
	(void)state;
	static const size_t sizes[] = { 2, 20, 300, 400, 600, 800 };
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		char text[2 * DCD_GRUB_ENV_SIZE];
		uint8_t block[DCD_GRUB_ENV_SIZE], next[DCD_GRUB_ENV_SIZE];
		char before[DCD_GRUB_ENV_SIZE], after[DCD_GRUB_ENV_SIZE];
		(void)snprintf(text, sizeof text, HEAD OURS "BOOT_PAD=\nsaved_entry=0\n%s",
			       sizes[i] > 2 ? foreign(sizes[i]) : "");
		fill(block, text);
		for (unsigned bits = 0; bits < 2U * 16 * 16; bits++) {
			uint8_t first = (uint8_t)(bits & 1);
			struct dcd_boot_state s = { .order = { first, (uint8_t)(1 - first) } }, back = { 0 };
			for (unsigned j = 0; j < DCD_SLOT_COUNT; j++) {
				unsigned part = bits >> (1 + 4 * j);
				s.slot[j] = (struct dcd_boot_slot){ (part & 1) != 0, (part & 2) != 0, (uint8_t)(part >> 2 & 3) };
			}
			if (!s.slot[first].bootable) {
				continue;
			}
			assert_int_equal(dcd_grub_env_encode(block, vars_of_names(), &s, "grubenv", next, NULL), 0);
			assert_memory_equal(next + DCD_GRUB_ENV_SECTOR, block + DCD_GRUB_ENV_SECTOR, DCD_GRUB_ENV_SECTOR);
			assert_int_equal(without_ours(block, before), without_ours(next, after));
			assert_memory_equal(before, after, without_ours(next, after));
			assert_int_equal(dcd_grub_env_decode(next, vars_of_names(), "grubenv", &back, NULL), 0);
			assert_memory_equal(&back, &s, sizeof s);
			memcpy(block, next, sizeof block); /* and on from there */
		}
	}
}

static void variables_that_are_missing_find_a_place_in_the_first_sector(void **state)
{
	(void)state;
	uint8_t block[DCD_GRUB_ENV_SIZE], next[DCD_GRUB_ENV_SIZE];
	const struct dcd_boot_state s = { .order = { 1, 0 }, .slot = { { true, true, 1 }, { true, false, 3 } } };
	struct dcd_boot_state back = { 0 };
	fill(block, HEAD "saved_entry=0\nBOOT_ORDER=A\n");
	assert_int_equal(dcd_grub_env_encode(block, vars_of_names(), &s, "grubenv", next, NULL), 0);
	assert_int_equal(dcd_grub_env_decode(next, vars_of_names(), "grubenv", &back, NULL), 0);
	assert_memory_equal(&back, &s, sizeof s);
}

static void a_block_that_would_need_both_sectors_is_refused_when_it_is_read(void **state)
{
	(void)state;
	char text[2 * DCD_GRUB_ENV_SIZE];
	struct dcd_boot_state s;
	/* Ours behind the first sector; across its end; first, but without a filler and others across the end. */
	(void)snprintf(text, sizeof text, HEAD "%s" OURS, foreign(500));
	assert_int_equal(decode_text(text, &s), DCD_ERR_BOOT_STATE);
	(void)snprintf(text, sizeof text, HEAD "%s" OURS, foreign(430));
	assert_int_equal(decode_text(text, &s), DCD_ERR_BOOT_STATE);
	(void)snprintf(text, sizeof text, HEAD OURS "%s", foreign(500));
	assert_int_equal(decode_text(text, &s), DCD_ERR_BOOT_STATE);
	/* With the filler it has always been there. */
	(void)snprintf(text, sizeof text, HEAD OURS "BOOT_PAD=\n%s", foreign(500));
	assert_int_equal(decode_text(text, &s), 0);
	/* A full block, in which nothing can be added. */
	(void)snprintf(text, sizeof text, HEAD "BOOT_ORDER=A\n%s", foreign(DCD_GRUB_ENV_SIZE - 25 - 13));
	assert_int_equal(decode_text(text, &s), DCD_ERR_BOOT_STATE);
}

static void a_state_without_a_bootable_slot_is_not_stored(void **state)
{
	(void)state;
	uint8_t block[DCD_GRUB_ENV_SIZE], next[DCD_GRUB_ENV_SIZE] = { 0 };
	const struct dcd_boot_state s = { .order = { 0, 1 } };
	fill(block, HEAD OURS);
	assert_int_equal(dcd_grub_env_encode(block, vars_of_names(), &s, "grubenv", next, NULL), DCD_ERR_USAGE);
	assert_int_equal(next[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_is_read_as_grub_reads_it),
		cmocka_unit_test(what_is_no_whole_block_is_an_unknown_state),
		cmocka_unit_test(every_bit_of_the_headline_matters),
		cmocka_unit_test(every_store_keeps_the_second_sector_and_what_is_not_ours),
		cmocka_unit_test(variables_that_are_missing_find_a_place_in_the_first_sector),
		cmocka_unit_test(a_block_that_would_need_both_sectors_is_refused_when_it_is_read),
		cmocka_unit_test(a_state_without_a_bootable_slot_is_not_stored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
