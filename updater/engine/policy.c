#include "updater/engine/policy.h"

#include "updater/engine/life.h"

#include <string.h>

struct version_search {
	const char *version;
	bool found;
	struct dcd_tuf_target target;
	struct dcd_release_summary summary;
};

static int match_version(void *context, const struct dcd_tuf_target *target)
{
	struct version_search *search = context;
	struct dcd_release_summary summary;
	if (dcd_release_summarize(target, &summary, NULL) != 0 || strcmp(summary.version, search->version) != 0) {
		return 0;
	}
	search->found = true;
	search->target = *target;
	search->summary = summary;
	return 0;
}

int dcd_policy_find_version(const struct dcd_tuf *tuf, const char *version, struct dcd_tuf_target *ret,
			    struct dcd_release_summary *ret_summary, struct dcd_diag *diag)
{
	struct version_search search = { .version = version };
	int err = dcd_tuf_each_target(tuf, match_version, &search);
	if (err != 0) {
		return err;
	}
	if (!search.found) {
		return dcd_diag_set(diag, DCD_ERR_NOT_FOUND, "the repository doesn't list release %s (any more)", version);
	}
	*ret = search.target;
	*ret_summary = search.summary;
	return 0;
}

/* The best candidate so far, and why the newest of the refused ones was. */
struct choice {
	const struct dcd_policy *policy;
	const struct dcd_tuf *tuf;
	bool any_offered;
	bool any_in_channel;
	const char *other_channel; /* of a release that the source holds, or null */
	bool found;
	struct dcd_tuf_target best;
	uint64_t best_sequence;
	int refusal;
	uint64_t refused_sequence;
	struct dcd_diag refusal_diag;
};

static const struct dcd_slot_record *running_record(const struct dcd_policy *policy)
{
	const struct dcd_slot_record *record = &policy->state->slot[policy->booted];
	return record->content == DCD_CONTENT_VERIFIED ? record : NULL;
}

static bool stone_reached(const struct choice *choice, const struct dcd_release_summary *summary)
{
	const struct dcd_slot_record *running = running_record(choice->policy);
	if (summary->requires_version == NULL) {
		return true;
	}
	if (running == NULL) {
		return false;
	}
	if (strcmp(running->version, summary->requires_version) == 0) {
		return true;
	}
	struct dcd_tuf_target target;
	struct dcd_release_summary stone;
	return dcd_policy_find_version(choice->tuf, summary->requires_version, &target, &stone, NULL) == 0 &&
	       stone.sequence_number <= running->sequence_number;
}

static int judge(const struct choice *choice, const struct dcd_tuf_target *target, const struct dcd_release_summary *summary,
		 struct dcd_diag *diag)
{
	const struct dcd_policy *policy = choice->policy;
	if (!dcd_release_summary_fits(summary, policy->board)) {
		return dcd_diag_set(diag, DCD_ERR_WRONG_BOARD, "release %s is not for board '%s'", summary->version,
				    policy->board);
	}
	if (summary->security_version < policy->state->security_floor) {
		return dcd_diag_set(diag, DCD_ERR_DOWNGRADE,
				    "release %s has security version %llu, below this device's floor of %llu", summary->version,
				    (unsigned long long)summary->security_version,
				    (unsigned long long)policy->state->security_floor);
	}
	if (!policy->again && dcd_life_is_known_bad(policy->state, &target->sha256)) {
		return dcd_diag_set(diag, DCD_ERR_KNOWN_BAD,
				    "release %s was rolled back on this device; 'decade install --reinstall' tries it again",
				    summary->version);
	}
	if (!stone_reached(choice, summary)) {
		return dcd_diag_set(diag, DCD_ERR_STEPPING_STONE,
				    "release %s can only follow release %s, which this device has not reached", summary->version,
				    summary->requires_version);
	}
	return 0;
}

static int consider(void *context, const struct dcd_tuf_target *target)
{
	struct choice *choice = context;
	const struct dcd_slot_record *running = running_record(choice->policy);
	struct dcd_release_summary summary;
	const struct dcd_policy *policy = choice->policy;
	if (dcd_release_summarize(target, &summary, NULL) != 0 ||
	    (policy->offered != NULL && !policy->offered(policy->offered_context, target))) {
		return 0;
	}
	choice->any_offered = true;
	if (strcmp(summary.channel, policy->channel) != 0) {
		choice->other_channel = summary.channel;
		return 0;
	}
	choice->any_in_channel = true;
	if (running != NULL && (summary.sequence_number < running->sequence_number ||
				(summary.sequence_number == running->sequence_number && !choice->policy->again))) {
		return 0;
	}
	struct dcd_diag diag = { 0 };
	int err = judge(choice, target, &summary, &diag);
	if (err == 0 && (!choice->found || summary.sequence_number > choice->best_sequence)) {
		choice->found = true;
		choice->best = *target;
		choice->best_sequence = summary.sequence_number;
	} else if (err != 0 && summary.sequence_number >= choice->refused_sequence) {
		choice->refusal = err;
		choice->refused_sequence = summary.sequence_number;
		choice->refusal_diag = diag;
	}
	return 0;
}

int dcd_policy_choose(const struct dcd_policy *policy, const struct dcd_tuf *tuf, struct dcd_tuf_target *ret,
		      struct dcd_diag *diag)
{
	struct choice choice = { .policy = policy, .tuf = tuf };
	int err = dcd_tuf_each_target(tuf, consider, &choice);
	if (err != 0) {
		return err;
	}
	/* Who doesn't know what runs must not take something older only because the newest was rolled back. */
	bool backwards = running_record(policy) == NULL && choice.refusal == DCD_ERR_KNOWN_BAD &&
			 choice.refused_sequence > choice.best_sequence;
	if (choice.found && !backwards) {
		*ret = choice.best;
		return 0;
	}
	if (choice.refusal != 0) {
		return dcd_diag_set(diag, choice.refusal, "%s", choice.refusal_diag.text);
	}
	if (!choice.any_offered && policy->offered != NULL) {
		return dcd_diag_set(diag, DCD_ERR_NOT_FOUND, "the source holds none of the releases that its metadata lists");
	}
	if (!choice.any_in_channel && policy->offered != NULL && choice.other_channel != NULL) {
		return dcd_diag_set(diag, DCD_ERR_WRONG_CHANNEL, "its release is for channel '%s'; this device follows '%s'",
				    choice.other_channel, policy->channel);
	}
	if (!choice.any_in_channel) {
		return dcd_diag_set(diag, DCD_ERR_UP_TO_DATE, "the repository has no release in channel '%s'", policy->channel);
	}
	return dcd_diag_set(diag, DCD_ERR_UP_TO_DATE, "already up to date");
}

int dcd_policy_check_release(const struct dcd_policy *policy, const struct dcd_release *release, struct dcd_diag *diag)
{
	if (strcmp(release->product, policy->product) != 0) {
		return dcd_diag_set(diag, DCD_ERR_WRONG_PRODUCT, "release %s is for product '%s', this device is a '%s'",
				    release->version, release->product, policy->product);
	}
	if (!dcd_release_fits(release, policy->board)) {
		return dcd_diag_set(diag, DCD_ERR_WRONG_BOARD, "release %s is not for board '%s'", release->version,
				    policy->board);
	}
	return 0;
}
