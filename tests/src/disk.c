/* A disk that is counted and made to fail: loaded before the server by LD_PRELOAD, ruled by a shared file.
 * It looks only at files whose path has the name given in DISK_WATCH (a part of the path). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* The layout that tests/src/disk.rs reads and writes. */
struct rule {
    uint64_t syncs;        /* how many syncs went well */
    uint64_t failing;      /* how many of the next syncs fail with EIO */
    int64_t room_bytes;    /* how much may still be written; negative: no limit */
    uint64_t refused;      /* how many writes found the disk full */
};

static struct rule *rule;
static const char *watched;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DISK_RULE");
    watched = getenv("DISK_WATCH");
    if (!path || !watched) return;
    int fd = open(path, O_RDWR);
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof(struct rule), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) rule = at;
    close(fd);
}

static int is_watched(int fd) {
    char link[64], path[4096];
    if (!rule) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strstr(path, watched) != NULL;
}

static int synced(int fd, int (*real)(int)) {
    if (!is_watched(fd)) return real(fd);
    if (__atomic_load_n(&rule->failing, __ATOMIC_SEQ_CST) > 0) {
        __atomic_sub_fetch(&rule->failing, 1, __ATOMIC_SEQ_CST);
        errno = EIO;
        return -1;
    }
    int result = real(fd);
    if (result == 0) __atomic_add_fetch(&rule->syncs, 1, __ATOMIC_SEQ_CST);
    return result;
}

int fsync(int fd) { return synced(fd, (int (*)(int))dlsym(RTLD_NEXT, "fsync")); }
int fdatasync(int fd) { return synced(fd, (int (*)(int))dlsym(RTLD_NEXT, "fdatasync")); }

/* Whether there is room for so many bytes more. */
static int has_room(int fd, size_t count) {
    if (!is_watched(fd)) return 1;
    int64_t room = __atomic_load_n(&rule->room_bytes, __ATOMIC_SEQ_CST);
    if (room < 0) return 1;
    if ((uint64_t)room < count) {
        __atomic_add_fetch(&rule->refused, 1, __ATOMIC_SEQ_CST);
        errno = ENOSPC;
        return 0;
    }
    __atomic_sub_fetch(&rule->room_bytes, (int64_t)count, __ATOMIC_SEQ_CST);
    return 1;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    return has_room(fd, count) ? real(fd, bytes, count) : -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
    return has_room(fd, count) ? real(fd, bytes, count, at) : -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    return has_room(fd, count) ? real(fd, bytes, count, at) : -1;
}
