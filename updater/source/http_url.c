#include "updater/source/http_url.h"

#include <string.h>

#include "base/source.h"

static bool unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~", c) != NULL);
}

bool dcd_http_url_join(const char *base, const char *path, char *ret, size_t size)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t used = strlen(base);
	if (used >= size || size - used < 2) {
		return false;
	}
	memcpy(ret, base, used);
	ret[used++] = '/';
	for (; *path != '\0'; path++) {
		if (size - used < 4) { /* an encoded byte and the NUL */
			return false;
		}
		if (unreserved(*path) || *path == '/') {
			ret[used++] = *path;
			continue;
		}
		unsigned char byte = (unsigned char)(*path == DCD_SOURCE_SLASH ? '/' : *path);
		ret[used++] = '%';
		ret[used++] = digits[byte >> 4];
		ret[used++] = digits[byte & 15];
	}
	ret[used] = '\0';
	return true;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	char lower = (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
	const char *at = lower == '\0' ? NULL : strchr(digits, lower);
	return at == NULL ? -1 : (int)(at - digits);
}

bool dcd_http_url_decode(const char *text, char *ret, size_t size)
{
	size_t used = 0;
	while (*text != '\0') {
		char c = *text++;
		if (c == '?' || c == '#' || used + 1 >= size) {
			return false;
		}
		if (c == '%') {
			int high = hex_digit(text[0]);
			int low = high < 0 ? -1 : hex_digit(text[1]);
			if (low < 0 || (high == 0 && low == 0)) {
				return false;
			}
			c = (char)(high * 16 + low);
			text += 2;
		}
		ret[used++] = c;
	}
	ret[used] = '\0';
	return used > 0;
}

bool dcd_http_url_may_redirect(const char *from_scheme, const char *to_scheme)
{
	if (strcmp(to_scheme, "https") == 0) {
		return true;
	}
	return strcmp(to_scheme, "http") == 0 && strcmp(from_scheme, "http") == 0;
}
