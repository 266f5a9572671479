/* policy_watch.c -- the host's thread: sees files change, writes the log, puts away
 * what is over.
 *
 * Changes are told by file_watch.c; every FILE_WATCH_LOOK_MS all is looked at without
 * being told. */
#include "policy_inner.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "file_watch.h"

struct watcher {
    struct policy_host *host;
    bool watches;  /* there is a directory, and it is to be watched */
    bool has_said; /* that inotify does not work */
    struct file_watch files;
};

/* -- What is watched --------------------------------------------------------------- */

static void watch(struct watcher *watcher) {
    char message[128];
    const char *directory = watcher->host->settings.directory;
    bool works = file_watch_begin(&watcher->files, &directory, 1);
    if (!works && !watcher->has_said) {
        snprintf(message, sizeof message,
                 "inotify does not work: files are looked at every %d ms",
                 FILE_WATCH_POLL_MS);
        policy_events_add(watcher->host->events, policy_host_now(watcher->host), "",
                          NULL, "polled", message);
    }
    watcher->has_said = !works;
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

static void look(struct watcher *watcher, struct file_news *news) {
    struct policy_host *host = watcher->host;
    if (watcher->watches && news->any)
        file_watch_settle(&watcher->files, news);
    if (watcher->watches && (news->moved || watcher->files.inotify < 0))
        watch(watcher);
    pthread_mutex_lock(&host->loading);
    policy_canary_sweep(host);
    if (watcher->watches)
        policy_load_scan(host, news->any);
    else
        policy_watch_log(host);
    pthread_mutex_unlock(&host->loading);
}

static void *run(void *arg) {
    struct policy_host *host = arg;
    struct watcher watcher = {.host = host, .files = FILE_WATCH_NONE};
    watcher.watches = host->settings.watch && host->settings.directory;
    struct file_news news = {false, true};
    while (!atomic_load(&host->stopping)) {
        look(&watcher, &news);
        struct pollfd told[] = {{host->wake, POLLIN, 0},
                                {watcher.files.inotify, POLLIN, 0}};
        int count =
            poll(told, 2, watcher.watches ? file_watch_patience(&watcher.files) : -1);
        uint64_t ignored;
        news = (struct file_news){false, count == 0};
        if (told[0].revents && read(host->wake, &ignored, sizeof ignored) < 0 &&
            errno != EAGAIN)
            break;
        if (told[1].revents)
            file_watch_read(&watcher.files, &news);
    }
    pthread_mutex_lock(&host->loading);
    policy_canary_sweep(host);
    policy_watch_log(host);
    pthread_mutex_unlock(&host->loading);
    file_watch_end(&watcher.files);
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
