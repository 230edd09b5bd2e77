/*
 * A shortest path: at each target, in order, the function either stays on its shift or steps to another for STEP_COST. Staying
 * costs what is mispredicted. Costs are kept relative to "nothing at all was predicted", so that at each target only the shifts
 * seen there change.
 */
#include "bsdiff/diff/step_map.h"

#include <stdbool.h>
#include <stdlib.h>

/* What a step and a mispredicted target cost, in common units. The decoder learns from the first reference to a target. */
#define STEP_COST 6
#define TARGET_COST 4
#define REPEAT_COST 1 /* more than one reference: the lesson may be lost */

/* The best way to end on one shift. */
struct lane {
	uint64_t shift;
	int64_t cost;      /* relative; lower is better */
	uint32_t decision; /* index of the last step on that way */
	bool used;
};

/* A step that some way takes. */
struct decision {
	uint64_t start;
	uint64_t shift;
	uint32_t before;
};

struct fit {
	struct lane *lanes; /* a hash table */
	size_t lane_mask;
	struct decision *decisions;
	uint32_t decision_count;
	int64_t best_cost;
	uint32_t best_decision;
};

#define NO_DECISION UINT32_MAX

static struct lane *lane_of(struct fit *fit, uint64_t shift)
{
	size_t at = (size_t)((shift * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & fit->lane_mask;
	while (fit->lanes[at].used && fit->lanes[at].shift != shift) {
		at = (at + 1) & fit->lane_mask;
	}
	return &fit->lanes[at];
}

/* `votes` references to the target at `start` went by `shift`; `from` is the best way up to the target before. */
static void vote(struct fit *fit, const struct fit *from, uint64_t start, uint64_t shift, size_t votes)
{
	struct lane *lane = lane_of(fit, shift);
	int64_t gain = TARGET_COST + (votes > 1 ? REPEAT_COST : 0);
	if (!lane->used || lane->cost > from->best_cost + STEP_COST) {
		*lane = (struct lane){ shift, from->best_cost + STEP_COST, fit->decision_count, true };
		fit->decisions[fit->decision_count++] = (struct decision){ start, shift, from->best_decision };
	}
	lane->cost -= gain;
	if (lane->cost < fit->best_cost) {
		fit->best_cost = lane->cost;
		fit->best_decision = lane->decision;
	}
}

static int steps_emit(struct dcd_step_map *map, const struct fit *fit)
{
	size_t more = 0;
	for (uint32_t d = fit->best_decision; d != NO_DECISION; d = fit->decisions[d].before) {
		more++;
	}
	if (map->count + more > map->capacity) {
		size_t capacity = 2 * (map->count + more);
		struct dcd_ref_step *grown = reallocarray(map->steps, capacity, sizeof *grown);
		if (grown == NULL) {
			return DCD_ERR_NO_MEMORY;
		}
		map->steps = grown;
		map->capacity = capacity;
	}
	map->count += more;
	size_t at = map->count;
	for (uint32_t d = fit->best_decision; d != NO_DECISION; d = fit->decisions[d].before) {
		map->steps[--at] = (struct dcd_ref_step){ fit->decisions[d].start, fit->decisions[d].shift };
	}
	return 0;
}

int dcd_step_map_fit(struct dcd_step_map *map, const struct dcd_ref_sample *samples, size_t count, uint64_t low)
{
	struct fit fit = { .best_decision = NO_DECISION, .lane_mask = 63 };
	while (fit.lane_mask < 2 * count) {
		fit.lane_mask = 2 * fit.lane_mask + 1;
	}
	fit.lanes = calloc(fit.lane_mask + 1, sizeof *fit.lanes);
	fit.decisions = malloc((count + 1) * sizeof *fit.decisions);
	if (fit.lanes == NULL || fit.decisions == NULL) {
		free(fit.lanes);
		free(fit.decisions);
		return DCD_ERR_NO_MEMORY;
	}
	/* Before any step the shift is 0, for nothing. */
	*lane_of(&fit, 0) = (struct lane){ 0, 0, NO_DECISION, true };
	for (size_t i = 0; i < count;) {
		struct fit from = fit;
		uint64_t target = samples[i].target;
		while (i < count && samples[i].target == target) {
			size_t first = i;
			while (i < count && samples[i].target == target && samples[i].shift == samples[first].shift) {
				i++;
			}
			vote(&fit, &from, target - low, samples[first].shift, i - first);
		}
	}
	int err = steps_emit(map, &fit);
	free(fit.lanes);
	free(fit.decisions);
	return err;
}

void dcd_step_map_free(struct dcd_step_map *map)
{
	free(map->steps);
	*map = (struct dcd_step_map){ 0 };
}
