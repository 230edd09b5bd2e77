#include "updater/engine/device_state.h"

const char *dcd_phase_name(enum dcd_phase phase)
{
	switch (phase) {
	case DCD_PHASE_IDLE:
		return "idle";
	case DCD_PHASE_WRITING:
		return "writing";
	case DCD_PHASE_STAGED:
		return "staged";
	case DCD_PHASE_PENDING:
		return "pending";
	}
	return "unknown";
}

const char *dcd_outcome_name(enum dcd_outcome_kind kind)
{
	switch (kind) {
	case DCD_OUTCOME_NONE:
		return "none";
	case DCD_OUTCOME_STAGED:
		return "staged";
	case DCD_OUTCOME_ACTIVATED:
		return "activated";
	case DCD_OUTCOME_CONFIRMED:
		return "confirmed";
	case DCD_OUTCOME_ROLLED_BACK:
		return "rolled-back";
	case DCD_OUTCOME_REFUSED:
		return "refused";
	case DCD_OUTCOME_FAILED:
		return "failed";
	case DCD_OUTCOME_REPAIRED:
		return "repaired";
	}
	return "unknown";
}

const char *dcd_content_name(enum dcd_slot_content content)
{
	switch (content) {
	case DCD_CONTENT_UNKNOWN:
		return "unknown";
	case DCD_CONTENT_WRITING:
		return "writing";
	case DCD_CONTENT_VERIFIED:
		return "verified";
	}
	return "unknown";
}
