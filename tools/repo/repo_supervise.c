#include "tools/repo/repo_supervise.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/repo/repo_file.h"
#include "tools/repo/repo_publish.h"

static const int stopping[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
#define STOPPING_COUNT (sizeof stopping / sizeof stopping[0])

static void stopping_set(sigset_t *ret)
{
	sigemptyset(ret);
	for (size_t i = 0; i < STOPPING_COUNT; i++) {
		struct sigaction action;
		/* Who started us with a signal ignored (nohup, a script's background job) doesn't want it to stop us. */
		if (sigaction(stopping[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
			sigaddset(ret, stopping[i]);
		}
	}
	sigaddset(ret, SIGCHLD);
}

/* Ctrl-C goes to the whole group: the child leaves it to the guard, which may just be past the point where stopping makes sense.
 */
static void child_run(pid_t guard, const sigset_t *signals, int (*work)(void *context, struct dcd_diag *diag), void *context)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != guard) {
		_exit(1); /* the guard died before the line above could see it */
	}
	for (size_t i = 0; i < STOPPING_COUNT; i++) {
		signal(stopping[i], SIG_IGN);
	}
	/* Only now: what was pending is ignored too. */
	sigprocmask(SIG_SETMASK, signals, NULL);
	struct dcd_diag diag = { 0 };
	int err = work(context, &diag);
	if (err != 0) {
		fflush(stdout);
		fprintf(stderr, "decade-repo: %s\n", diag.text[0] != '\0' ? diag.text : dcd_err_name(err));
	}
	fflush(stdout);
	/* An exit code can't carry our error; its negative fits into one. */
	_exit(-err & 0xff);
}

/* Waits for the child; a signal kills it. `*ret_stopped` is that signal, or 0. */
static int child_wait(pid_t child, const sigset_t *signals, int *ret_stopped)
{
	int status = 0;
	*ret_stopped = 0;
	for (;;) {
		pid_t done = waitpid(child, &status, WNOHANG);
		if (done == child) {
			return status;
		}
		siginfo_t info;
		int number = sigwaitinfo(signals, &info);
		if (number > 0 && number != SIGCHLD) {
			*ret_stopped = number;
			kill(child, SIGKILL);
		}
	}
}

static int child_result(int status, int stopped, enum repo_leftover leftover, struct dcd_diag *diag)
{
	if (WIFEXITED(status)) {
		return -WEXITSTATUS(status);
	}
	if (leftover == REPO_LEFTOVER_COMMITTED) {
		fputs("decade-repo: stopped when everything had been published\n", stderr);
		return 0;
	}
	if (stopped != 0) {
		return dcd_diag_set(diag, DCD_ERR_CANCELLED, "stopped by a signal (%s); the repository is as it was",
				    strsignal(stopped));
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS) {
		return dcd_diag_set(diag, DCD_ERR_IO,
				    "an image shrank or could not be read while it was in use; the repository is as it was");
	}
	return dcd_diag_set(diag, DCD_ERR_BUG, "the work ended by a signal (%s); the repository is as it was",
			    WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "?");
}

static int recover_before(const struct repo_place *place, struct dcd_diag *diag)
{
	enum repo_leftover leftover = REPO_LEFTOVER_NONE;
	int err = repo_publish_recover(place, &leftover, diag);
	if (err == 0 && leftover == REPO_LEFTOVER_REMOVED) {
		fprintf(stderr, "decade-repo: removed what an interrupted run had left at %s\n", place->root);
	}
	return err;
}

int repo_supervise(struct repo_place *place, int (*work)(void *context, struct dcd_diag *diag), void *context,
		   struct dcd_diag *diag)
{
	int err = repo_place_lock(place, diag);
	if (err != 0) {
		return err;
	}
	sigset_t signals;
	sigset_t before;
	stopping_set(&signals);
	sigprocmask(SIG_BLOCK, &signals, &before);
	err = recover_before(place, diag);
	if (err != 0) {
		return err;
	}
	fflush(stdout);
	fflush(stderr);
	pid_t guard = getpid();
	pid_t child = fork();
	if (child < 0) {
		return repo_file_error(diag, "start the work for", place->root);
	}
	if (child == 0) {
		child_run(guard, &before, work, context);
	}
	int stopped = 0;
	int status = child_wait(child, &signals, &stopped);
	enum repo_leftover leftover = REPO_LEFTOVER_NONE;
	err = repo_publish_recover(place, &leftover, diag);
	return err != 0 ? err : child_result(status, stopped, leftover, diag);
}
