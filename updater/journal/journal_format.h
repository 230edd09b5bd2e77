/*
 * One copy of the journal as bytes. Pure: no I/O.
 *
 *	decade-journal 1 <SHA-256 of all that follows the next space, in hex> <sequence, decimal>\n
 *	<the device state as JSON>\n
 *
 * The hash covers the sequence too: it decides between copies. Unknown JSON members are ignored, so that a release can roll back
 * to one with an older reader; what an older reader must not ignore gets a new number in the first line.
 */
#ifndef DCD_UPDATER_JOURNAL_JOURNAL_FORMAT_H
#define DCD_UPDATER_JOURNAL_JOURNAL_FORMAT_H

#include <stdint.h>

#include "updater/engine/device_state.h"

#define DCD_JOURNAL_MAX (256U << 10) /* bytes; the largest device state stays below it */
#define DCD_JOURNAL_SEQUENCE_MAX ((uint64_t)INT64_MAX)

/*
 * The caller frees the bytes. Text that is not UTF-8 (a sentence cut in the middle of a character) has the bad bytes replaced by
 * '?': a message must never be why a state can't be stored. DCD_ERR_NO_MEMORY; DCD_ERR_USAGE for a state with values that decode
 * would refuse.
 */
DCD_NODISCARD int dcd_journal_encode(const struct dcd_device_state *state, uint64_t sequence, uint8_t **ret_data, size_t *ret_len,
				     struct dcd_diag *diag);

/*
 * The reverse, trusting nothing: hash, counts, lengths, ranges, slot indices. `what` names the copy in messages. DCD_ERR_JOURNAL
 * or DCD_ERR_NO_MEMORY. *ret is large; it is written only on success.
 */
DCD_NODISCARD int dcd_journal_decode(const uint8_t *data, size_t len, const char *what, struct dcd_device_state *ret,
				     uint64_t *ret_sequence, struct dcd_diag *diag);

#endif
