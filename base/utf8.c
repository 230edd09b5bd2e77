#include "base/utf8.h"

#include <stdbool.h>

size_t dcd_utf8_length(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	if (s[0] < 0x80) {
		return 1;
	}
	size_t len = s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	bool bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf0 && s[1] < 0x90) ||
		   (s[0] == 0xf4 && s[1] >= 0x90);
	return bad ? 0 : len;
}

static bool is_control(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

void dcd_utf8_clean(char *text)
{
	while (*text != '\0') {
		size_t len = dcd_utf8_length(text);
		if (len == 0) {
			*text = '?';
			len = 1;
		} else if (is_control(text)) {
			for (size_t i = 0; i < len; i++) {
				text[i] = '?';
			}
		}
		text += len;
	}
}
