/* Counts the calls that change files below $PROVE_ROOT, makes the chosen one fail, and records all of them.
 *
 * Preloaded (LD_PRELOAD). What is armed is in the file $PROVE_SHARED, so that it holds in all processes, those of other
 * programs too. `prove_arm(n, mode, once)`: at the n-th call from now on, `kill` ends the process that armed it, `part`
 * the one that makes the call, `eio` and `enospc` make the call fail, `short` makes a write take half of its bytes.
 * With `once` only that call, else every one from it on. n = 0 counts without a fault. `prove_count()`: the calls so
 * far. `prove_record(1)`: from now on, what succeeds is appended to $PROVE_LOG; `powercut.py` reads that. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum outcome { GO_ON, FAIL, SHORT };
enum mode { KILL, PART, EIO_, ENOSPC_, SHORT_ };
enum event { CREATE = 1, WRITE_, TRUNCATE, SYNC, RENAME, EXCHANGE, UNLINK, RMDIR, MKDIR, LINK };
struct shared { long calls, chosen, mode, only_once, owner, recording; };
static struct shared *shared = MAP_FAILED;
static int log_fd = -1;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("PROVE_SHARED"), *log = getenv("PROVE_LOG");
    if (!path || !log) return;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

void prove_arm(long n, const char *name, int once) {
    shared->mode = !strcmp(name, "kill") ? KILL : !strcmp(name, "part") ? PART : !strcmp(name, "eio") ? EIO_
                 : !strcmp(name, "enospc") ? ENOSPC_ : SHORT_;
    shared->only_once = once;
    shared->calls = 0;
    shared->owner = getpid();
    shared->chosen = n;
}

long prove_count(void) { return shared->calls; }

void prove_record(int on) { shared->recording = on; }

/* Write the absolute path of a path that is relative to a folder's descriptor, or to the current folder. */
static const char *resolved(int folder, const char *path, char full[8192]) {
    char here[4096], link[64];
    if (!path || path[0] == '/') return path;
    if (folder == AT_FDCWD) {
        if (!getcwd(here, sizeof here)) return NULL;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, here, sizeof here - 1);
        if (length <= 0) return NULL;
        here[length] = 0;
    }
    snprintf(full, 8192, "%s/%s", here, path);
    return full;
}

static int below(int folder, const char *path) {
    const char *root = getenv("PROVE_ROOT");
    char full[8192];
    if (!root || shared == MAP_FAILED || !(path = resolved(folder, path, full))) return 0;
    return !strncmp(path, root, strlen(root));
}

static int open_below(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return path[0] == '/' && below(AT_FDCWD, path);
}

static enum outcome step(void) {
    int before = errno;
    long count = __sync_add_and_fetch(&shared->calls, 1);
    if (shared->chosen <= 0 || (shared->only_once ? count != shared->chosen : count < shared->chosen)) return GO_ON;
    if (shared->mode == KILL || shared->mode == PART) {
        kill(shared->mode == KILL ? (pid_t)shared->owner : getpid(), SIGKILL);
        for (;;) pause(); /* a process of the killed one's: it must end by itself */
    }
    errno = shared->mode == EIO_ ? EIO : shared->mode == ENOSPC_ ? ENOSPC : before;
    return shared->mode == SHORT_ ? SHORT : FAIL;
}

/* Append an event: kind, inode, offset or size, then two paths and the data, each with its length before it. */
static void note(enum event kind, uint64_t inode, int64_t offset, const char *a, const char *b, const struct iovec *data,
                 int parts, size_t size) {
    if (shared == MAP_FAILED || !shared->recording || log_fd < 0) return;
    int before = errno;
    struct __attribute__((packed)) { uint32_t kind; uint64_t inode; int64_t offset; uint32_t a, b, size; } head = {
        kind, inode, offset, a ? strlen(a) : 0, b ? strlen(b) : 0, size };
    struct iovec all[64] = {{&head, sizeof head}, {(void *)a, head.a}, {(void *)b, head.b}};
    int count = 3;
    for (int each = 0; each < parts && count < 64 && size; each++, count++) {
        all[count] = data[each];
        if (all[count].iov_len > size) all[count].iov_len = size;
        size -= all[count].iov_len;
    }
    syscall(SYS_writev, log_fd, all, count);
    errno = before;
}

static uint64_t inode_of(int fd) {
    struct stat found;
    return fstat(fd, &found) ? 0 : found.st_ino;
}

static uint64_t inode_at(const char *path) {
    struct stat found;
    return lstat(path, &found) ? 0 : found.st_ino;
}

static void note_path(enum event kind, int folder, const char *path) {
    char full[8192];
    if ((path = resolved(folder, path, full))) note(kind, kind == MKDIR ? inode_at(path) : 0, 0, path, NULL, NULL, 0, 0);
}

static void note_paths(enum event kind, int x, const char *a, int y, const char *b) {
    char first[8192], second[8192];
    if ((a = resolved(x, a, first)) && (b = resolved(y, b, second))) note(kind, 0, 0, a, b, NULL, 0, 0);
}

static void note_write(int fd, int64_t offset, const void *data, ssize_t size) {
    struct iovec part = {(void *)data, size};
    if (offset < 0) offset = lseek(fd, 0, SEEK_CUR) - size;
    note(WRITE_, inode_of(fd), offset, NULL, NULL, &part, 1, size);
}

#define NEXT(type, name, ...) \
    static type (*next)(__VA_ARGS__); \
    if (!next) next = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)
#define WRITE(name, offset_parameter, offset_argument, place, ...) \
    ssize_t name(int fd, const void *data, size_t size offset_parameter) { \
        NEXT(ssize_t, name, __VA_ARGS__); \
        int ours = open_below(fd); \
        if (ours) { \
            enum outcome outcome = step(); \
            if (outcome == FAIL) return -1; \
            if (outcome == SHORT && size > 1) size /= 2; \
        } \
        ssize_t written = next(fd, data, size offset_argument); \
        if (ours && written > 0) note_write(fd, place, data, written); \
        return written; \
    }
#define COMMA ,
WRITE(write, , , -1, int, const void *, size_t)
WRITE(pwrite, COMMA off_t offset, COMMA offset, offset, int, const void *, size_t, off_t)
WRITE(pwrite64, COMMA off64_t offset, COMMA offset, offset, int, const void *, size_t, off64_t)

ssize_t writev(int fd, const struct iovec *v, int n) {
    NEXT(ssize_t, writev, int, const struct iovec *, int);
    int ours = open_below(fd);
    if (ours && step() == FAIL) return -1;
    ssize_t written = next(fd, v, n);
    if (ours && written > 0) note(WRITE_, inode_of(fd), lseek(fd, 0, SEEK_CUR) - written, NULL, NULL, v, n, written);
    return written;
}

#define CALL(name, condition, noted, parameters, arguments, ...) \
    int name parameters { \
        NEXT(int, name, __VA_ARGS__); \
        int ours = (condition); \
        if (ours && step() == FAIL) return -1; \
        int result = next arguments; \
        if (ours && result == 0) noted; \
        return result; \
    }
CALL(fsync, open_below(fd), note(SYNC, inode_of(fd), 0, NULL, NULL, NULL, 0, 0), (int fd), (fd), int)
CALL(fdatasync, open_below(fd), note(SYNC, inode_of(fd), 0, NULL, NULL, NULL, 0, 0), (int fd), (fd), int)
CALL(ftruncate, open_below(fd), note(TRUNCATE, inode_of(fd), size, NULL, NULL, NULL, 0, 0), (int fd, off_t size),
     (fd, size), int, off_t)
CALL(ftruncate64, open_below(fd), note(TRUNCATE, inode_of(fd), size, NULL, NULL, NULL, 0, 0), (int fd, off64_t size),
     (fd, size), int, off64_t)
CALL(rename, below(AT_FDCWD, b), note_paths(RENAME, AT_FDCWD, a, AT_FDCWD, b), (const char *a, const char *b), (a, b),
     const char *, const char *)
CALL(renameat2, below(y, b), note_paths(f & RENAME_EXCHANGE ? EXCHANGE : RENAME, x, a, y, b),
     (int x, const char *a, int y, const char *b, unsigned f), (x, a, y, b, f), int, const char *, int, const char *,
     unsigned)
CALL(unlink, below(AT_FDCWD, a), note_path(UNLINK, AT_FDCWD, a), (const char *a), (a), const char *)
CALL(remove, below(AT_FDCWD, a), note_path(UNLINK, AT_FDCWD, a), (const char *a), (a), const char *)
CALL(unlinkat, below(d, a), note_path(f & AT_REMOVEDIR ? RMDIR : UNLINK, d, a), (int d, const char *a, int f), (d, a, f),
     int, const char *, int)
CALL(rmdir, below(AT_FDCWD, a), note_path(RMDIR, AT_FDCWD, a), (const char *a), (a), const char *)
CALL(mkdir, below(AT_FDCWD, a), note_path(MKDIR, AT_FDCWD, a), (const char *a, mode_t m), (a, m), const char *, mode_t)
CALL(link, below(AT_FDCWD, b), note_paths(LINK, AT_FDCWD, a, AT_FDCWD, b), (const char *a, const char *b), (a, b),
     const char *, const char *)
CALL(linkat, below(y, b), note_paths(LINK, x, a, y, b), (int x, const char *a, int y, const char *b, int f),
     (x, a, y, b, f), int, const char *, int, const char *, int)

#define OPEN(name, folder, at_parameter, at_argument, ...) \
    int name(at_parameter const char *path, int flags, ...) { \
        NEXT(int, name, __VA_ARGS__, ...); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        int ours = flags & (O_CREAT | O_TRUNC) && below(folder, path); \
        if (ours && step() == FAIL) return -1; \
        int fd = next(at_argument path, flags, mode); \
        char full[8192]; \
        const char *whole; \
        if (ours && fd >= 0 && (whole = resolved(folder, path, full))) \
            note(CREATE, inode_of(fd), flags & O_TRUNC ? 0 : -1, whole, NULL, NULL, 0, 0); \
        return fd; \
    }
OPEN(open, AT_FDCWD, , , const char *, int)
OPEN(open64, AT_FDCWD, , , const char *, int)
OPEN(openat, folder, int folder COMMA, folder COMMA, int, const char *, int)
OPEN(openat64, folder, int folder COMMA, folder COMMA, int, const char *, int)
