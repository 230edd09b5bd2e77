#include "updater/cli/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/bytes_text.h"
#include "base/hex.h"
#include "manifest/json/json.h"

/* Prints a document that may have failed to build for want of memory; then there is nothing better to print. */
static void print_and_free(struct dcd_json *document, bool indent)
{
	char *text = document == NULL ? NULL : dcd_json_text(document, indent);
	puts(text != NULL ? text : "{\"error\":\"no-memory\"}");
	(void)fflush(stdout);
	free(text);
	dcd_json_free(document);
}

void dcd_show_document(struct dcd_json *document)
{
	print_and_free(document, true);
}

static void time_text(int64_t seconds, char text[32])
{
	struct tm tm;
	time_t t = (time_t)seconds;
	if (seconds == 0 || gmtime_r(&t, &tm) == NULL || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		(void)snprintf(text, 32, "-");
	}
}

/* ---- status ---- */

static struct dcd_json *images_json(const struct dcd_slot_record *record)
{
	struct dcd_json *images = dcd_json_new_object();
	for (size_t i = 0; i < record->image_count; i++) {
		const struct dcd_slot_image *image = &record->images[i];
		struct dcd_json *one = dcd_json_new_object();
		if (dcd_json_set_hash(one, "image_id", &image->image_id) != 0 || dcd_json_set_u64(one, "size", image->size) != 0 ||
		    dcd_json_set_u64(one, "segment_size", image->segment_size) != 0 ||
		    dcd_json_set(images, image->class_name, one) != 0) {
			break;
		}
	}
	return images;
}

static struct dcd_json *slot_json(const struct dcd_config_slot *slot, const struct dcd_slot_record *record,
				  const struct dcd_boot_slot *boot)
{
	struct dcd_json *one = dcd_json_new_object();
	int err = dcd_json_set_string(one, "bootname", slot->bootname);
	err |= dcd_json_set_bool(one, "bootable", boot->bootable);
	err |= dcd_json_set_bool(one, "good", boot->good);
	err |= dcd_json_set_u64(one, "tries_left", boot->tries_left);
	err |= dcd_json_set_string(one, "content", dcd_content_name(record->content));
	err |= dcd_json_set_string(one, "version", record->version);
	err |= dcd_json_set_u64(one, "sequence_number", record->sequence_number);
	err |= dcd_json_set_u64(one, "security_version", record->security_version);
	err |= dcd_json_set(one, "images", images_json(record));
	if (err != 0) {
		dcd_json_free(one);
		return NULL;
	}
	return one;
}

static struct dcd_json *outcome_json(const struct dcd_outcome *outcome)
{
	char when[32];
	struct dcd_json *one = dcd_json_new_object();
	time_text(outcome->time, when);
	int err = dcd_json_set_string(one, "result", dcd_outcome_name(outcome->kind));
	err |= dcd_json_set_string(one, "code", dcd_err_name(outcome->err));
	err |= dcd_json_set_string(one, "version", outcome->version);
	err |= dcd_json_set_string(one, "reason", outcome->reason);
	err |= dcd_json_set_string(one, "time", when);
	if (err != 0) {
		dcd_json_free(one);
		return NULL;
	}
	return one;
}

static void status_json(const struct dcd_config *config, const struct dcd_device_state *state, const struct dcd_boot_state *boot)
{
	struct dcd_json *document = dcd_json_new_object();
	struct dcd_json *slots = dcd_json_new_object();
	int err = 0;
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		err |= dcd_json_set(slots, config->slot[i].name, slot_json(&config->slot[i], &state->slot[i], &boot->slot[i]));
	}
	err |= dcd_json_set_string(document, "product", config->product);
	err |= dcd_json_set_string(document, "state", dcd_life_name(dcd_life_of(state, boot)));
	err |= dcd_json_set_string(document, "booted", config->slot[boot->booted].name);
	err |= dcd_json_set_string(document, "primary", config->slot[boot->order[0]].name);
	err |= dcd_json_set_string(document, "version", state->slot[boot->booted].version);
	err |= dcd_json_set(document, "slots", slots);
	err |= dcd_json_set_u64(document, "security_floor", state->security_floor);
	err |= dcd_json_set_u64(document, "known_bad", state->known_bad_count);
	err |= dcd_json_set(document, "last", outcome_json(&state->last));
	if (err != 0) {
		dcd_json_free(document);
		document = NULL;
	}
	print_and_free(document, true);
}

static void status_text(const struct dcd_config *config, const struct dcd_device_state *state, const struct dcd_boot_state *boot)
{
	printf("%s: %s\n", config->product, dcd_life_name(dcd_life_of(state, boot)));
	printf("  %-6s %-9s %-8s %-9s %-5s %s\n", "slot", "bootname", "boots", "content", "tries", "release");
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const struct dcd_boot_slot *slot = &boot->slot[i];
		char name[160], tries[8];
		(void)snprintf(name, sizeof name, "%s%s", boot->booted == i ? "*" : " ", config->slot[i].name);
		(void)snprintf(tries, sizeof tries, slot->good || !slot->bootable ? "-" : "%u", slot->tries_left);
		printf(" %-7s %-9s %-8s %-9s %-5s %s%s\n", name, config->slot[i].bootname,
		       !slot->bootable ? "no" : slot->good ? "good" : "trial", dcd_content_name(state->slot[i].content), tries,
		       state->slot[i].version[0] != '\0' ? state->slot[i].version : "-", boot->order[0] == i ? "  (primary)" : "");
	}
	if (state->security_floor > 0) {
		printf("  security floor: %" PRIu64 "\n", state->security_floor);
	}
	if (state->last.kind != DCD_OUTCOME_NONE) {
		char when[32];
		time_text(state->last.time, when);
		printf("  last: %s %s (%s): %s\n", when, dcd_outcome_name(state->last.kind), dcd_err_name(state->last.err),
		       state->last.reason);
	}
}

void dcd_show_status(const struct dcd_device *device, const struct dcd_device_state *state, const struct dcd_boot_state *boot, bool json)
{
	if (json) {
		status_json(device->config, state, boot);
	} else {
		status_text(device->config, state, boot);
	}
}

/* ---- check, install, repair ---- */

static const char *result_name(const struct dcd_report *report, int err)
{
	if (err == 0) {
		return report->outcome == DCD_OUTCOME_NONE ? "available" : dcd_outcome_name(report->outcome);
	}
	if (err == DCD_ERR_UP_TO_DATE) {
		return "up-to-date";
	}
	int code = dcd_err_exit_code(err);
	return code == 4 || code == 5 ? "refused" : "failed";
}

static int report_json(struct dcd_json *document, const struct dcd_report *report, int err, const struct dcd_diag *diag)
{
	int bad = dcd_json_set_string(document, "result", result_name(report, err));
	bad |= dcd_json_set_string(document, "version", report->version);
	bad |= dcd_json_set_string(document, "from_version", report->from_version);
	bad |= dcd_json_set_string(document, "payload", report->delta ? "delta" : "full");
	bad |= dcd_json_set_u64(document, "bytes_full", report->bytes_full);
	bad |= dcd_json_set_u64(document, "bytes_best", report->bytes_best);
	bad |= dcd_json_set_u64(document, "bytes_fetched", report->source.bytes);
	bad |= dcd_json_set_u64(document, "requests", report->source.requests);
	bad |= dcd_json_set_u64(document, "exit_code", (uint64_t)dcd_err_exit_code(err));
	if (report->stale[0] != '\0') {
		bad |= dcd_json_set_string(document, "stale", report->stale);
	}
	if (report->damaged[0] != '\0') {
		bad |= dcd_json_set_string(document, "damaged", report->damaged);
	}
	if (err != 0) {
		bad |= dcd_json_set_string(document, "error", dcd_err_name(err));
		bad |= dcd_json_set_string(document, "reason", diag->text);
	}
	return bad;
}

static int stats_json(struct dcd_json *document, const struct dcd_install_stats *stats)
{
	int bad = dcd_json_set_u64(document, "bytes_payload", stats->bytes_payload);
	bad |= dcd_json_set_u64(document, "bytes_written", stats->bytes_written);
	bad |= dcd_json_set_u64(document, "segments", stats->segments);
	bad |= dcd_json_set_u64(document, "segments_already_right", stats->already_right);
	bad |= dcd_json_set_u64(document, "segments_zero", stats->zero);
	bad |= dcd_json_set_u64(document, "segments_same", stats->same);
	bad |= dcd_json_set_u64(document, "segments_delta", stats->delta);
	bad |= dcd_json_set_u64(document, "segments_full", stats->full);
	bad |= dcd_json_set_u64(document, "segments_refetched", stats->refetched);
	bad |= dcd_json_set_u64(document, "segments_rewritten", stats->rewritten);
	return bad;
}

static void warn_stale(const struct dcd_report *report)
{
	if (report->stale[0] != '\0') {
		fprintf(stderr, "decade: warning: %s; accepted because expiry is only reported\n", report->stale);
	}
	if (report->damaged[0] != '\0') {
		fprintf(stderr, "decade: warning: the stored metadata did not verify and was fetched anew: %s\n", report->damaged);
	}
}

void dcd_show_check(const struct dcd_report *report, int err, const struct dcd_diag *diag, bool json)
{
	if (json) {
		struct dcd_json *document = dcd_json_new_object();
		if (report_json(document, report, err, diag) != 0) {
			dcd_json_free(document);
			document = NULL;
		}
		print_and_free(document, true);
		return;
	}
	warn_stale(report);
	if (err == 0) {
		char best[DCD_BYTES_TEXT_SIZE], full[DCD_BYTES_TEXT_SIZE];
		dcd_bytes_text(report->bytes_best, best);
		dcd_bytes_text(report->bytes_full, full);
		printf("release %s is available%s%s: %s as %s (%s in full)\n", report->version, report->from_version[0] != '\0' ? ", from " : "",
		       report->from_version, best, report->delta ? "a delta" : "a full download", full);
	} else if (err == DCD_ERR_UP_TO_DATE) {
		printf("%s\n", diag->text);
	}
}

static void install_text(const struct dcd_report *report, double seconds)
{
	char fetched[DCD_BYTES_TEXT_SIZE], full[DCD_BYTES_TEXT_SIZE], written[DCD_BYTES_TEXT_SIZE];
	const struct dcd_install_stats *stats = &report->stats;
	dcd_bytes_text(report->source.bytes, fetched);
	dcd_bytes_text(report->bytes_full, full);
	dcd_bytes_text(stats->bytes_written, written);
	printf("release %s is %s: %s fetched (%s in full), %s written, %.1f s\n", report->version, dcd_outcome_name(report->outcome), fetched,
	       full, written, seconds);
	printf("segments: %" PRIu64 " in all, %" PRIu64 " already right, %" PRIu64 " zero, %" PRIu64 " same, %" PRIu64 " delta, %" PRIu64
	       " full\n",
	       stats->segments, stats->already_right, stats->zero, stats->same, stats->delta, stats->full);
	if (stats->refetched > 0) {
		printf("%" PRIu64 " segments were fetched in full: the running slot is not what it should be, or their deltas need a newer decade\n",
		       stats->refetched);
	}
	if (stats->rewritten > 0) {
		printf("%" PRIu64 " segments were written again because the medium did not keep them\n", stats->rewritten);
	}
	if (report->outcome == DCD_OUTCOME_ACTIVATED) {
		puts("reboot to try it; 'decade mark-good' then confirms it");
	}
}

void dcd_show_install(const struct dcd_report *report, int err, const struct dcd_diag *diag, double seconds, bool json)
{
	if (json) {
		struct dcd_json *document = dcd_json_new_object();
		int bad = dcd_json_set_string(document, "event", "result");
		bad |= report_json(document, report, err, diag);
		bad |= stats_json(document, &report->stats);
		bad |= dcd_json_set_u64(document, "milliseconds", (uint64_t)(seconds * 1000));
		if (bad != 0) {
			dcd_json_free(document);
			document = NULL;
		}
		print_and_free(document, false);
		return;
	}
	warn_stale(report);
	if (err == 0) {
		install_text(report, seconds);
	} else if (err == DCD_ERR_UP_TO_DATE) {
		printf("%s\n", diag->text);
	}
}

void dcd_show_done(const char *command, int err, const struct dcd_diag *diag, bool json)
{
	if (!json) {
		return;
	}
	struct dcd_json *document = dcd_json_new_object();
	int bad = dcd_json_set_string(document, "command", command);
	bad |= dcd_json_set_string(document, "result", err == 0 ? "done" : "failed");
	bad |= dcd_json_set_u64(document, "exit_code", (uint64_t)dcd_err_exit_code(err));
	if (err != 0) {
		bad |= dcd_json_set_string(document, "error", dcd_err_name(err));
		bad |= dcd_json_set_string(document, "reason", diag->text);
	}
	if (bad != 0) {
		dcd_json_free(document);
		document = NULL;
	}
	print_and_free(document, true);
}
