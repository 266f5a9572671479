/* policy_watch.c -- the host's thread: sees files change, writes the log, puts away
 * what is over.
 *
 * Changes are told by inotify, on the directory and on the one that it lies in (or
 * would lie in): it may not be there yet, or be replaced as a whole. Every LOOK_MS all
 * is looked at without being told, which is also what remains where inotify does not
 * work (its limits are few and shared by all programs of a user): then every POLL_MS.
 */
#include "policy_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { LOOK_MS = 2000, POLL_MS = 200, QUIET_MS = 2, QUIET_TURNS = 4 };

/* Not IN_CREATE: a file that was just made is empty, and is closed later. */
static const uint32_t inside = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
                               IN_DELETE | IN_CREATE | IN_ATTRIB | IN_DELETE_SELF |
                               IN_MOVE_SELF;
static const uint32_t beside =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;

struct watcher {
    struct policy_host *host;
    bool watches;  /* there is a directory, and it is to be watched */
    bool has_said; /* that inotify does not work */
    int inotify;   /* -1: does not work */
    int directory; /* watch descriptors; -1: none */
    int around;
};

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

/* Anew each time: watches are on directories and not on names. */
static void watch_anew(struct watcher *watcher) {
    const char *directory = watcher->host->settings.directory;
    if (watcher->inotify >= 0)
        close(watcher->inotify);
    watcher->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    watcher->directory = watcher->around = -1;
    if (watcher->inotify < 0)
        return;
    watcher->around = watch_around(watcher->inotify, directory);
    watcher->directory = inotify_add_watch(watcher->inotify, directory,
                                           inside | IN_ONLYDIR | IN_MASK_ADD);
    bool absent = watcher->directory < 0 && (errno == ENOENT || errno == ENOTDIR);
    if (watcher->around >= 0 && (watcher->directory >= 0 || absent))
        return;
    close(watcher->inotify);
    watcher->inotify = -1;
}

static void watch(struct watcher *watcher) {
    char message[128];
    watch_anew(watcher);
    if (watcher->inotify < 0 && !watcher->has_said) {
        snprintf(message, sizeof message,
                 "inotify does not work: files are looked at every %d ms", POLL_MS);
        policy_events_add(watcher->host->events, policy_host_now(watcher->host), "",
                          NULL, "polled", message);
    }
    watcher->has_said = watcher->inotify < 0;
}

/* -- What is told ------------------------------------------------------------------ */

struct news {
    bool any, moved; /* moved: what is watched may be another thing now */
};

static void hear(struct watcher *watcher, const struct inotify_event *event,
                 struct news *news) {
    news->any = true;
    if (event->wd == watcher->around ||
        (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_Q_OVERFLOW)))
        news->moved = true;
}

static void read_news(struct watcher *watcher, struct news *news) {
    _Alignas(struct inotify_event) char bytes[4096];
    ssize_t size;
    while ((size = read(watcher->inotify, bytes, sizeof bytes)) > 0) {
        for (ssize_t at = 0; at < size;) {
            const struct inotify_event *event = (const void *)(bytes + at);
            hear(watcher, event, news);
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
}

/* Who saves a file may touch it more than once: wait for a little quiet. */
static void settle(struct watcher *watcher, struct news *news) {
    struct pollfd told = {watcher->inotify, POLLIN, 0};
    for (int i = 0; i < QUIET_TURNS && poll(&told, 1, QUIET_MS) > 0; i++)
        read_news(watcher, news);
}

/* -- The log ----------------------------------------------------------------------- */

static enum cairn_status write_log(struct policy_host *host, struct cairn_slice lines,
                                   struct cairn_error *error) {
    if (!host->settings.directory)
        return CAIRN_NOT_FOUND;
    return policy_archive_log(host->settings.directory, lines, error);
}

/* What has been so before this process began is written down already. */
static bool is_news(struct policy_host *host, const struct policy_event *event) {
    if (!host->starting)
        return true;
    if (strcmp(event->event, "canary") == 0)
        return false;
    const struct policy_file *file = policy_load_find(host, event->policy);
    return strcmp(event->event, "loaded") != 0 || !file || !file->known;
}

void policy_watch_log(struct policy_host *host) {
    struct policy_event event;
    struct cairn_bytes lines = {0};
    struct cairn_error why;
    while (policy_events_after(host->events, host->logged, &event)) {
        host->logged = event.number;
        if (is_news(host, &event) && !policy_event_line(&event, &lines))
            break;
    }
    enum cairn_status status =
        lines.size ? write_log(host, cairn_bytes_slice(&lines), &why) : CAIRN_OK;
    cairn_bytes_free(&lines);
    if (!status || status == CAIRN_NOT_FOUND) /* without a directory there is no log */
        return;
    if (!host->cannot_keep) {
        policy_events_add(host->events, policy_host_now(host), "", NULL, "not_kept",
                          why.message);
        policy_events_after(host->events, host->logged, &event);
        host->logged = event.number; /* that it cannot be logged cannot be logged */
    }
    host->cannot_keep = true;
}

/* -- The thread -------------------------------------------------------------------- */

static void look(struct watcher *watcher, struct news *news) {
    struct policy_host *host = watcher->host;
    if (watcher->watches && news->any)
        settle(watcher, news);
    if (watcher->watches && (news->moved || watcher->inotify < 0))
        watch(watcher);
    pthread_mutex_lock(&host->loading);
    policy_canary_sweep(host);
    if (watcher->watches)
        policy_load_scan(host, news->any);
    else
        policy_watch_log(host);
    pthread_mutex_unlock(&host->loading);
}

static int patience(const struct watcher *watcher) {
    if (!watcher->watches)
        return -1;
    return watcher->inotify < 0 ? POLL_MS : LOOK_MS;
}

static void *run(void *arg) {
    struct policy_host *host = arg;
    struct watcher watcher = {
        .host = host, .inotify = -1, .directory = -1, .around = -1};
    watcher.watches = host->settings.watch && host->settings.directory;
    struct news news = {false, true};
    while (!atomic_load(&host->stopping)) {
        look(&watcher, &news);
        struct pollfd told[] = {{host->wake, POLLIN, 0}, {watcher.inotify, POLLIN, 0}};
        int count = poll(told, 2, patience(&watcher));
        uint64_t ignored;
        news = (struct news){false, count == 0};
        if (told[0].revents && read(host->wake, &ignored, sizeof ignored) < 0 &&
            errno != EAGAIN)
            break;
        if (told[1].revents)
            read_news(&watcher, &news);
    }
    pthread_mutex_lock(&host->loading);
    policy_canary_sweep(host);
    policy_watch_log(host);
    pthread_mutex_unlock(&host->loading);
    if (watcher.inotify >= 0)
        close(watcher.inotify);
    return NULL;
}

enum cairn_status policy_watch_start(struct policy_host *host,
                                     struct cairn_error *error) {
    host->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (host->wake < 0)
        return cairn_fail(error, CAIRN_IO, "policies: cannot make an eventfd: %s",
                          strerror(errno));
    int code = pthread_create(&host->thread, NULL, run, host);
    if (code)
        return cairn_fail(error, CAIRN_IO, "policies: cannot start a thread: %s",
                          strerror(code));
    host->has_thread = true;
    return CAIRN_OK;
}

void policy_watch_wake(struct policy_host *host) {
    uint64_t one = 1;
    if (write(host->wake, &one, sizeof one) < 0)
        return; /* it is awake */
}

void policy_watch_stop(struct policy_host *host) {
    atomic_store(&host->stopping, true);
    if (host->has_thread) {
        policy_watch_wake(host);
        pthread_join(host->thread, NULL);
    }
    if (host->wake >= 0)
        close(host->wake);
}
