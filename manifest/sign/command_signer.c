#include "manifest/sign/command_signer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "manifest/crypto/public_key.h"

struct command_signer {
	struct dcd_signer base;
	char *command;
	char *role;
};

/* In the child, after fork(): nothing but execution is left. */
static void run_child(const struct command_signer *self, int in, int out)
{
	const struct dcd_json *key = self->base.key;
	const char *names[] = { "DECADE_KEYID", "DECADE_KEYTYPE", "DECADE_SCHEME", "DECADE_ROLE", "DECADE_PUBLIC" };
	const char *values[] = { self->base.keyid, dcd_json_string(dcd_json_member(key, "keytype")),
				 dcd_json_string(dcd_json_member(key, "scheme")), self->role,
				 dcd_json_string(dcd_json_member(dcd_json_member(key, "keyval"), "public")) };
	bool ok = dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0;
	for (size_t i = 0; ok && i < sizeof names / sizeof names[0]; i++) {
		ok = setenv(names[i], values[i] == NULL ? "" : values[i], 1) == 0;
	}
	close(in);
	close(out);
	if (ok) {
		(void)signal(SIGPIPE, SIG_DFL);
		execl("/bin/sh", "sh", "-c", self->command, (char *)NULL);
	}
	_exit(127);
}

/* A message may be larger than a pipe, and a command may answer before it has read everything: both ways at once. */
static bool talk(int fd, const uint8_t *message, size_t message_len, uint8_t *signature, size_t capacity, size_t *ret_len)
{
	size_t sent = 0, got = 0;
	bool writing = true;
	for (;;) {
		struct pollfd wait = { .fd = fd, .events = (short)(POLLIN | (writing ? POLLOUT : 0)) };
		if (poll(&wait, 1, -1) < 0 && errno != EINTR) {
			return false;
		}
		if (writing && (wait.revents & (POLLOUT | POLLERR)) != 0) {
			ssize_t n = sent < message_len ? send(fd, message + sent, message_len - sent, MSG_NOSIGNAL) : 0;
			sent += n > 0 ? (size_t)n : 0;
			if (sent == message_len || (n < 0 && errno != EINTR)) {
				writing = false; /* all sent, or it doesn't listen: what it answers is judged by its signature */
				(void)shutdown(fd, SHUT_WR);
			}
		}
		if ((wait.revents & (POLLIN | POLLHUP)) != 0) {
			ssize_t n = read(fd, signature + got, capacity - got);
			if (n == 0 || (n < 0 && errno != EINTR)) {
				*ret_len = got;
				return n == 0 || errno == ECONNRESET;
			}
			got += n > 0 ? (size_t)n : 0;
			if (got == capacity) {
				return false;
			}
		}
	}
}

static int run_command(const struct command_signer *self, const uint8_t *message, size_t message_len, uint8_t *signature,
		       size_t capacity, size_t *ret_len, struct dcd_diag *diag)
{
	int ends[2];
	int status = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: can't be run: %s", self->base.name, strerror(errno));
	}
	pid_t child = fork();
	if (child == 0) {
		run_child(self, ends[1], ends[1]);
	}
	close(ends[1]);
	bool ok = child > 0 && talk(ends[0], message, message_len, signature, capacity, ret_len);
	close(ends[0]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
	}
	if (!ok || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: gave no signature for %s by key %.16s… (exit code %d)",
				    self->base.name, self->role, self->base.keyid, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	}
	return 0;
}

static int check_signature(const struct command_signer *self, const uint8_t *message, size_t message_len,
			   const uint8_t *signature, size_t len, struct dcd_diag *diag)
{
	struct dcd_public_key *key = NULL;
	const struct dcd_json *object = self->base.key;
	int err = dcd_public_key_parse(dcd_json_string(dcd_json_member(object, "keytype")),
				       dcd_json_string(dcd_json_member(object, "scheme")),
				       dcd_json_string(dcd_json_member(dcd_json_member(object, "keyval"), "public")), &key, diag);
	if (err == 0 && !dcd_public_key_verify(key, message, message_len, signature, len)) {
		err = dcd_diag_set(diag, DCD_ERR_SIGNATURE, "%s: its %zu bytes are no signature by key %.16s…", self->base.name,
				   len, self->base.keyid);
	}
	dcd_public_key_free(key);
	return err;
}

static int command_sign(struct dcd_signer *signer, const uint8_t *message, size_t message_len, uint8_t *signature,
			size_t capacity, size_t *ret_len, struct dcd_diag *diag)
{
	const struct command_signer *self = (struct command_signer *)signer;
	size_t len = 0;
	int err = run_command(self, message, message_len, signature, capacity, &len, diag);
	if (err == 0) {
		err = check_signature(self, message, message_len, signature, len, diag);
	}
	if (err == 0) {
		*ret_len = len;
	}
	return err;
}

static void command_close(struct dcd_signer *signer)
{
	struct command_signer *self = (struct command_signer *)signer;
	free(self->command);
	free(self->role);
	free(self);
}

static const struct dcd_signer_ops command_ops = { .sign = command_sign, .close = command_close };

int dcd_command_signer_new(const char *command, const char *role, const char *keyid, const struct dcd_json *key,
			   struct dcd_signer **ret, struct dcd_diag *diag)
{
	struct command_signer *self = calloc(1, sizeof *self);
	if (self == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a signer");
	}
	*self = (struct command_signer){ .base = { .ops = &command_ops, .key = dcd_json_copy(key) },
					 .command = strdup(command),
					 .role = strdup(role) };
	self->base.name = self->command;
	if (self->command == NULL || self->role == NULL || self->base.key == NULL || strlen(keyid) >= sizeof self->base.keyid) {
		dcd_signer_close(&self->base);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a signer");
	}
	memcpy(self->base.keyid, keyid, strlen(keyid) + 1);
	*ret = &self->base;
	return 0;
}
