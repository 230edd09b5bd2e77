#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "tools/delta/mapped_file.h"

#define FILE_SIZE ((size_t)2 << 20)
#define BEHIND ((size_t)4 << 20) /* bytes of other memory right behind the file's */

static void forgetting_more_than_there_is_leaves_the_memory_behind_alone(void **state)
{
	(void)state;
	int fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)FILE_SIZE), 0);
	uint8_t *memory = mmap(NULL, FILE_SIZE + BEHIND, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	memset(memory + FILE_SIZE, 0x5a, BEHIND);
	assert_ptr_equal(mmap(memory, FILE_SIZE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0), memory);
	close(fd);
	struct dcd_mapped_file file = { { memory, FILE_SIZE } };
	dcd_mapped_file_forget(&file, FILE_SIZE + BEHIND); /* as far as a longer base goes */
	for (size_t i = 0; i < BEHIND; i++) {
		assert_int_equal(memory[FILE_SIZE + i], 0x5a);
	}
	assert_int_equal(memory[FILE_SIZE - 1], 0);
	dcd_mapped_file_close(&file);
	munmap(memory + FILE_SIZE, BEHIND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forgetting_more_than_there_is_leaves_the_memory_behind_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
