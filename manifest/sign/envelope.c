#include "manifest/sign/envelope.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "manifest/json/canonical.h"

static int append_signature(struct dcd_json *signatures, struct dcd_signer *signer, const uint8_t *message, size_t message_len,
			    struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *signature = malloc(DCD_SIGNER_SIGNATURE_MAX);
	DCD_AUTO_FREE char *hex = malloc(2 * (size_t)DCD_SIGNER_SIGNATURE_MAX + 1);
	if (signature == NULL || hex == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for a signature", signer->name);
	}
	size_t len = 0;
	int err = signer->ops->sign(signer, message, message_len, signature, DCD_SIGNER_SIGNATURE_MAX, &len, diag);
	if (err != 0) {
		return err;
	}
	dcd_hex_encode(signature, len, hex);
	struct dcd_json *entry = dcd_json_new_object();
	err = dcd_json_set_string(entry, "keyid", signer->keyid);
	err |= dcd_json_set_string(entry, "sig", hex);
	err |= dcd_json_append(signatures, entry);
	return err == 0 ? 0 : dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for a signature", signer->name);
}

static bool signed_before(struct dcd_signer *const *signers, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (strcmp(signers[i]->keyid, signers[index]->keyid) == 0) {
			return true;
		}
	}
	return false;
}

static int envelope_make(const struct dcd_json *document, struct dcd_json *signatures, uint8_t **ret_data, size_t *ret_len,
			 struct dcd_diag *diag)
{
	struct dcd_json *envelope = dcd_json_new_object();
	int err = dcd_json_set(envelope, "signatures", signatures);
	err |= dcd_json_set(envelope, "signed", dcd_json_copy(document));
	if (err == 0) {
		err = dcd_json_canonical_file_bytes(envelope, ret_data, ret_len);
	}
	dcd_json_free(envelope);
	return err == 0 ? 0 : dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a metadata file");
}

int dcd_envelope_sign(const struct dcd_json *document, struct dcd_signer *const *signers, size_t signer_count, uint8_t **ret_data,
		      size_t *ret_len, struct dcd_diag *diag)
{
	if (signer_count == 0) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "no key to sign with");
	}
	DCD_AUTO_FREE uint8_t *message = NULL;
	size_t message_len = 0;
	int err = dcd_json_canonical_bytes(document, &message, &message_len);
	if (err != 0) {
		return dcd_diag_set(diag, err, "a metadata document has no canonical form");
	}
	struct dcd_json *signatures = dcd_json_new_array();
	if (signatures == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for signatures");
	}
	for (size_t i = 0; i < signer_count; i++) {
		if (!signed_before(signers, i)) {
			err = append_signature(signatures, signers[i], message, message_len, diag);
			if (err != 0) {
				dcd_json_free(signatures);
				return err;
			}
		}
	}
	return envelope_make(document, signatures, ret_data, ret_len, diag);
}
