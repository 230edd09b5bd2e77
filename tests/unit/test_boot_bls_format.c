#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "updater/boot/boot_bls_format.h"

static const char *const names[DCD_SLOT_COUNT] = { "A", "a-1" };

static void expect(const char *name, int slot, uint32_t rank, bool good, uint32_t left)
{
	struct dcd_bls_entry entry;
	assert_int_equal(dcd_bls_parse(name, names, &entry), DCD_BLS_ENTRY);
	assert_int_equal(entry.slot, slot);
	assert_int_equal(entry.rank, rank);
	assert_int_equal(entry.good, good);
	assert_int_equal(entry.left, left);
}

static void names_say_rank_slot_and_tries(void **state)
{
	(void)state;
	expect("decade-0-A.conf", 0, 0, true, 0);
	expect("decade-12-A+3.conf", 0, 12, false, 3);
	expect("decade-12-A+2-1.conf", 0, 12, false, 2);
	expect("decade-999999999-a-1+0-15.conf", 1, 999999999, false, 0);
	expect("decade-3-a-1.conf", 1, 3, true, 0);
}

static void names_that_are_not_ours_are_left_alone_and_odd_ones_are_told(void **state)
{
	(void)state;
	struct dcd_bls_entry entry;
	static const char *const foreign[] = { "",       "x.conf",      "decade-A.entry",  "decade-1-A.conf.new",
					       "decade", "decade-.con", "Decade-1-A.conf", "decade-1-A" };
	for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
		assert_int_equal(dcd_bls_parse(foreign[i], names, &entry), DCD_BLS_FOREIGN);
	}
	static const char *const damaged[] = {
		"decade-.conf",       "decade-A.conf",         "decade-1-.conf",           "decade-1-B.conf",
		"decade-01-A.conf",   "decade-1-A+.conf",      "decade-1-A+03.conf",       "decade-1-A+3-.conf",
		"decade-1-A+16.conf", "decade-1-A+3-1-1.conf", "decade-1000000000-A.conf", "decade--1-A.conf"
	};
	for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
		assert_int_equal(dcd_bls_parse(damaged[i], names, &entry), DCD_BLS_DAMAGED);
	}
}

static void a_name_is_found_again(void **state)
{
	(void)state;
	for (uint32_t bits = 0; bits < 2U * 2 * 16 * 8; bits++) {
		struct dcd_bls_entry entry = { .slot = (int)(bits & 1), .good = (bits & 2) != 0, .rank = bits >> 6 };
		entry.left = entry.good ? 0 : bits >> 2 & 15;
		char name[DCD_BLS_NAME_SIZE];
		dcd_bls_name(&entry, names, name);
		expect(name, entry.slot, entry.rank, entry.good, entry.left);
	}
}

/* As systemd-boot sorts: what has no tries left comes last, then the higher rank first. */
static bool sorts_before(const struct dcd_bls_entry *a, const struct dcd_bls_entry *b)
{
	bool a_spent = !a->good && a->left == 0, b_spent = !b->good && b->left == 0;
	return a_spent != b_spent ? b_spent : a->rank > b->rank;
}

static void of_two_entries_of_a_slot_the_higher_rank_counts_even_when_it_is_spent(void **state)
{
	(void)state;
	const struct dcd_bls_entry old = { .rank = 2, .good = true }, spent = { .rank = 4, .left = 0 };
	const struct dcd_bls_entry fresh = { .rank = 4, .left = 3 }, good = { .rank = 4, .good = true };
	assert_true(dcd_bls_counts_before(&spent, &old) && !dcd_bls_counts_before(&old, &spent));
	assert_true(dcd_bls_counts_before(&fresh, &spent) && dcd_bls_counts_before(&good, &fresh));
}

/* What the loader would boot first. */
static int loader_takes(const struct dcd_bls_entry entry[DCD_SLOT_COUNT], const bool present[DCD_SLOT_COUNT])
{
	int best = -1;
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		if (present[i] && (best < 0 || sorts_before(&entry[i], &entry[best]))) {
			best = i;
		}
	}
	return best;
}

/* From every state to every state: the plan boots what the rule says, and a change of one slot renames one file. */
static void every_plan_boots_what_the_rule_says(void **state)
{
	(void)state;
	for (uint32_t from = 0; from < 2U * 8 * 8; from++) {
		for (uint32_t to = 0; to < 2U * 8 * 8; to++) {
			struct dcd_boot_state s[2] = { 0 };
			const uint32_t bits[2] = { from, to };
			for (int k = 0; k < 2; k++) {
				s[k].order[0] = (uint8_t)(bits[k] & 1);
				s[k].order[1] = (uint8_t)(1 - s[k].order[0]);
				for (uint32_t i = 0; i < DCD_SLOT_COUNT; i++) {
					uint32_t part = bits[k] >> (1 + 3 * i);
					s[k].slot[i].bootable = (part & 1) != 0;
					/* What isn't bootable isn't good; the engine knows no other state. */
					s[k].slot[i].good = (part & 3) == 3;
					s[k].slot[i].tries_left = (part & 4) != 0 ? 3 : 0;
				}
			}
			if (!s[1].slot[s[1].order[0]].bootable) {
				continue;
			}
			const struct dcd_bls_entry *none[DCD_SLOT_COUNT] = { NULL, NULL }, *now[DCD_SLOT_COUNT];
			struct dcd_bls_entry before[DCD_SLOT_COUNT], after[DCD_SLOT_COUNT];
			bool was[DCD_SLOT_COUNT], is[DCD_SLOT_COUNT];
			dcd_bls_plan(&s[0], none, before, was);
			for (int i = 0; i < DCD_SLOT_COUNT; i++) {
				now[i] = was[i] ? &before[i] : NULL;
			}
			dcd_bls_plan(&s[1], now, after, is);
			struct dcd_boot_state counted;
			assert_int_equal(loader_takes(after, is), dcd_boot_choose(&s[1], &counted));
			assert_true(!is[0] || !is[1] || (after[s[1].order[0]].rank > after[s[1].order[1]].rank));
			/* One slot changed, and the order only together with it: the other's file stays. */
			int other = s[1].order[1];
			bool other_stays = was[other] && is[other] && before[other].rank > 0 &&
					   s[0].slot[other].good == s[1].slot[other].good &&
					   (s[1].slot[other].good || s[0].slot[other].tries_left == s[1].slot[other].tries_left);
			bool first_changes = !was[1 - other] || before[1 - other].good != after[1 - other].good ||
					     before[1 - other].left != after[1 - other].left;
			if (other_stays && first_changes) {
				assert_int_equal(after[other].rank, before[other].rank);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_say_rank_slot_and_tries),
		cmocka_unit_test(names_that_are_not_ours_are_left_alone_and_odd_ones_are_told),
		cmocka_unit_test(a_name_is_found_again),
		cmocka_unit_test(of_two_entries_of_a_slot_the_higher_rank_counts_even_when_it_is_spent),
		cmocka_unit_test(every_plan_boots_what_the_rule_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
