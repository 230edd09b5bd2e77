/* Files of private keys. Internal to manifest/crypto and manifest/sign; host only. */
#ifndef DCD_MANIFEST_CRYPTO_PRIVATE_FILE_H
#define DCD_MANIFEST_CRYPTO_PRIVATE_FILE_H

#include <stddef.h>

#include "base/diag.h"

/* Reads a file of fewer than `size` bytes. */
DCD_NODISCARD int private_file_read(const char *path, unsigned char *buf, size_t size, size_t *ret_len, struct dcd_diag *diag);

/* A new file with mode 0600, durable on return; DCD_ERR_EXISTS when the path is taken. */
DCD_NODISCARD int private_file_create(const char *path, const unsigned char *pem, size_t len, struct dcd_diag *diag);

#endif
