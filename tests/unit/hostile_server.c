#include "tests/unit/hostile_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCRIPT_MAX 32
#define LOG_MAX 64
#define REQUEST_SIZE 4096

struct hostile_server {
	const uint8_t *object;
	size_t size;
	int listener;
	char url[64];
	pthread_t thread;

	pthread_mutex_t lock; /* everything below */
	bool stop;
	struct hostile_reply script[SCRIPT_MAX];
	size_t script_len;
	int repeat;
	size_t requests;
	size_t connections;
	char log[LOG_MAX][REQUEST_SIZE];
};

static void must(bool ok, const char *what)
{
	if (!ok) {
		perror(what);
		abort();
	}
}

static bool stopping(struct hostile_server *s)
{
	(void)pthread_mutex_lock(&s->lock);
	bool stop = s->stop;
	(void)pthread_mutex_unlock(&s->lock);
	return stop;
}

/* Waits until the descriptor is ready for `events`; false when the server stops or the peer is gone. */
static bool ready(struct hostile_server *s, int fd, short events)
{
	while (!stopping(s)) {
		struct pollfd p = { .fd = fd, .events = events };
		if (poll(&p, 1, 20) > 0) {
			return (p.revents & events) != 0;
		}
	}
	return false;
}

static bool send_all(struct hostile_server *s, int fd, const void *data, size_t len)
{
	const uint8_t *at = data;
	while (len > 0) {
		if (!ready(s, fd, POLLOUT)) {
			return false;
		}
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			continue;
		}
		if (n <= 0) {
			return false;
		}
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* A request's header; false when the client has gone. */
static bool receive_request(struct hostile_server *s, int fd, char text[REQUEST_SIZE])
{
	size_t used = 0;
	for (;;) {
		if (used == REQUEST_SIZE - 1 || !ready(s, fd, POLLIN)) {
			return false;
		}
		ssize_t n = recv(fd, text + used, REQUEST_SIZE - 1 - used, 0);
		if (n <= 0) {
			return false;
		}
		used += (size_t)n;
		text[used] = '\0';
		if (strstr(text, "\r\n\r\n") != NULL) {
			return true;
		}
	}
}

static struct hostile_reply next_reply(struct hostile_server *s, const char *request)
{
	struct hostile_reply reply = { 0 };
	(void)pthread_mutex_lock(&s->lock);
	size_t i = s->requests++;
	if (i < LOG_MAX) {
		(void)snprintf(s->log[i], REQUEST_SIZE, "%s", request);
	}
	if (s->script_len > 0 && (i < s->script_len || s->repeat != 0)) {
		reply = s->script[i < s->script_len ? i : s->script_len - 1];
	}
	(void)pthread_mutex_unlock(&s->lock);
	return reply;
}

static void quiet_until_gone(struct hostile_server *s, int fd)
{
	char byte = 0;
	if (ready(s, fd, POLLIN)) {
		(void)!recv(fd, &byte, 1, 0);
	}
}

/* Goes on for ever with `piece`, or until the client has had enough. */
static void flood(struct hostile_server *s, int fd, const char *piece, size_t len, useconds_t pause)
{
	while (send_all(s, fd, piece, len)) {
		if (pause > 0) {
			(void)usleep(pause);
		}
	}
}

static void reset_on_close(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* True when the connection stays. */
static bool go_on(struct hostile_server *s, int fd, enum hostile_then then)
{
	static const char filler[4096] = { 'x' };
	static const char line[] = "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
	switch (then) {
	case HOSTILE_KEEP:
		return true;
	case HOSTILE_CLOSE:
		return false;
	case HOSTILE_RESET:
		reset_on_close(fd);
		return false;
	case HOSTILE_STALL:
		quiet_until_gone(s, fd);
		return false;
	case HOSTILE_TRICKLE:
		flood(s, fd, "x", 1, 20000);
		return false;
	case HOSTILE_BODY_FLOOD:
		flood(s, fd, filler, sizeof filler, 0);
		return false;
	case HOSTILE_HEADER_FLOOD:
		flood(s, fd, line, sizeof line - 1, 0);
		return false;
	case HOSTILE_LINE_FLOOD:
		flood(s, fd, "aaaaaaaaaaaaaaaa", 16, 0);
		return false;
	}
	return false;
}

static void asked_range(const struct hostile_server *s, const char *request, bool *ret_ranged, size_t *ret_first,
			size_t *ret_last)
{
	unsigned long long first = 0;
	unsigned long long last = 0;
	const char *range = strstr(request, "\r\nRange: bytes=");
	int n = range != NULL ? sscanf(range, "\r\nRange: bytes=%llu-%llu", &first, &last) : 0;
	*ret_ranged = n > 0;
	*ret_first = n > 0 ? (size_t)first : 0;
	*ret_last = n > 1 && last < s->size ? (size_t)last : s->size - 1;
}

static bool answer(struct hostile_server *s, int fd, const char *request)
{
	struct hostile_reply r = next_reply(s, request);
	bool ranged = false;
	size_t first = 0;
	size_t last = 0;
	asked_range(s, request, &ranged, &first, &last);
	if (r.no_ranges != 0) {
		ranged = false;
		first = 0;
		last = s->size - 1;
	}
	size_t len = first <= last && first < s->size ? last - first + 1 : 0;
	char head[512];
	if (len == 0 && s->size > 0) {
		(void)snprintf(head, sizeof head, "HTTP/1.1 416 No\r\nContent-Range: bytes */%zu\r\nContent-Length: 0\r\n\r\n",
			       s->size);
	} else if (ranged) {
		(void)snprintf(head, sizeof head,
			       "HTTP/1.1 206 Partial Content\r\nETag: \"one\"\r\nContent-Range: bytes %zu-%zu/%zu\r\n"
			       "Content-Length: %zu\r\n\r\n",
			       first, last, s->size, len);
	} else {
		len = s->size;
		(void)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: %zu\r\n\r\n", len);
	}
	const char *text = r.head != NULL ? r.head : head;
	const void *body = r.body != NULL ? (const void *)r.body : s->object + first;
	size_t body_len = r.body != NULL ? strlen(r.body) : len;
	if (r.body_bytes == HOSTILE_NO_BODY) {
		body_len = 0;
	} else if (r.body_bytes != 0 && r.body_bytes < body_len) {
		body_len = r.body_bytes;
	}
	return send_all(s, fd, text, strlen(text)) && send_all(s, fd, body, body_len) && go_on(s, fd, r.then);
}

static void *serve(void *context)
{
	struct hostile_server *s = context;
	while (ready(s, s->listener, POLLIN)) {
		int fd = accept(s->listener, NULL, NULL);
		if (fd < 0) {
			continue;
		}
		(void)pthread_mutex_lock(&s->lock);
		s->connections++;
		(void)pthread_mutex_unlock(&s->lock);
		char request[REQUEST_SIZE];
		while (receive_request(s, fd, request) && answer(s, fd, request)) {
		}
		(void)close(fd);
	}
	return NULL;
}

struct hostile_server *hostile_server_start(const void *object, size_t size)
{
	struct hostile_server *s = calloc(1, sizeof *s);
	must(s != NULL, "calloc");
	s->object = object;
	s->size = size;
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	must(s->listener >= 0 && bind(s->listener, (struct sockaddr *)&address, len) == 0 && listen(s->listener, 8) == 0 &&
		     getsockname(s->listener, (struct sockaddr *)&address, &len) == 0,
	     "a listener on 127.0.0.1");
	(void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", ntohs(address.sin_port));
	must(pthread_mutex_init(&s->lock, NULL) == 0 && pthread_create(&s->thread, NULL, serve, s) == 0, "a thread");
	return s;
}

const char *hostile_server_url(const struct hostile_server *server)
{
	return server->url;
}

void hostile_server_script(struct hostile_server *server, const struct hostile_reply *replies, size_t n, int repeat)
{
	must(n <= SCRIPT_MAX, "a script that is too long");
	(void)pthread_mutex_lock(&server->lock);
	if (n > 0) {
		memcpy(server->script, replies, n * sizeof *replies);
	}
	server->script_len = n;
	server->repeat = repeat;
	server->requests = 0;
	server->connections = 0;
	memset(server->log, 0, sizeof server->log);
	(void)pthread_mutex_unlock(&server->lock);
}

size_t hostile_server_requests(struct hostile_server *server)
{
	(void)pthread_mutex_lock(&server->lock);
	size_t n = server->requests;
	(void)pthread_mutex_unlock(&server->lock);
	return n;
}

size_t hostile_server_connections(struct hostile_server *server)
{
	(void)pthread_mutex_lock(&server->lock);
	size_t n = server->connections;
	(void)pthread_mutex_unlock(&server->lock);
	return n;
}

const char *hostile_server_request(struct hostile_server *server, size_t n)
{
	(void)pthread_mutex_lock(&server->lock);
	const char *text = n < LOG_MAX ? server->log[n] : "";
	(void)pthread_mutex_unlock(&server->lock);
	return text;
}

void hostile_server_stop(struct hostile_server *server)
{
	(void)pthread_mutex_lock(&server->lock);
	server->stop = true;
	(void)pthread_mutex_unlock(&server->lock);
	(void)pthread_join(server->thread, NULL);
	(void)close(server->listener);
	(void)pthread_mutex_destroy(&server->lock);
	free(server);
}
