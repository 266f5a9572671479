/* file_watch.c -- inotify, on directories. */
#include "file_watch.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { QUIET_MS = 2, QUIET_TURNS = 4 };

/* Not IN_MODIFY: a file that is being written is closed later. */
static const uint32_t inside = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
                               IN_DELETE | IN_CREATE | IN_ATTRIB | IN_DELETE_SELF |
                               IN_MOVE_SELF;
static const uint32_t beside =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;

/* -- What is watched --------------------------------------------------------------- */

/* The nearest directory above that is there. */
static int watch_around(int inotify, const char *directory) {
    char path[PATH_MAX];
    size_t size = strnlen(directory, sizeof path - 1);
    memcpy(path, directory, size);
    int watch = -1;
    while (watch < 0 && size) {
        while (size && path[size - 1] != '/')
            size--;
        while (size > 1 && path[size - 1] == '/')
            size--;
        path[size] = '\0';
        watch = inotify_add_watch(inotify, path, beside | IN_ONLYDIR | IN_MASK_ADD);
        if (watch < 0 && (size <= 1 || (errno != ENOENT && errno != ENOTDIR)))
            return -1;
    }
    return watch;
}

/* A fresh inotify counts its descriptors from 1. */
static bool keep_around(struct file_watch *watch, int descriptor) {
    if (descriptor < 0)
        return false;
    if ((size_t)descriptor < watch->around_room)
        watch->around[descriptor] = true;
    return true;
}

static bool watch_directory(struct file_watch *watch, const char *directory) {
    if (!keep_around(watch, watch_around(watch->inotify, directory)))
        return false;
    return inotify_add_watch(watch->inotify, directory,
                             inside | IN_ONLYDIR | IN_MASK_ADD) >= 0 ||
           errno == ENOENT || errno == ENOTDIR;
}

bool file_watch_begin(struct file_watch *watch, const char *const *directories,
                      size_t count) {
    file_watch_end(watch);
    watch->around = calloc(2 * count + 1, sizeof *watch->around);
    watch->around_room = watch->around ? 2 * count + 1 : 0;
    if (watch->around)
        watch->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    bool works = watch->inotify >= 0;
    for (size_t i = 0; works && i < count; i++)
        works = watch_directory(watch, directories[i]);
    if (!works)
        file_watch_end(watch);
    return works;
}

void file_watch_end(struct file_watch *watch) {
    if (watch->inotify >= 0)
        close(watch->inotify);
    free(watch->around);
    *watch = (struct file_watch)FILE_WATCH_NONE;
}

/* -- What is told ------------------------------------------------------------------ */

static void hear(const struct file_watch *watch, const struct inotify_event *event,
                 struct file_news *news) {
    bool known = event->wd >= 0 && (size_t)event->wd < watch->around_room;
    news->any = true;
    if (!known || watch->around[event->wd] ||
        (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_Q_OVERFLOW)))
        news->moved = true;
}

void file_watch_read(struct file_watch *watch, struct file_news *news) {
    _Alignas(struct inotify_event) char bytes[4096];
    ssize_t size;
    while ((size = read(watch->inotify, bytes, sizeof bytes)) > 0) {
        for (ssize_t at = 0; at < size;) {
            const struct inotify_event *event = (const void *)(bytes + at);
            hear(watch, event, news);
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
}

void file_watch_settle(struct file_watch *watch, struct file_news *news) {
    struct pollfd told = {watch->inotify, POLLIN, 0};
    for (int i = 0; i < QUIET_TURNS && poll(&told, 1, QUIET_MS) > 0; i++)
        file_watch_read(watch, news);
}

int file_watch_patience(const struct file_watch *watch) {
    return watch->inotify < 0 ? FILE_WATCH_POLL_MS : FILE_WATCH_LOOK_MS;
}
