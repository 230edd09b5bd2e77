/* Paths and sentences in heap memory. A command-line program that has no memory left can only say so and stop. */
#ifndef DCD_TOOLS_REPO_TEXT_H
#define DCD_TOOLS_REPO_TEXT_H

#include <stddef.h>

/* printf into memory that the caller frees; never null. */
char *repo_text(const char *format, ...) __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* calloc and realloc that never return null. */
void *repo_alloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *repo_grow(void *memory, size_t count, size_t size) __attribute__((returns_nonnull));

/* True for a name that can be a version, channel or role: 1..128 of [A-Za-z0-9._+~:-], not starting with '.' or '-'. */
int repo_name_ok(const char *name);

#endif
