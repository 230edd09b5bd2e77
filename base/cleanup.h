/* Scope-bound clean-up for hosted code: a resource is released on every way out. Core code owns nothing and needs none of it. */
#ifndef DCD_BASE_CLEANUP_H
#define DCD_BASE_CLEANUP_H

#include <stdlib.h>

#define DCD_CLEANUP(function) __attribute__((cleanup(function)))

static inline void dcd_free_pointer(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

/* `DCD_AUTO_FREE uint8_t *buf = NULL;` */
#define DCD_AUTO_FREE DCD_CLEANUP(dcd_free_pointer)

#endif
