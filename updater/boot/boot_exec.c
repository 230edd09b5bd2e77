#include "updater/boot/boot_exec.h"

#include <stdlib.h>
#include <string.h>

#include "updater/boot/boot_exec_format.h"
#include "updater/boot/boot_program.h"

#define DEFAULT_TIMEOUT_S 10

struct boot_exec {
	struct dcd_boot_control base;
	struct dcd_boot_kept kept;
	uint32_t timeout_s;
};

static struct boot_exec *of(struct dcd_boot_control *control)
{
	return (struct boot_exec *)control;
}

static int exec_load(struct dcd_boot_control *control, struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	struct boot_exec *exec = of(control);
	char text[DCD_BOOT_EXEC_MAX];
	struct dcd_boot_call call = {
		.program = exec->kept.place,
		.verb = "get",
		.timeout_s = exec->timeout_s,
		.output = text,
		.capacity = sizeof text,
	};
	int err = dcd_boot_program_run(&call, diag);
	if (err != 0) {
		return dcd_diag_prefix(diag, DCD_ERR_BOOT_STATE, "the boot state is unknown");
	}
	return dcd_boot_exec_decode(text, call.ret_len, exec->kept.bootname, exec->kept.place, ret, diag);
}

/* Asked again, because "done" is easily said: what was stored must be what is read. */
static int check_stored(struct dcd_boot_control *control, const char *text, size_t len, struct dcd_diag *diag)
{
	struct boot_exec *exec = of(control);
	struct dcd_boot_state back;
	char back_text[DCD_BOOT_EXEC_MAX];
	int err = exec_load(control, &back, diag);
	if (err != 0) {
		return err;
	}
	size_t back_len = dcd_boot_exec_encode(&back, exec->kept.bootname, back_text);
	if (back_len != len || memcmp(back_text, text, len) != 0) {
		return dcd_diag_set(diag, DCD_ERR_READ_BACK, "%s set ended well, but its get prints another state",
				    exec->kept.place);
	}
	return 0;
}

static int exec_store(struct dcd_boot_control *control, const struct dcd_boot_state *state, struct dcd_diag *diag)
{
	struct boot_exec *exec = of(control);
	char text[DCD_BOOT_EXEC_MAX], said[DCD_BOOT_EXEC_MAX];
	struct dcd_boot_state before;
	/* A state that is unknown is never overwritten. */
	int err = exec_load(control, &before, diag);
	if (err != 0) {
		return err;
	}
	size_t len = dcd_boot_exec_encode(state, exec->kept.bootname, text);
	struct dcd_boot_call call = {
		.program = exec->kept.place,
		.verb = "set",
		.input = text,
		.input_len = len,
		.timeout_s = exec->timeout_s,
		.output = said,
		.capacity = sizeof said,
	};
	err = dcd_boot_program_run(&call, diag);
	if (err != 0) {
		return dcd_diag_prefix(diag, DCD_ERR_IO, "the boot state could not be stored");
	}
	return check_stored(control, text, len, diag);
}

static void exec_close(struct dcd_boot_control *control)
{
	struct boot_exec *exec = of(control);
	dcd_boot_kept_free(&exec->kept);
	free(exec);
}

static const struct dcd_boot_control_ops exec_ops = {
	.load = exec_load,
	.store = exec_store,
	.close = exec_close,
};

int dcd_boot_exec_open(const struct dcd_boot_options *options, struct dcd_boot_control **ret, struct dcd_diag *diag)
{
	if (options->program == NULL) {
		return dcd_diag_set(diag, DCD_ERR_CONFIG,
				    "'loader = exec' in [boot] needs 'program', the program that keeps the boot state");
	}
	struct boot_exec *exec = calloc(1, sizeof *exec);
	if (exec == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the boot state");
	}
	exec->base.ops = &exec_ops;
	exec->base.name = "exec";
	exec->timeout_s = options->program_timeout_s > 0 ? options->program_timeout_s : DEFAULT_TIMEOUT_S;
	int err = dcd_boot_keep(&exec->kept, options, options->program, diag);
	if (err != 0) {
		exec_close(&exec->base);
		return err;
	}
	*ret = &exec->base;
	return 0;
}
