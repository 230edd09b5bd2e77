#include "updater/config/config_ini.h"

#include <ctype.h>
#include <ini.h>
#include <string.h>

/* inih cuts longer names off without a word; its buffers are 50 bytes. */
#define INI_NAME_MAX 48

struct ini_input {
	const char *at;
	size_t left;
	struct dcd_config_builder *builder;
	int err; /* the first one; nothing more is read after it */
};

static void syntax_error(struct ini_input *in, const char *what)
{
	struct dcd_config_builder *b = in->builder;
	in->err = dcd_diag_set(b->diag, DCD_ERR_CONFIG, "%s:%u: %s", b->path, b->line, what);
}

/*
 * inih tells of a section only with its first key. Looking at the heading ourselves finds unknown and empty sections at their own
 * line.
 */
static void note_section(struct ini_input *in, const char *line)
{
	const char *end = strchr(line, ']');
	size_t len = end == NULL ? 0 : (size_t)(end - line) - 1;
	if (len == 0 || len > INI_NAME_MAX) {
		syntax_error(in, "a section heading is [NAME], with a name of at most 48 bytes");
		return;
	}
	size_t blank = strspn(end + 1, " \t\r\n");
	char after = end[1 + blank];
	if (after != '\0' && (after != ';' || blank == 0)) {
		syntax_error(in, "nothing but a comment may follow a section heading");
		return;
	}
	char name[INI_NAME_MAX + 1];
	memcpy(name, line + 1, len);
	name[len] = '\0';
	in->err = dcd_config_section(in->builder, name);
}

/* A reader in the shape of fgets() that counts lines, which inih doesn't tell its handler. */
static char *read_line(char *str, int num, void *stream)
{
	struct ini_input *in = stream;
	if (in->err != 0 || in->left == 0 || num <= 1) {
		return NULL;
	}
	in->builder->line++;
	const char *newline = memchr(in->at, '\n', in->left);
	size_t len = newline == NULL ? in->left : (size_t)(newline - in->at) + 1;
	/* An indented line would go on with the value before it, which no key of ours needs: indentation means nothing here. */
	size_t indent = 0;
	while (indent < len && (in->at[indent] == ' ' || in->at[indent] == '\t')) {
		indent++;
	}
	size_t rest = len - indent;
	/* Two bytes of reserve: inih may drop the end of a line that fills its buffer to the brim. */
	if (rest + 3 > (size_t)num) {
		syntax_error(in, "the line is too long");
		return NULL;
	}
	if (memchr(in->at, '\0', len) != NULL) {
		syntax_error(in, "the file is not text");
		return NULL;
	}
	memcpy(str, in->at + indent, rest);
	str[rest] = '\0';
	in->at += len;
	in->left -= len;
	if (str[0] == '[') {
		note_section(in, str);
	}
	return in->err == 0 ? str : NULL;
}

/* inih's contract: non-zero is success. */
static int take_key(void *user, const char *section, const char *name, const char *value)
{
	struct ini_input *in = user;
	if (in->err != 0) {
		return 0;
	}
	if (name == NULL || value == NULL || strlen(name) > INI_NAME_MAX) {
		syntax_error(in, "a line is KEY = VALUE, with a key of at most 48 bytes");
		return 0;
	}
	in->err = dcd_config_set(in->builder, section, name, value);
	return in->err == 0;
}

int dcd_config_ini_read(const char *text, size_t len, struct dcd_config_builder *builder)
{
	struct ini_input in = { .at = text, .left = len, .builder = builder };
	int line = ini_parse_stream(read_line, &in, take_key, &in);
	if (in.err == 0 && line != 0) {
		builder->line = line > 0 ? (unsigned)line : builder->line;
		syntax_error(&in, "neither a [section] nor KEY = VALUE");
	}
	return in.err;
}
