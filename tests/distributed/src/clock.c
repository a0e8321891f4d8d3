/* A clock that goes wrong: loaded before the server by LD_PRELOAD, ruled by a file that holds a number of seconds.
 * Time since boot stays right, as where a person or a time server sets the clock. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* What tests/distributed/src/clock.rs writes. */
static volatile int64_t *ahead_seconds;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_RULE");
    int fd = path ? open(path, O_RDONLY) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) ahead_seconds = at;
    close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (result == 0 && ahead_seconds && clock == CLOCK_REALTIME) now->tv_sec += *ahead_seconds;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    static int (*real)(struct timeval *, void *);
    if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
    int result = real(now, zone);
    if (result == 0 && ahead_seconds) now->tv_sec += *ahead_seconds;
    return result;
}

time_t time(time_t *kept) {
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (kept) *kept = now.tv_sec;
    return now.tv_sec;
}
