/* Arithmetic that says when it overflows. Freestanding. */
#ifndef DCD_BASE_CHECKED_H
#define DCD_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool dcd_add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_add_overflow(a, b, ret);
}

static inline bool dcd_mul_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_mul_overflow(a, b, ret);
}

/* True when [offset, offset + length) lies inside [0, size): compared in subtract form, so that nothing can wrap. */
static inline bool dcd_range_inside(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}

/* ceil(a / b) for b > 0, without the overflow of (a + b - 1) / b. */
static inline uint64_t dcd_div_ceil_u64(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0 ? 1U : 0U);
}

static inline uint64_t dcd_min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
