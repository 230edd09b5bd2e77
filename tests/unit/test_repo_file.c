#include "tests/unit/mapping_fixture.h"
#include "tools/repo/repo_file.h"

static void forgetting_more_than_there_is_leaves_the_memory_behind_alone(void **state)
{
	(void)state;
	uint8_t *memory = mapping_fixture_make();
	struct repo_mapping file = { .data = memory, .len = MAPPING_SIZE, .address = memory };
	repo_file_map_forget(&file, MAPPING_SIZE + MAPPING_BEHIND); /* as far as a longer base goes */
	mapping_fixture_check(memory);
	repo_file_unmap(&file);
	munmap(memory + MAPPING_SIZE, MAPPING_BEHIND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forgetting_more_than_there_is_leaves_the_memory_behind_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
