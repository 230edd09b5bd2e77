/* What a simulated fleet lived through, as numbers; and the two ways to show it. */
#ifndef DCD_TESTS_SIM_FLEET_H
#define DCD_TESTS_SIM_FLEET_H

#include <stdint.h>
#include <stdio.h>

#define FLEET_MONTHS_MAX 150
#define FLEET_LOST_TEXT 120

struct fleet_month {
	unsigned long devices_on;  /* switched on in this month */
	unsigned long newest;      /* of those, running the newest release at its end */
	unsigned long newest_good; /* or the newest that isn't bad */
	unsigned long trials, rollbacks;
	uint64_t fetched, full; /* bytes; full: what the same updates take without deltas */
};

struct fleet_sums {
	unsigned long updates, boots, trials, rollbacks, user_rollbacks;
	unsigned long cuts, network_faults, media_faults, damaged_bases, wrong_clocks, months_off, steps;
	unsigned long refused_known_bad, refused_expired, failed_installs, up_to_date;
	uint64_t fetched, full_bytes, slot_written, state_written;
	uint64_t segments, segments_kept, segments_delta, segments_refetched;
};

struct fleet {
	uint64_t seed;
	int devices, months;
	int bad_releases, rotations, algorithm_changes, lost_keys, stones;
	uint64_t full_release_bytes; /* of the newest release */
	unsigned long lost, at_newest;
	int first_lost_number;
	char first_lost[FLEET_LOST_TEXT];
	double seconds;
	struct fleet_month month[FLEET_MONTHS_MAX];
	struct fleet_sums sums;
};

void fleet_print(const struct fleet *fleet, FILE *to);
void fleet_print_html(const struct fleet *fleet, FILE *to);

#endif
