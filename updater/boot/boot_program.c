#include "updater/boot/boot_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 5
#define COMPLAINT_MAX 160

extern char **environ;

enum { IN_READ, IN_WRITE, OUT_READ, OUT_WRITE, ERR_READ, ERR_WRITE, ENDS };

struct running {
	struct dcd_boot_call *call;
	int fd[ENDS];
	pid_t pid;
	int64_t deadline_ms;
	char complaint[COMPLAINT_MAX]; /* the beginning of stderr */
	size_t complaint_len;
	bool overflow;
};

static int64_t now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void close_end(struct running *run, int end)
{
	if (run->fd[end] >= 0) {
		(void)close(run->fd[end]);
		run->fd[end] = -1;
	}
}

static bool open_pipes(struct running *run)
{
	memset(run->fd, -1, sizeof run->fd);
	for (int i = 0; i < ENDS; i += 2) {
		if (pipe2(&run->fd[i], O_CLOEXEC) != 0) {
			return false;
		}
	}
	return fcntl(run->fd[OUT_READ], F_SETFL, O_NONBLOCK) == 0 && fcntl(run->fd[ERR_READ], F_SETFL, O_NONBLOCK) == 0;
}

/* Our handlers and masks are none of its business; a group of its own, so that what it starts can be killed with it. */
static int spawn(struct running *run)
{
	char *const argv[] = { (char *)run->call->program, (char *)run->call->verb, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	int error = posix_spawn_file_actions_init(&actions);
	if (error != 0) {
		return error;
	}
	error = posix_spawnattr_init(&attributes);
	if (error == 0) {
		short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
		(void)posix_spawnattr_setflags(&attributes, flags);
		(void)posix_spawnattr_setsigmask(&attributes, &none);
		(void)posix_spawnattr_setsigdefault(&attributes, &all);
		error = posix_spawn_file_actions_adddup2(&actions, run->fd[IN_READ], STDIN_FILENO);
		error = error != 0 ? error : posix_spawn_file_actions_adddup2(&actions, run->fd[OUT_WRITE], STDOUT_FILENO);
		error = error != 0 ? error : posix_spawn_file_actions_adddup2(&actions, run->fd[ERR_WRITE], STDERR_FILENO);
		error = error != 0 ? error : posix_spawn(&run->pid, run->call->program, &actions, &attributes, argv, environ);
		(void)posix_spawnattr_destroy(&attributes);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* What can be read now; true while more may come. */
static bool drain_output(struct running *run)
{
	struct dcd_boot_call *call = run->call;
	for (;;) {
		char extra;
		bool full = call->ret_len == call->capacity;
		ssize_t got = read(run->fd[OUT_READ], full ? &extra : call->output + call->ret_len,
				   full ? 1 : call->capacity - call->ret_len);
		if (got > 0 && full) {
			run->overflow = true;
			return false;
		}
		if (got <= 0) {
			return got < 0 && (errno == EAGAIN || errno == EINTR);
		}
		call->ret_len += (size_t)got;
	}
}

static bool drain_complaint(struct running *run)
{
	for (;;) {
		char rest[256];
		size_t room = sizeof run->complaint - 1 - run->complaint_len;
		ssize_t got = read(run->fd[ERR_READ], room > 0 ? run->complaint + run->complaint_len : rest,
				   room > 0 ? room : sizeof rest);
		if (got <= 0) {
			return got < 0 && (errno == EAGAIN || errno == EINTR);
		}
		run->complaint_len += room > 0 ? (size_t)got : 0;
	}
}

static void drain(struct running *run)
{
	if (run->fd[OUT_READ] >= 0 && !drain_output(run)) {
		close_end(run, OUT_READ);
	}
	if (run->fd[ERR_READ] >= 0 && !drain_complaint(run)) {
		close_end(run, ERR_READ);
	}
}

/*
 * Until it has ended. Its outputs may stay open longer (what it left in the background) or be closed earlier, so the end is asked
 * for and not concluded. False: killed, for its time is over or it prints without end.
 */
static bool wait_for_end(struct running *run, int *ret_status)
{
	for (;;) {
		pid_t ended = waitpid(run->pid, ret_status, WNOHANG);
		drain(run);
		if (ended == run->pid) {
			return !run->overflow;
		}
		bool late = now_ms() >= run->deadline_ms;
		if (late || run->overflow || (ended < 0 && errno != EINTR)) {
			(void)kill(-run->pid, SIGKILL);
			(void)waitpid(run->pid, ret_status, 0);
			return false;
		}
		struct pollfd ends[2] = { { run->fd[OUT_READ], POLLIN, 0 }, { run->fd[ERR_READ], POLLIN, 0 } };
		(void)poll(ends, 2, POLL_MS);
	}
}

static int complain(struct running *run, bool ended, int status, struct dcd_diag *diag)
{
	const char *program = run->call->program, *verb = run->call->verb;
	size_t line = strcspn(run->complaint, "\n");
	const char *said = line > 0 ? run->complaint : "it said nothing";
	if (run->overflow) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s %s printed more than %zu bytes", program, verb, run->call->capacity);
	}
	if (!ended) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s %s had not ended after %u s and was killed", program, verb,
				    (unsigned)run->call->timeout_s);
	}
	if (WIFSIGNALED(status)) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s %s was ended by signal %d", program, verb, WTERMSIG(status));
	}
	return dcd_diag_set(diag, DCD_ERR_HOST, "%s %s ended with %d: %.*s", program, verb, WEXITSTATUS(status),
			    (int)(line > 0 ? line : strlen(said)), said);
}

static int run_spawned(struct running *run, struct dcd_diag *diag)
{
	int status = 0;
	close_end(run, IN_READ);
	close_end(run, OUT_WRITE);
	close_end(run, ERR_WRITE);
	bool ended = wait_for_end(run, &status);
	return ended && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : complain(run, ended, status, diag);
}

int dcd_boot_program_run(struct dcd_boot_call *call, struct dcd_diag *diag)
{
	struct running run = { .call = call, .deadline_ms = now_ms() + (int64_t)call->timeout_s * 1000 };
	int err;
	call->ret_len = 0;
	/* A pipe to a program, and nothing durable. All of it fits, so that it is there before anybody reads it. */
	if (!open_pipes(&run) || (call->input_len > 0 &&
				  dprintf(run.fd[IN_WRITE], "%.*s", (int)call->input_len, call->input) != (int)call->input_len)) {
		err = dcd_diag_set(diag, DCD_ERR_HOST, "no pipe to %s: %s", call->program, strerror(errno));
	} else {
		close_end(&run, IN_WRITE);
		int error = spawn(&run);
		err = error != 0 ? dcd_diag_set(diag, DCD_ERR_HOST, "%s can't be started: %s", call->program, strerror(error))
				 : run_spawned(&run, diag);
	}
	for (int i = 0; i < ENDS; i++) {
		close_end(&run, i);
	}
	return err;
}
