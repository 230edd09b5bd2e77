/*
 * Runs vectors on a bare Cortex-M3 (QEMU's mps2-an385): start-up code, the four functions that bsdiff/apply imports, and
 * semihosting to speak and to end. QEMU's loader has put the vectors into the board's PSRAM; memory is taken behind them.
 */
#include "base/le.h"
#include "tests/freestanding/vector_format.h"
#include "tests/freestanding/vector_run.h"

#define PSRAM 0x21000000U
#define PSRAM_END 0x22000000U
#define STACK_SIZE (16U << 10)

enum { SEMIHOSTING_WRITE0 = 0x04, SEMIHOSTING_EXIT = 0x18, SEMIHOSTING_EXITED = 0x20026, SEMIHOSTING_FAILED = 0x20023 };

void *memcpy(void *restrict dst, const void *restrict src, size_t len);
void *memmove(void *dst, const void *src, size_t len);
void *memset(void *dst, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);
void reset(void);
void fault(void);

void *memcpy(void *restrict dst, const void *restrict src, size_t len)
{
	return memmove(dst, src, len);
}

void *memmove(void *dst, const void *src, size_t len)
{
	uint8_t *to = dst;
	const uint8_t *from = src;
	if ((uintptr_t)to <= (uintptr_t)from) {
		for (size_t i = 0; i < len; i++) {
			to[i] = from[i];
		}
	} else {
		for (size_t i = len; i > 0; i--) {
			to[i - 1] = from[i - 1];
		}
	}
	return dst;
}

void *memset(void *dst, int byte, size_t len)
{
	uint8_t *to = dst;
	for (size_t i = 0; i < len; i++) {
		to[i] = (uint8_t)byte;
	}
	return dst;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const uint8_t *p = a, *q = b;
	for (size_t i = 0; i < len; i++) {
		if (p[i] != q[i]) {
			return p[i] < q[i] ? -1 : 1;
		}
	}
	return 0;
}

static void semihosting(uint32_t operation, uintptr_t argument)
{
	register uint32_t r0 __asm__("r0") = operation;
	register uintptr_t r1 __asm__("r1") = argument;
	__asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void say(const char *text)
{
	semihosting(SEMIHOSTING_WRITE0, (uintptr_t)text);
}

static size_t vectors_length(const uint8_t *vectors)
{
	const uint8_t *head = vectors;
	while (dcd_le32_get(head + VECTOR_HEAD_RECORD) != VECTOR_END) {
		head += VECTOR_HEAD_SIZE + dcd_le32_get(head + VECTOR_HEAD_BODY);
	}
	return (size_t)(head - vectors) + VECTOR_HEAD_SIZE;
}

static _Alignas(16) uint8_t stack[STACK_SIZE];

void reset(void)
{
	uint8_t *vectors = (uint8_t *)(uintptr_t)PSRAM; /* NOLINT(performance-no-int-to-ptr) */
	size_t len = vectors_length(vectors);
	const struct vector_world world = { vectors, len, vectors + len, PSRAM_END - PSRAM - len, stack, say };
	struct vector_tally tally;
	int result = vector_run(&world, &tally);
	vector_report(&world, &tally);
	semihosting(SEMIHOSTING_EXIT, result == 0 ? SEMIHOSTING_EXITED : SEMIHOSTING_FAILED);
}

void fault(void)
{
	say("the processor has faulted\n");
	semihosting(SEMIHOSTING_EXIT, SEMIHOSTING_FAILED);
}

/* Where the processor starts: its stack, and what to call for reset, NMI, hard fault and the other faults. */
__attribute__((section(".start"), used)) static const struct {
	uint8_t *stack;
	void (*handlers[6])(void);
} start = { stack + STACK_SIZE, { reset, fault, fault, fault, fault, fault } };
