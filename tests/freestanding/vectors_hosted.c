/* Runs a file of vectors as a process: on this machine, or as an Arm program under qemu-arm. */
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "tests/freestanding/vector_run.h"

#define MEMORY (12U << 20)
#define STACK (256U << 10) /* of its own, so that it can be painted */

static struct vector_world world;
static struct vector_tally tally;
static int result = 1;
static ucontext_t outside, inside;
static _Alignas(16) uint8_t stack[STACK];

static void say(const char *text)
{
	fputs(text, stdout);
}

static void run_inside(void)
{
	result = vector_run(&world, &tally);
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
	long len = file != NULL && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
	if (len < 0) {
		fprintf(stderr, "usage: %s VECTORS\n", argv[0]);
		return 2;
	}
	uint8_t *vectors = aligned_alloc(16, ((size_t)len + 15) / 16 * 16), *memory = aligned_alloc(16, MEMORY);
	rewind(file);
	if (vectors == NULL || memory == NULL || fread(vectors, 1, (size_t)len, file) != (size_t)len ||
	    getcontext(&inside) != 0) {
		perror(argv[1]);
		return 1;
	}
	fclose(file);
	world = (struct vector_world){ vectors, (size_t)len, memory, MEMORY, stack, say };
	inside.uc_stack.ss_sp = stack;
	inside.uc_stack.ss_size = sizeof stack;
	inside.uc_link = &outside;
	makecontext(&inside, run_inside, 0);
	if (swapcontext(&outside, &inside) != 0) {
		return 1;
	}
	vector_report(&world, &tally);
	free(vectors);
	free(memory);
	return result;
}
