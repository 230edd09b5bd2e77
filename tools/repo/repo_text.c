#include "tools/repo/repo_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 128

static void stop_without_memory(void)
{
	fputs("decade-repo: out of memory\n", stderr);
	exit(1);
}

char *repo_text(const char *format, ...)
{
	char *text = NULL;
	va_list args;
	va_start(args, format);
	int n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0 || text == NULL) {
		stop_without_memory();
	}
	return text;
}

void *repo_alloc(size_t count, size_t size)
{
	void *memory = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
	if (memory == NULL) {
		stop_without_memory();
	}
	return memory;
}

void *repo_grow(void *memory, size_t count, size_t size)
{
	void *grown = reallocarray(memory, count == 0 ? 1 : count, size);
	if (grown == NULL) {
		stop_without_memory();
	}
	return grown;
}

int repo_name_ok(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~:-";
	size_t len = strlen(name);
	return len > 0 && len <= NAME_MAX_BYTES && strspn(name, allowed) == len && name[0] != '.' && name[0] != '-';
}
