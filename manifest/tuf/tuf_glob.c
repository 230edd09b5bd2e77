#include "manifest/tuf/tuf_glob.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One character of UTF-8, or one byte where it isn't UTF-8; *ret_len is 0 at the end. */
static uint32_t character(const char *text, size_t *ret_len)
{
	const unsigned char *s = (const unsigned char *)text;
	static const struct {
		unsigned char mask, lead, bits;
		size_t more;
	} forms[] = { { 0xe0, 0xc0, 0x1f, 1 }, { 0xf0, 0xe0, 0x0f, 2 }, { 0xf8, 0xf0, 0x07, 3 } };
	*ret_len = s[0] == 0 ? 0 : 1;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		if ((s[0] & forms[i].mask) != forms[i].lead) {
			continue;
		}
		uint32_t value = s[0] & forms[i].bits;
		for (size_t k = 1; k <= forms[i].more; k++) {
			if ((s[k] & 0xc0) != 0x80) {
				return s[0];
			}
			value = value << 6 | (s[k] & 0x3fU);
		}
		*ret_len = forms[i].more + 1;
		return value;
	}
	return s[0];
}

/* The length of the set that begins at '[', or 0 where none does. A ']' right after the beginning is a member. */
static size_t set_length(const char *pattern)
{
	size_t at = 1;
	at += pattern[at] == '!' ? 1U : 0U;
	at += pattern[at] == ']' ? 1U : 0U;
	while (pattern[at] != '\0' && pattern[at] != '/' && pattern[at] != ']') {
		at++;
	}
	return pattern[at] == ']' ? at + 1 : 0;
}

static bool set_has(const char *set, size_t len, uint32_t c)
{
	const char *end = set + len - 1;
	const char *at = set + 1;
	bool negated = *at == '!';
	at += negated ? 1 : 0;
	bool found = false;
	while (at < end) {
		size_t n = 0, m = 0;
		uint32_t low = character(at, &n);
		at += n;
		uint32_t high = low;
		if (*at == '-' && at + 1 < end) {
			high = character(at + 1, &m);
			at += 1 + m;
		}
		found = found || (low <= c && c <= high);
	}
	return found != negated;
}

/* One element of the pattern that isn't '*' against one character: how much of each it takes, or false. */
static bool element_match(const char *pattern, const char *path, size_t *ret_pattern, size_t *ret_path)
{
	uint32_t c = character(path, ret_path);
	size_t set = pattern[0] == '[' ? set_length(pattern) : 0;
	if (*ret_path == 0 || pattern[0] == '\0') {
		return false;
	}
	if (pattern[0] == '?' || set > 0) {
		*ret_pattern = set > 0 ? set : 1;
		return c != '/' && (set == 0 || set_has(pattern, set, c));
	}
	return character(pattern, ret_pattern) == c;
}

/* A '*' can't cross a '/', so a component has only its own last '*' to go back to. */
bool tuf_glob_match(const char *pattern, const char *path)
{
	const char *star = NULL; /* what follows the last '*' */
	const char *tried = NULL;
	while (*path != '\0' || *pattern != '\0') {
		size_t in_pattern = 0, in_path = 0;
		if (*pattern == '*') {
			star = ++pattern;
			tried = path;
		} else if (element_match(pattern, path, &in_pattern, &in_path)) {
			pattern += in_pattern;
			path += in_path;
		} else if (star != NULL && *tried != '\0' && *tried != '/') {
			(void)character(tried, &in_path);
			tried += in_path;
			path = tried;
			pattern = star;
		} else {
			return false;
		}
	}
	return true;
}

static bool component_match(const char *pattern, size_t pattern_len, const char *text, size_t text_len)
{
	char a[512], b[512];
	if (pattern_len >= sizeof a || text_len >= sizeof b) {
		return true; /* too long to look into: it may match */
	}
	memcpy(a, pattern, pattern_len);
	memcpy(b, text, text_len);
	a[pattern_len] = '\0';
	b[text_len] = '\0';
	return tuf_glob_match(a, b);
}

bool tuf_glob_may_hold(const char *pattern, const char *folder)
{
	while (*folder != '\0') {
		size_t p = strcspn(pattern, "/");
		size_t f = strcspn(folder, "/");
		if (pattern[p] != '/' || folder[f] != '/' || !component_match(pattern, p, folder, f)) {
			return false;
		}
		pattern += p + 1;
		folder += f + 1;
	}
	return true;
}
