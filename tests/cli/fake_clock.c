/* A preloaded library for tests: the wall clock stands at DECADE_TEST_CLOCK seconds since 1970. The monotonic clock goes on. */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

time_t time(time_t *ret)
{
	const char *text = getenv("DECADE_TEST_CLOCK");
	time_t now = text == NULL ? 0 : (time_t)strtoll(text, NULL, 10);
	if (ret != NULL) {
		*ret = now;
	}
	return now;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	static int (*real)(clockid_t, struct timespec *);
	if (clock == CLOCK_REALTIME) {
		*ret = (struct timespec){ .tv_sec = time(NULL) };
		return 0;
	}
	if (real == NULL) {
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	}
	return real(clock, ret);
}
