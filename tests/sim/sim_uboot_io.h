/*
 * libubootenv opens, writes and flushes by itself. This program has functions of those names in front of the C library's: for one
 * path they lead to the simulated loader's device, where each is an operation like any other; for all else, to the system.
 */
#ifndef DCD_TESTS_SIM_SIM_UBOOT_IO_H
#define DCD_TESTS_SIM_SIM_UBOOT_IO_H

#include <stddef.h>

/* The path that stands for the device: a file that exists and that nobody changes. */
const char *sim_uboot_path(void);
/* A file with such a text, for as long as the program runs; its path. */
const char *sim_uboot_config(const char *text);
/* Bytes of the device. */
void sim_uboot_size(size_t size);

#endif
