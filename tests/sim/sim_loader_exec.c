/* A maker's program, as packaging/boot/decade-boot-example is one, and a loader that reads the same file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_loader.h"
#include "updater/boot/boot.h"
#include "updater/boot/boot_program.h"

#define STATE "state"
#define HEADLINE "decade-boot 1\n"

static void factory(struct sim_image *image)
{
	sim_loader_put(image, STATE,
		       HEADLINE "order A B\nslot A bootable=1 good=1 tries=0\nslot B bootable=0 good=0 tries=0\nend\n");
}

static int open_adapter(struct sim_media *media, struct dcd_boot_control **ret)
{
	const struct dcd_boot_options options = { .bootname = { "A", "B" }, .program = "/maker" };
	(void)media;
	return dcd_boot_open("exec", &options, ret, NULL);
}

/* In place of a process (linked with --wrap). */
int __wrap_dcd_boot_program_run(struct dcd_boot_call *call, struct dcd_diag *diag)
{
	struct sim_media *media = sim_loader_media();
	struct dcd_dir *dir = &media->folder[SIM_LOADER_DIR].base;
	if (strcmp(call->verb, "set") == 0) {
		call->ret_len = 0;
		return dcd_dir_replace(dir, STATE, call->input, call->input_len, diag);
	}
	char text[512];
	size_t len;
	int err = dir->ops->read(dir, STATE, text, sizeof text, &len);
	const struct sim_blob *booted = sim_loader_file(&media->now, "booted");
	if (err != 0 || booted == NULL || len < sizeof HEADLINE - 1) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "no state");
	}
	call->ret_len = (size_t)snprintf(call->output, call->capacity, HEADLINE "booted %c\n%.*s", booted->data[0],
					 (int)(len - (sizeof HEADLINE - 1)), text + sizeof HEADLINE - 1);
	return 0;
}

static int boot(struct sim_media *media, bool *ret_counted)
{
	const struct sim_blob *state = sim_loader_file(&media->now, STATE);
	char text[512], order[DCD_SLOT_COUNT];
	int listed[DCD_SLOT_COUNT], count = 0;
	bool good[DCD_SLOT_COUNT] = { false };
	if (state == NULL) {
		return -1;
	}
	(void)snprintf(text, sizeof text, "%.*s", (int)state->len, (const char *)state->data);
	if (sscanf(text, HEADLINE "order %c %c", &order[0], &order[1]) != 2) {
		return -1;
	}
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		char line[16], *found;
		(void)snprintf(line, sizeof line, "slot %c ", order[i]);
		found = strstr(text, line);
		if (found == NULL || strncmp(found + 7, "bootable=1", 10) != 0) {
			continue;
		}
		int slot = order[i] == 'B';
		char *tries = strstr(found, "tries=") + 6;
		listed[count++] = slot;
		good[slot] = strncmp(found + 18, "good=1", 6) == 0;
		if (good[slot]) {
			return slot;
		}
		if (*tries >= '1' && *tries <= '9') {
			--*tries;
			*ret_counted = dcd_dir_replace(&media->folder[SIM_LOADER_DIR].base, STATE, text, strlen(text), NULL) == 0;
			if (*ret_counted) {
				return slot;
			}
		}
	}
	return sim_loader_last_resort(listed, count, good);
}

const struct sim_loader sim_loader_exec = { .name = "exec", .factory = factory, .open = open_adapter, .boot = boot };
