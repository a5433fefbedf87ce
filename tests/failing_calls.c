/* A system that refuses: the n-th call of a kind on files below a folder fails, or a file takes only so many bytes.

   cc -shared -fPIC -O1 -o failing_calls.so failing_calls.c -ldl; LD_PRELOAD=./failing_calls.so python tests/borders.py

   The functions stand in front of those of the C library, so that Python, HDF5 and every other library meet them. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN, CREATE, READ, WRITE, FSYNC, RENAME, MKDIR, FLOCK, KINDS };
enum { MOST = 4096 };

static char folder[PATH_MAX];      /* calls below it count; empty: nothing is watched */
static int kind, number, what;     /* the `number`-th call of `kind` fails with errno `what`; 0: none */
static int counts[KINDS];
static int file;                   /* the `file`-th file that is made takes `room` bytes; 0: none */
static long room;
static char names[MOST][PATH_MAX]; /* files made, in their order, and the bytes written to each */
static long sizes[MOST];
static int made;

void failing_watch(const char *path) {
    strncpy(folder, path, sizeof folder - 1);
    memset(counts, 0, sizeof counts);
    memset(sizes, 0, sizeof sizes);
    made = kind = number = what = file = 0;
}
void failing_call(int of, int at, int error) { kind = of, number = at, what = error; }
void failing_space(int of, long bytes) { file = of, room = bytes; }
int failing_count(int of) { return counts[of]; }
int failing_files(void) { return made; }
long failing_size(int of) { return sizes[of - 1]; }

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

static int watched(const char *path) {
    return folder[0] && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int named(int descriptor, char *path) { /* the path of an open file, if it is watched */
    char link[64];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return watched(path);
}

static int fails(int of) {
    if (++counts[of] != number || of != kind || !what) return 0;
    errno = what;
    return 1;
}

static int at_path(int of, const char *path) { return watched(path) && fails(of); }

static int at_file(int of, int descriptor) {
    char path[PATH_MAX];
    return named(descriptor, path) && fails(of);
}

static size_t space(int descriptor, size_t wanted) { /* how much of it the file takes */
    char path[PATH_MAX];
    if (!wanted || !named(descriptor, path)) return wanted;
    for (int n = made; n > 0; n--)
        if (strcmp(names[n - 1], path) == 0) {
            size_t taken = n == file && (long)wanted > room - sizes[n - 1] ? (size_t)(room - sizes[n - 1]) : wanted;
            sizes[n - 1] += taken;
            return taken;
        }
    return wanted;
}

static int opened(const char *symbol, const char *path, int flags, mode_t mode) {
    int (*real)(const char *, int, ...) = next(symbol);
    int makes = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
    if (at_path(makes ? CREATE : OPEN, path)) return -1;
    int found = real(path, flags, mode);
    if (found >= 0 && makes && made < MOST && named(found, names[made])) made++;
    return found;
}

#define OPENED(name)                                    \
    int name(const char *path, int flags, ...) {        \
        va_list rest;                                   \
        va_start(rest, flags);                          \
        mode_t mode = va_arg(rest, mode_t);             \
        va_end(rest);                                   \
        return opened(#name, path, flags, mode);        \
    }
OPENED(open)
OPENED(open64)

#define READS(name, parameters, ...)                                \
    ssize_t name parameters {                                       \
        ssize_t(*real) parameters = next(#name);                    \
        return at_file(READ, descriptor) ? -1 : real(__VA_ARGS__);  \
    }
READS(read, (int descriptor, void *bytes, size_t count), descriptor, bytes, count)
READS(pread, (int descriptor, void *bytes, size_t count, off_t at), descriptor, bytes, count, at)
READS(pread64, (int descriptor, void *bytes, size_t count, off64_t at), descriptor, bytes, count, at)

#define WRITES(name, parameters, ...)                           \
    ssize_t name parameters {                                   \
        ssize_t(*real) parameters = next(#name);                \
        size_t wanted = count;                                  \
        if (at_file(WRITE, descriptor)) return -1;              \
        count = space(descriptor, count);                       \
        if (wanted && !count) { errno = ENOSPC; return -1; }    \
        return real(__VA_ARGS__);                               \
    }
WRITES(write, (int descriptor, const void *bytes, size_t count), descriptor, bytes, count)
WRITES(pwrite, (int descriptor, const void *bytes, size_t count, off_t at), descriptor, bytes, count, at)
WRITES(pwrite64, (int descriptor, const void *bytes, size_t count, off64_t at), descriptor, bytes, count, at)

#define SIMPLE(name, fails_, parameters, ...)       \
    int name parameters {                           \
        int(*real) parameters = next(#name);        \
        return fails_ ? -1 : real(__VA_ARGS__);     \
    }
SIMPLE(fsync, at_file(FSYNC, descriptor), (int descriptor), descriptor)
SIMPLE(flock, at_file(FLOCK, descriptor), (int descriptor, int how), descriptor, how)
SIMPLE(rename, at_path(RENAME, to), (const char *from, const char *to), from, to)
SIMPLE(mkdir, at_path(MKDIR, path), (const char *path, mode_t mode), path, mode)
