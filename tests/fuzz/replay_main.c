/* Runs a fuzz target over every file of its corpus folder: the regression test that needs no fuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL) {
		perror(path);
		return -1;
	}
	uint8_t *data = malloc(1U << 24);
	size_t size = data == NULL ? 0 : fread(data, 1, 1U << 24, file);
	fclose(file);
	/* A tight copy, so that a sanitizer sees a read one byte past the end. */
	uint8_t *tight = malloc(size > 0 ? size : 1);
	if (data == NULL || tight == NULL) {
		free(data);
		free(tight);
		return -1;
	}
	memcpy(tight, data, size);
	free(data);
	(void)LLVMFuzzerTestOneInput(tight, size);
	free(tight);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	DIR *dir = opendir(argv[1]);
	if (dir == NULL) {
		perror(argv[1]);
		return 1;
	}
	unsigned count = 0;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] == '.') {
			continue;
		}
		char path[4096];
		(void)snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
		if (replay_file(path) != 0) {
			return 1;
		}
		count++;
	}
	closedir(dir);
	printf("%u inputs replayed\n", count);
	return count > 0 ? 0 : 1;
}
