/*
 * What is computed once for all simulated devices. A million of them read the same few keys, check the same few signatures and
 * parse the same few documents. Each of these is a pure function of its bytes, so the real code answers the first time and the
 * answer is remembered: the linker's --wrap puts this library between the device's code and
 *
 *   dcd_public_key_parse, dcd_public_key_verify          of any key, message and signature
 *   dcd_json_parse                                       of a document that the world serves, and of the last few others
 *   dcd_json_canonical_bytes, dcd_json_canonical_file    of a document that the world serves
 *
 * Nothing else is remembered: which file is fetched, whether its length, hash, version and expiry are right, what is stored,
 * decoded, written and read back is done by each device each time. Questions are told apart by 128 bits of a fast hash: nobody
 * attacks a simulation from inside.
 */
#ifndef DCD_TESTS_SIM_SIM_MEMO_H
#define DCD_TESTS_SIM_SIM_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From now on these bytes, as a document, are parsed once. */
void sim_memo_serve(const uint8_t *data, size_t len);

/* Off: the real code answers each time. What is remembered stays. */
void sim_memo_off(bool off);

#endif
