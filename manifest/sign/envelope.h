/* Signing: from a document to the bytes of a metadata file. */
#ifndef DCD_MANIFEST_SIGN_ENVELOPE_H
#define DCD_MANIFEST_SIGN_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "manifest/json/json.h"
#include "manifest/sign/signer.h"

/*
 * {"signatures":[{"keyid","sig"}],"signed":`document`} in the canonical file form (manifest/json/canonical.h), with one signature
 * of each signer over the document's canonical form, in the signers' order. A signer that is given twice signs once: TUF counts a
 * key once, and refuses a key id that occurs twice. The caller frees the bytes. Errors: DCD_ERR_USAGE (no signer),
 * DCD_ERR_NO_MEMORY, a signer's own.
 */
DCD_NODISCARD int dcd_envelope_sign(const struct dcd_json *document, struct dcd_signer *const *signers, size_t signer_count,
				    uint8_t **ret_data, size_t *ret_len, struct dcd_diag *diag);

#endif
