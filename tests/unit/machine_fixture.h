/*
 * Small linked programs of the tests' own making, for every machine whose references the filter knows, with the tables that come
 * with code (symbols, relocations, unwind entries, jump tables, a kernel's own); and later builds of them.
 */
#ifndef DCD_TESTS_UNIT_MACHINE_FIXTURE_H
#define DCD_TESTS_UNIT_MACHINE_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

enum machine {
	MACHINE_X86_64,
	MACHINE_AARCH64,
	MACHINE_A32,
	MACHINE_T32,
	MACHINE_RISCV,
	MACHINE_KERNEL, /* x86-64's vmlinux: enough symbols and types that they are recognised */
	MACHINE_COUNT,
};

#define MACHINE_FUNCTIONS_MAX 1200U
#define MACHINE_KERNEL_FUNCTIONS 1200U /* a kernel has no fewer */
#define MACHINE_PROGRAM_MAX (MACHINE_FUNCTIONS_MAX * 256U)

/*
 * Writes a program of so many functions; *out has MACHINE_PROGRAM_MAX bytes. Functions from the `grown`th on lie `growth` (a
 * multiple of 16 up to 64) bytes further than in the build without growth, and tables have an entry more there. The length.
 */
size_t machine_program_make(uint8_t *out, enum machine machine, unsigned functions, unsigned grown, unsigned growth);

#endif
