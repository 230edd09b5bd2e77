/* A number of bytes for people. */
#ifndef DCD_BASE_BYTES_TEXT_H
#define DCD_BASE_BYTES_TEXT_H

#include <stdint.h>

#define DCD_BYTES_TEXT_SIZE 32

/* "1023 B", "1.2 MiB" into `text`. */
void dcd_bytes_text(uint64_t bytes, char text[DCD_BYTES_TEXT_SIZE]);

#endif
