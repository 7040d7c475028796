/* Counts the calls that change files below $PROVE_ROOT, in a process and its children, and makes the chosen one fail.
 *
 * Preloaded (LD_PRELOAD). `prove_arm(n, mode, once)`: at the n-th call from now on, `kill` ends the process, `eio` and
 * `enospc` make the call fail, `short` makes a write take half of its bytes. With `once` only that call, else every one
 * from it on. n = 0 counts without a fault. `prove_count()`: the calls so far. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum outcome { GO_ON, FAIL, SHORT };
enum mode { KILL, EIO_, ENOSPC_, SHORT_ };
static long *calls = MAP_FAILED;  /* shared with the children; what is armed is the process's own, and theirs */
static long chosen;
static enum mode mode;
static int only_once;

__attribute__((constructor)) static void begin(void) {
    calls = mmap(NULL, sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void prove_arm(long n, const char *name, int once) {
    mode = !strcmp(name, "kill") ? KILL : !strcmp(name, "eio") ? EIO_ : !strcmp(name, "enospc") ? ENOSPC_ : SHORT_;
    only_once = once;
    *calls = 0;
    chosen = n;
}

long prove_count(void) { return *calls; }

static int below(const char *path) {
    const char *root = getenv("PROVE_ROOT");
    char full[16384];
    if (!root || !path || calls == MAP_FAILED) return 0;
    if (path[0] != '/') {
        char here[4096];
        if (!getcwd(here, sizeof here)) return 0;
        snprintf(full, sizeof full, "%s/%s", here, path);
        path = full;
    }
    return !strncmp(path, root, strlen(root));
}

static int open_below(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return path[0] == '/' && below(path);
}

static enum outcome step(void) {
    int before = errno;
    long count = __sync_add_and_fetch(calls, 1);
    if (chosen <= 0 || (only_once ? count != chosen : count < chosen)) return GO_ON;
    if (mode == KILL) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    errno = mode == EIO_ ? EIO : mode == ENOSPC_ ? ENOSPC : before;
    return mode == SHORT_ ? SHORT : FAIL;
}

#define NEXT(type, name, ...) \
    static type (*next)(__VA_ARGS__); \
    if (!next) next = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)
#define WRITE(name, offset_parameter, offset_argument, ...) \
    ssize_t name(int fd, const void *data, size_t size offset_parameter) { \
        NEXT(ssize_t, name, __VA_ARGS__); \
        if (open_below(fd)) { \
            enum outcome outcome = step(); \
            if (outcome == FAIL) return -1; \
            if (outcome == SHORT && size > 1) size /= 2; \
        } \
        return next(fd, data, size offset_argument); \
    }
#define COMMA ,
WRITE(write, , , int, const void *, size_t)
WRITE(pwrite, COMMA off_t offset, COMMA offset, int, const void *, size_t, off_t)
WRITE(pwrite64, COMMA off64_t offset, COMMA offset, int, const void *, size_t, off64_t)

#define CALL(type, name, condition, parameters, arguments, ...) \
    type name parameters { \
        NEXT(type, name, __VA_ARGS__); \
        if ((condition) && step() == FAIL) return -1; \
        return next arguments; \
    }
CALL(ssize_t, writev, open_below(fd), (int fd, const struct iovec *v, int n), (fd, v, n), int, const struct iovec *, int)
CALL(int, fsync, open_below(fd), (int fd), (fd), int)
CALL(int, fdatasync, open_below(fd), (int fd), (fd), int)
CALL(int, ftruncate, open_below(fd), (int fd, off_t size), (fd, size), int, off_t)
CALL(int, ftruncate64, open_below(fd), (int fd, off64_t size), (fd, size), int, off64_t)
CALL(int, rename, below(b), (const char *a, const char *b), (a, b), const char *, const char *)
CALL(int, renameat2, below(b), (int x, const char *a, int y, const char *b, unsigned f), (x, a, y, b, f),
     int, const char *, int, const char *, unsigned)
CALL(int, unlink, below(a), (const char *a), (a), const char *)
CALL(int, unlinkat, a[0] == '/' ? below(a) : open_below(d), (int d, const char *a, int f), (d, a, f),
     int, const char *, int)
CALL(int, rmdir, below(a), (const char *a), (a), const char *)
CALL(int, mkdir, below(a), (const char *a, mode_t m), (a, m), const char *, mode_t)
CALL(int, link, below(b), (const char *a, const char *b), (a, b), const char *, const char *)
CALL(int, linkat, below(b), (int x, const char *a, int y, const char *b, int f), (x, a, y, b, f),
     int, const char *, int, const char *, int)

#define OPEN(name, at_parameter, at_argument, ...) \
    int name(at_parameter const char *path, int flags, ...) { \
        NEXT(int, name, __VA_ARGS__, ...); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        if (flags & (O_CREAT | O_TRUNC) && below(path) && step() == FAIL) return -1; \
        return next(at_argument path, flags, mode); \
    }
OPEN(open, , , const char *, int)
OPEN(open64, , , const char *, int)
OPEN(openat, int folder COMMA, folder COMMA, int, const char *, int)
OPEN(openat64, int folder COMMA, folder COMMA, int, const char *, int)
