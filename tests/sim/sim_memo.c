#include "tests/sim/sim_memo.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "manifest/crypto/public_key.h"
#include "manifest/json/canonical.h"

#define VERDICTS 16384
#define KEYS_MAX 256
#define TABLE 8192 /* documents and their canonical forms: 2^13, at most half full */
#define RECENT 16

struct question {
	uint64_t a, b;
};

static void ask(struct question *question, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	question->a ^= len;
	for (; len > 0;) {
		uint64_t word = 0;
		size_t n = len < 8 ? len : 8;
		memcpy(&word, bytes, n);
		question->a = (question->a ^ word) * UINT64_C(0x9E3779B97F4A7C15);
		question->a ^= question->a >> 31;
		question->b = (question->b + word) * UINT64_C(0xD6E8FEB86659FD93);
		question->b ^= question->b >> 29;
		bytes += n;
		len -= n;
	}
}

static bool forgetful;

void sim_memo_off(bool off)
{
	forgetful = off;
}

static bool same(const struct question *x, const struct question *y)
{
	return x->a == y->a && x->b == y->b;
}

/* ---- keys and signatures ---- */

struct verdict {
	struct question question;
	bool known;
	bool answer;
};

struct known_key {
	struct question question;
	struct dcd_public_key *key;
};

static struct verdict verdicts[VERDICTS];
static struct known_key known_keys[KEYS_MAX];
static size_t known_key_count;

int __real_dcd_public_key_parse(const char *keytype, const char *scheme, const char *value, struct dcd_public_key **ret,
				struct dcd_diag *diag);
int __wrap_dcd_public_key_parse(const char *keytype, const char *scheme, const char *value, struct dcd_public_key **ret,
				struct dcd_diag *diag);
void __real_dcd_public_key_free(struct dcd_public_key *key);
void __wrap_dcd_public_key_free(struct dcd_public_key *key);
bool __real_dcd_public_key_verify(const struct dcd_public_key *key, const uint8_t *message, size_t message_len,
				  const uint8_t *signature, size_t signature_len);
bool __wrap_dcd_public_key_verify(const struct dcd_public_key *key, const uint8_t *message, size_t message_len,
				  const uint8_t *signature, size_t signature_len);

int __wrap_dcd_public_key_parse(const char *keytype, const char *scheme, const char *value, struct dcd_public_key **ret,
				struct dcd_diag *diag)
{
	if (forgetful) {
		return __real_dcd_public_key_parse(keytype, scheme, value, ret, diag);
	}
	struct question question = { 1, 2 };
	ask(&question, keytype, strlen(keytype));
	ask(&question, scheme, strlen(scheme));
	ask(&question, value, strlen(value));
	for (size_t i = 0; i < known_key_count; i++) {
		if (same(&known_keys[i].question, &question)) {
			*ret = known_keys[i].key;
			return 0;
		}
	}
	int err = __real_dcd_public_key_parse(keytype, scheme, value, ret, diag);
	if (err == 0 && known_key_count < KEYS_MAX) {
		known_keys[known_key_count++] = (struct known_key){ question, *ret };
	}
	return err;
}

static bool key_is_known(const struct dcd_public_key *key)
{
	for (size_t i = 0; i < known_key_count; i++) {
		if (known_keys[i].key == key) {
			return true;
		}
	}
	return false;
}

void __wrap_dcd_public_key_free(struct dcd_public_key *key)
{
	if (!key_is_known(key)) {
		__real_dcd_public_key_free(key);
	}
}

bool __wrap_dcd_public_key_verify(const struct dcd_public_key *key, const uint8_t *message, size_t message_len,
				  const uint8_t *signature, size_t signature_len)
{
	if (forgetful || !key_is_known(key)) {
		return __real_dcd_public_key_verify(key, message, message_len, signature, signature_len);
	}
	struct question question = { 3, 4 };
	ask(&question, &key, sizeof key); /* known keys live for ever, each at its own address */
	ask(&question, message, message_len);
	ask(&question, signature, signature_len);
	struct verdict *verdict = &verdicts[question.a % VERDICTS];
	if (!verdict->known || !same(&verdict->question, &question)) {
		verdict->answer = __real_dcd_public_key_verify(key, message, message_len, signature, signature_len);
		verdict->question = question;
		verdict->known = true;
	}
	return verdict->answer;
}

/* ---- documents ---- */

struct document {
	struct question question;
	bool used;
	struct dcd_json *parsed; /* null: not asked for yet */
};

/* The canonical form of a node of a remembered document; such nodes never change nor go. */
struct form {
	const struct dcd_json *node;
	uint8_t *data;
	size_t len;
};

/* Other documents, as a device's journal, which it reads ten times before it writes it again. */
struct recent {
	struct question question;
	struct dcd_json *parsed; /* null: free */
	unsigned users;
};

static struct recent recents[RECENT];
static size_t recent_next;
static struct document documents[TABLE];
static size_t document_count;
static const struct dcd_json *parsed_set[TABLE];
static struct form forms[TABLE];

int __real_dcd_json_parse(const uint8_t *data, size_t len, const char *what, struct dcd_json **ret, struct dcd_diag *diag);
int __wrap_dcd_json_parse(const uint8_t *data, size_t len, const char *what, struct dcd_json **ret, struct dcd_diag *diag);
void __real_dcd_json_free(struct dcd_json *document);
void __wrap_dcd_json_free(struct dcd_json *document);
void __wrap_dcd_json_freep(struct dcd_json **document);
int __real_dcd_json_canonical_bytes(const struct dcd_json *node, uint8_t **ret_data, size_t *ret_len);
int __wrap_dcd_json_canonical_bytes(const struct dcd_json *node, uint8_t **ret_data, size_t *ret_len);

int __real_dcd_json_canonical_file(const struct dcd_json *node, int (*write)(void *context, const void *data, size_t len),
				   void *context);
int __wrap_dcd_json_canonical_file(const struct dcd_json *node, int (*write)(void *context, const void *data, size_t len),
				   void *context);

static struct form *form_find(const struct dcd_json *node);
static void form_expect(const struct dcd_json *node);

static struct document *document_find(const uint8_t *data, size_t len)
{
	struct question question = { 5, 6 };
	ask(&question, data, len);
	size_t at = question.a & (TABLE - 1);
	while (documents[at].used && !same(&documents[at].question, &question)) {
		at = (at + 1) & (TABLE - 1);
	}
	if (!documents[at].used) {
		documents[at].question = question;
	}
	return &documents[at];
}

void sim_memo_serve(const uint8_t *data, size_t len)
{
	struct document *document = document_find(data, len);
	if (!document->used && document_count < TABLE / 4) {
		document->used = true;
		document_count++;
	}
}

static size_t slot_of(const struct dcd_json *node)
{
	return ((uintptr_t)node >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 51; /* TABLE is 2^13 */
}

static bool is_remembered(const struct dcd_json *parsed)
{
	size_t at = slot_of(parsed);
	while (parsed_set[at] != NULL && parsed_set[at] != parsed) {
		at = (at + 1) & (TABLE - 1);
	}
	return parsed_set[at] != NULL;
}

static void remember(struct document *document, struct dcd_json *parsed)
{
	size_t at = slot_of(parsed);
	while (parsed_set[at] != NULL) {
		at = (at + 1) & (TABLE - 1);
	}
	parsed_set[at] = parsed;
	document->parsed = parsed;
	form_expect(parsed);
	form_expect(dcd_json_member(parsed, "signed"));
}

static struct recent *recent_place(void)
{
	for (size_t i = 0; i < RECENT; i++) {
		struct recent *recent = &recents[recent_next++ % RECENT];
		if (recent->users == 0) {
			__real_dcd_json_free(recent->parsed);
			recent->parsed = NULL;
			return recent;
		}
	}
	return NULL;
}

static int parse_recent(const uint8_t *data, size_t len, const char *what, struct dcd_json **ret, struct dcd_diag *diag)
{
	struct question question = { 5, 6 };
	ask(&question, data, len);
	for (size_t i = 0; i < RECENT; i++) {
		if (recents[i].parsed != NULL && same(&recents[i].question, &question)) {
			recents[i].users++;
			*ret = recents[i].parsed;
			return 0;
		}
	}
	int err = __real_dcd_json_parse(data, len, what, ret, diag);
	struct recent *recent = err != 0 ? NULL : recent_place();
	if (recent != NULL) {
		*recent = (struct recent){ question, *ret, 1 };
	}
	return err;
}

int __wrap_dcd_json_parse(const uint8_t *data, size_t len, const char *what, struct dcd_json **ret, struct dcd_diag *diag)
{
	if (forgetful) {
		return __real_dcd_json_parse(data, len, what, ret, diag);
	}
	struct document *document = document_find(data, len);
	if (!document->used) {
		return parse_recent(data, len, what, ret, diag);
	}
	if (document->parsed != NULL) {
		*ret = document->parsed;
		return 0;
	}
	int err = __real_dcd_json_parse(data, len, what, ret, diag);
	if (err == 0) {
		remember(document, *ret);
	}
	return err;
}

void __wrap_dcd_json_free(struct dcd_json *document)
{
	if (document == NULL || is_remembered(document)) {
		return;
	}
	for (size_t i = 0; i < RECENT; i++) {
		if (recents[i].parsed == document) {
			recents[i].users--;
			return;
		}
	}
	__real_dcd_json_free(document);
}

void __wrap_dcd_json_freep(struct dcd_json **document)
{
	__wrap_dcd_json_free(*document);
}

/* ---- canonical forms ---- */

static struct form *form_find(const struct dcd_json *node)
{
	size_t at = slot_of(node);
	while (forms[at].node != NULL && forms[at].node != node) {
		at = (at + 1) & (TABLE - 1);
	}
	return &forms[at];
}

static void form_expect(const struct dcd_json *node)
{
	if (node != NULL) {
		form_find(node)->node = node;
	}
}

/* The body, which signatures are over. */
int __wrap_dcd_json_canonical_bytes(const struct dcd_json *node, uint8_t **ret_data, size_t *ret_len)
{
	struct form *form = form_find(node);
	if (forgetful || form->node == NULL) {
		return __real_dcd_json_canonical_bytes(node, ret_data, ret_len);
	}
	int err = form->data != NULL ? 0 : __real_dcd_json_canonical_bytes(node, &form->data, &form->len);
	uint8_t *copy = err != 0 ? NULL : malloc(form->len);
	if (err != 0 || copy == NULL) {
		return err != 0 ? err : DCD_ERR_NO_MEMORY;
	}
	memcpy(copy, form->data, form->len);
	*ret_data = copy;
	*ret_len = form->len;
	return 0;
}

/* The file, which must be spelt as its canonical form. */
int __wrap_dcd_json_canonical_file(const struct dcd_json *node, int (*write)(void *context, const void *data, size_t len),
				   void *context)
{
	struct form *form = form_find(node);
	if (forgetful || form->node == NULL) {
		return __real_dcd_json_canonical_file(node, write, context);
	}
	int err = form->data != NULL ? 0 : dcd_json_canonical_file_bytes(node, &form->data, &form->len);
	return err != 0 ? err : write(context, form->data, form->len);
}
