#include "manifest/crypto/private_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/md.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/version.h>

#include "base/cleanup.h"
#include "manifest/crypto/sha256.h"

#define KEY_PEM_MAX 16384 /* bytes */

struct dcd_private_key {
	mbedtls_pk_context pk;
	/* Makes keys and blinds signatures; what a signature says doesn't depend on it (RFC 6979). */
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context drbg;
};

void dcd_private_key_free(struct dcd_private_key *key)
{
	if (key != NULL) {
		mbedtls_pk_free(&key->pk);
		mbedtls_ctr_drbg_free(&key->drbg);
		mbedtls_entropy_free(&key->entropy);
		mbedtls_platform_zeroize(key, sizeof *key);
		free(key);
	}
}

static int key_new(struct dcd_private_key **ret, struct dcd_diag *diag)
{
	struct dcd_private_key *key = malloc(sizeof *key);
	if (key == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a private key");
	}
	mbedtls_pk_init(&key->pk);
	mbedtls_entropy_init(&key->entropy);
	mbedtls_ctr_drbg_init(&key->drbg);
	static const unsigned char purpose[] = "decade private key";
	if (mbedtls_ctr_drbg_seed(&key->drbg, mbedtls_entropy_func, &key->entropy, purpose, sizeof purpose - 1) != 0) {
		dcd_private_key_free(key);
		return dcd_diag_set(diag, DCD_ERR_HOST, "the operating system gives no random numbers");
	}
	*ret = key;
	return 0;
}

int dcd_private_key_generate(struct dcd_private_key **ret, struct dcd_diag *diag)
{
	struct dcd_private_key *key = NULL;
	int err = key_new(&key, diag);
	if (err != 0) {
		return err;
	}
	if (mbedtls_pk_setup(&key->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) != 0 ||
	    mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key->pk), mbedtls_ctr_drbg_random, &key->drbg) != 0) {
		dcd_private_key_free(key);
		return dcd_diag_set(diag, DCD_ERR_HOST, "a key could not be generated");
	}
	*ret = key;
	return 0;
}

/* Reads a file of at most `size` bytes. */
static int key_file_read(const char *path, unsigned char *buf, size_t size, size_t *ret_len, struct dcd_diag *diag)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: the key can't be opened: %s", path, strerror(errno));
	}
	size_t len = 0;
	ssize_t n = 1;
	while (n != 0 && len < size) {
		n = read(fd, buf + len, size - len);
		if (n < 0 && errno != EINTR) {
			int err = dcd_diag_set(diag, DCD_ERR_HOST, "%s: the key can't be read: %s", path, strerror(errno));
			close(fd);
			return err;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (len == size) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: too large for a private key", path);
	}
	*ret_len = len;
	return 0;
}

static int key_parse(struct dcd_private_key *key, const unsigned char *pem, size_t size)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	return mbedtls_pk_parse_key(&key->pk, pem, size, NULL, 0);
#else
	return mbedtls_pk_parse_key(&key->pk, pem, size, NULL, 0, mbedtls_ctr_drbg_random, &key->drbg);
#endif
}

static mbedtls_ecp_group_id key_group(const struct dcd_private_key *key)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	return mbedtls_pk_ec(key->pk)->grp.id;
#else
	return mbedtls_pk_ec(key->pk)->MBEDTLS_PRIVATE(grp).id;
#endif
}

int dcd_private_key_load(const char *path, struct dcd_private_key **ret, struct dcd_diag *diag)
{
	unsigned char pem[KEY_PEM_MAX + 1];
	size_t len = 0;
	struct dcd_private_key *key = NULL;
	int err = key_file_read(path, pem, KEY_PEM_MAX, &len, diag);
	if (err == 0) {
		pem[len] = '\0';
		err = key_new(&key, diag);
	}
	if (err == 0 && key_parse(key, pem, len + 1) != 0) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: not an unencrypted private key in PEM form", path);
	}
	if (err == 0 && (mbedtls_pk_get_type(&key->pk) != MBEDTLS_PK_ECKEY || key_group(key) != MBEDTLS_ECP_DP_SECP256R1)) {
		err = dcd_diag_set(diag, DCD_ERR_UNSUPPORTED, "%s: only ECDSA P-256 keys can sign", path);
	}
	mbedtls_platform_zeroize(pem, sizeof pem);
	if (err != 0) {
		dcd_private_key_free(key);
		return err;
	}
	*ret = key;
	return 0;
}

static int write_whole(int fd, const unsigned char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return -1;
		}
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The new name in its folder is durable after this. */
static int sync_parent(const char *path)
{
	DCD_AUTO_FREE char *folder = strdup(path);
	if (folder == NULL) {
		return -1;
	}
	char *slash = strrchr(folder, '/');
	const char *parent = slash == NULL ? "." : slash == folder ? "/" : folder;
	if (slash != NULL && slash != folder) {
		*slash = '\0';
	}
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return -1;
	}
	int result = fsync(fd);
	close(fd);
	return result;
}

static int key_file_create(const char *path, const unsigned char *pem, size_t len, struct dcd_diag *diag)
{
	/* O_EXCL: never over another key, never through a symbolic link; the mode is there before the first byte. */
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST) {
		return dcd_diag_set(diag, DCD_ERR_EXISTS, "%s: there is a file of that name; keys are never replaced", path);
	}
	if (fd < 0) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: can't be created: %s", path, strerror(errno));
	}
	bool ok = fchmod(fd, 0600) == 0 && write_whole(fd, pem, len) == 0 && fsync(fd) == 0;
	int cause = errno;
	if (close(fd) != 0 && ok) {
		ok = false;
		cause = errno;
	}
	if (ok && sync_parent(path) != 0) {
		ok = false;
		cause = errno;
	}
	if (!ok) {
		(void)unlink(path);
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: can't be written: %s", path, strerror(cause));
	}
	return 0;
}

/* mbedTLS takes a context it may write to for what only reads it, and draws blinding from the generator: no caller sees either.
 */
static struct dcd_private_key *key_writable(const struct dcd_private_key *key)
{
	return (struct dcd_private_key *)key;
}

int dcd_private_key_save(const struct dcd_private_key *key, const char *path, struct dcd_diag *diag)
{
	unsigned char pem[KEY_PEM_MAX];
	int err = DCD_ERR_BUG;
	if (mbedtls_pk_write_key_pem(&key_writable(key)->pk, pem, sizeof pem) != 0) {
		err = dcd_diag_set(diag, DCD_ERR_BUG, "%s: the key has no PEM form", path);
	} else {
		err = key_file_create(path, pem, strlen((const char *)pem), diag);
	}
	mbedtls_platform_zeroize(pem, sizeof pem);
	return err;
}

int dcd_private_key_public_pem(const struct dcd_private_key *key, char **ret, struct dcd_diag *diag)
{
	unsigned char pem[1024];
	if (mbedtls_pk_write_pubkey_pem(&key_writable(key)->pk, pem, sizeof pem) != 0) {
		return dcd_diag_set(diag, DCD_ERR_BUG, "the public half of the key has no PEM form");
	}
	char *text = strdup((const char *)pem);
	if (text == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a public key");
	}
	*ret = text;
	return 0;
}

#if MBEDTLS_VERSION_NUMBER < 0x03000000
_Static_assert(MBEDTLS_PK_SIGNATURE_MAX_SIZE <= DCD_SIGNATURE_MAX, "mbedTLS 2 isn't told how much room there is");
#endif

int dcd_private_key_sign(const struct dcd_private_key *key, const uint8_t *message, size_t message_len, uint8_t *signature,
			 size_t *ret_len, struct dcd_diag *diag)
{
	struct dcd_private_key *writable = key_writable(key);
	struct dcd_hash hash;
	dcd_hash_once(&dcd_sha256, message, message_len, &hash);
	size_t len = 0;
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	int failed = mbedtls_pk_sign(&writable->pk, MBEDTLS_MD_SHA256, hash.bytes, sizeof hash.bytes, signature, &len,
				     mbedtls_ctr_drbg_random, &writable->drbg);
#else
	int failed = mbedtls_pk_sign(&writable->pk, MBEDTLS_MD_SHA256, hash.bytes, sizeof hash.bytes, signature,
				     DCD_SIGNATURE_MAX, &len, mbedtls_ctr_drbg_random, &writable->drbg);
#endif
	if (failed != 0) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "signing failed (mbedTLS -0x%04x)", (unsigned)-failed);
	}
	*ret_len = len;
	return 0;
}
