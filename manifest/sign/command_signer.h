/*
 * The signer whose private half lives elsewhere: an HSM, a PKCS #11 token, a cloud's key service, a machine without a network. A
 *command of the user's is run for each signature (docs/trust.md, "Keys that live elsewhere"):
 *
 *	stdin       the message: canonical JSON, exactly the bytes to sign
 *	stdout      the raw signature as TUF writes it in hex: DER for ECDSA, r and s or the modulus' length for the others
 *	DECADE_KEYID, DECADE_KEYTYPE, DECADE_SCHEME, DECADE_ROLE, DECADE_PUBLIC    which key, in its environment
 *	exit code   0, or anything else when it couldn't or may not
 *
 * What comes back is verified with the public key before it is used.
 */
#ifndef DCD_MANIFEST_SIGN_COMMAND_SIGNER_H
#define DCD_MANIFEST_SIGN_COMMAND_SIGNER_H

#include "manifest/sign/signer.h"

/* `key` is a TUF key object (copied), `keyid` its id where it is used, `command` a line for /bin/sh. */
DCD_NODISCARD int dcd_command_signer_new(const char *command, const char *role, const char *keyid, const struct dcd_json *key,
					 struct dcd_signer **ret, struct dcd_diag *diag);

#endif
