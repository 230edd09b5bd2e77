/* Signing keys that follow from a seed, so that the same seed gives the same run; worthless for anything else. */
#ifndef DCD_TESTS_SIM_SIM_KEY_H
#define DCD_TESTS_SIM_SIM_KEY_H

#include <stdint.h>

#include "manifest/crypto/private_key.h"
#include "manifest/sign/signer.h"

/* ECDSA P-256 or P-384, or Ed25519. */
DCD_NODISCARD int sim_key_signer(uint64_t seed, int number, enum dcd_key_algorithm algorithm, struct dcd_signer **ret,
				 struct dcd_diag *diag);

#endif
