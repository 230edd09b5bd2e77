#include "tests/unit/mapping_fixture.h"
#include "tools/delta/mapped_file.h"

static void forgetting_more_than_there_is_leaves_the_memory_behind_alone(void **state)
{
	(void)state;
	uint8_t *memory = mapping_fixture_make();
	struct dcd_mapped_file file = { { memory, MAPPING_SIZE } };
	dcd_mapped_file_forget(&file, MAPPING_SIZE + MAPPING_BEHIND); /* as far as a longer base goes */
	mapping_fixture_check(memory);
	dcd_mapped_file_close(&file);
	munmap(memory + MAPPING_SIZE, MAPPING_BEHIND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forgetting_more_than_there_is_leaves_the_memory_behind_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
