/* A mapped file with other memory right behind it, to see that giving memory back stays within the file. */
#ifndef DCD_TESTS_MAPPING_FIXTURE_H
#define DCD_TESTS_MAPPING_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#define MAPPING_SIZE ((size_t)2 << 20)
#define MAPPING_BEHIND ((size_t)4 << 20) /* bytes of the other memory */

/* MAPPING_SIZE bytes of a file of zeros; what is behind them is 0x5a. The file's part is the caller's to unmap. */
static inline uint8_t *mapping_fixture_make(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)MAPPING_SIZE), 0);
	uint8_t *memory = mmap(NULL, MAPPING_SIZE + MAPPING_BEHIND, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	memset(memory + MAPPING_SIZE, 0x5a, MAPPING_BEHIND);
	assert_ptr_equal(mmap(memory, MAPPING_SIZE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0), memory);
	close(fd);
	return memory;
}

/* Both parts have what they had. */
static inline void mapping_fixture_check(const uint8_t *memory)
{
	for (size_t i = 0; i < MAPPING_BEHIND; i++) {
		assert_int_equal(memory[MAPPING_SIZE + i], 0x5a);
	}
	assert_int_equal(memory[MAPPING_SIZE - 1], 0);
}

#endif
