/* worker_handler_watch.c -- what becomes of handlers whose files change, and the thread
 * that sees it.
 *
 * A file may be caught half written, however long one waits for quiet: it is broken
 * then, and looked at again when it is closed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "file_watch.h"
#include "worker_handler_inner.h"

enum { QUIET_MS = 10, QUIET_TURNS = 4 };

/* -- One file ---------------------------------------------------------------------- */

/* Why the file as it is now is not used; it is told once. `hash` is empty if it could
 * not be read. */
static void set_problem(struct handlers *handlers, struct handler *handler,
                        const char *event, const char *hash, const char *message) {
    bool said =
        strcmp(handler->problem, message) == 0 && strcmp(handler->said, hash) == 0;
    if (said || atomic_load(&handlers->stopping))
        return;
    memcpy(handler->said, hash, strlen(hash) + 1);
    pthread_mutex_lock(&handler->lock);
    snprintf(handler->problem, sizeof handler->problem, "%s", message);
    pthread_mutex_unlock(&handler->lock);
    handler_report(handlers, event, handler->name, hash[0] ? hash : NULL, message);
}

/* The file is what is used anyway. */
static void restore(struct handlers *handlers, struct handler *handler) {
    handler->refused[0] = '\0';
    if (!handler->problem[0])
        return;
    pthread_mutex_lock(&handler->lock);
    handler->problem[0] = '\0';
    pthread_mutex_unlock(&handler->lock);
    handler_report(handlers, "restored", handler->name, handler->current->hash, NULL);
}

/* Takes over the version. */
static void publish(struct handlers *handlers, struct handler *handler,
                    struct handler_version *version) {
    version->serial = atomic_fetch_add(&handlers->serial, 1) + 1;
    handler->refused[0] = '\0';
    pthread_mutex_lock(&handler->lock);
    struct handler_version *old = handler->current;
    handler->current = version;
    handler->problem[0] = '\0';
    handler->reloads++;
    atomic_store_explicit(&handler->serial, version->serial, memory_order_release);
    pthread_mutex_unlock(&handler->lock);
    handler_report(handlers, "loaded", handler->name, version->hash, NULL);
    handler_version_release(old);
}

/* Whether the file holds what was refused and has not been saved since: what it
 * requires may be better by now. */
static bool is_refused(const struct handler *handler, const char *hash,
                       const struct stat *now) {
    const struct timespec *seen = &handler->look.status.st_mtim;
    return strcmp(handler->refused, hash) == 0 && seen->tv_sec == now->st_mtim.tv_sec &&
           seen->tv_nsec == now->st_mtim.tv_nsec;
}

/* Of a content that is new; takes over the version. */
static enum cairn_status try_version(struct handlers *handlers, struct handler *handler,
                                     struct handler_version *version,
                                     struct cairn_error *error) {
    struct cairn_error why;
    enum cairn_status status = handler_try(handlers, handler->name, version, &why);
    if (!status) {
        publish(handlers, handler, version);
        return CAIRN_OK;
    }
    /* It was not tried if there was no memory: it will be, the next time. */
    bool tried = status == CAIRN_INVALID_ARGUMENT;
    memcpy(handler->refused, tried ? version->hash : "", tried ? SOURCE_HASH_ROOM : 1);
    set_problem(handlers, handler, "refused", version->hash, why.message);
    handler_version_release(version);
    return cairn_fail(error, status, "%s", why.message);
}

static enum cairn_status take(struct handlers *handlers, struct handler *handler,
                              struct cairn_bytes *source, const struct stat *now,
                              bool force, struct cairn_error *error) {
    struct handler_version *version = handler_version_new(handler->file, source);
    if (!version)
        return cairn_fail(error, CAIRN_NO_MEMORY, "%s: no memory for it",
                          handler->file);
    bool used = strcmp(version->hash, handler->current->hash) == 0;
    if (used)
        restore(handlers, handler);
    if (used || (!force && is_refused(handler, version->hash, now))) {
        handler_version_release(version);
        return CAIRN_OK;
    }
    return try_version(handlers, handler, version, error);
}

static bool is_fresh(const struct stat *status) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age_ns = (now.tv_sec - status->st_ctim.tv_sec) * INT64_C(1000000000) +
                     (now.tv_nsec - status->st_ctim.tv_nsec);
    return age_ns >= 0 && age_ns < QUIET_MS * INT64_C(1000000);
}

/* Who saves a file may empty or remove it first. */
static enum cairn_status read_quiet(struct handlers *handlers, struct handler *handler,
                                    struct cairn_bytes *source, struct stat *now,
                                    struct cairn_error *error) {
    const struct timespec pause = {.tv_nsec = QUIET_MS * 1000000L / 2};
    enum cairn_status status;
    bool again = true;
    for (int turn = 0; again; turn++) {
        source->size = 0;
        status = handler_read(handlers, handler->file, source, now, error);
        bool unsure =
            status ? status == CAIRN_NOT_FOUND && !handler->problem[0] : is_fresh(now);
        again = unsure && turn < QUIET_TURNS;
        if (again)
            nanosleep(&pause, NULL);
    }
    return status;
}

static enum cairn_status look_at(struct handlers *handlers, struct handler *handler,
                                 bool force, struct cairn_error *error) {
    struct cairn_bytes source = {0};
    struct cairn_error why;
    struct stat now;
    if (!force && fstatat(handlers->origin, handler->file, &now, 0) == 0 &&
        source_looks_same(&handler->look, &now))
        return CAIRN_OK;
    enum cairn_status status = read_quiet(handlers, handler, &source, &now, &why);
    if (!status) {
        status = take(handlers, handler, &source, &now, force, error);
        handler->look = source_look_of(&now);
    } else {
        bool missing = status == CAIRN_NOT_FOUND;
        handler->look = (struct source_look){0};
        set_problem(handlers, handler, missing ? "missing" : "refused", "",
                    why.message);
        cairn_fail(error, status, "%s", why.message);
    }
    cairn_bytes_free(&source);
    return status;
}

/* -- All of them ------------------------------------------------------------------- */

static enum cairn_status look(struct handlers *handlers, bool force,
                              struct cairn_error *error) {
    struct handler **all;
    size_t count;
    enum cairn_status first = CAIRN_OK;
    if (!handlers_list(handlers, &all, &count))
        return cairn_fail(error, CAIRN_NO_MEMORY,
                          "handlers: no memory to look at them");
    pthread_mutex_lock(&handlers->loading);
    for (size_t i = 0; i < count && !atomic_load(&handlers->stopping); i++) {
        enum cairn_status status =
            look_at(handlers, all[i], force, first ? NULL : error);
        first = first ? first : status;
    }
    pthread_mutex_unlock(&handlers->loading);
    free(all);
    return first;
}

enum cairn_status handlers_reload(struct handlers *handlers,
                                  struct cairn_error *error) {
    return look(handlers, true, error);
}

/* -- The thread -------------------------------------------------------------------- */

/* Nothing is told of files that it had no memory to watch: they are polled. */
static void watch(struct handlers *handlers, struct file_watch *files) {
    struct handler **all;
    size_t count;
    file_watch_end(files);
    if (!handlers_list(handlers, &all, &count))
        return;
    const char **directories = malloc((count + 1) * sizeof *directories);
    for (size_t i = 0; directories && i < count; i++)
        directories[i] = all[i]->directory;
    if (directories)
        file_watch_begin(files, directories, count);
    free(directories);
    free(all);
}

static void *run(void *arg) {
    struct handlers *handlers = arg;
    struct file_watch files = FILE_WATCH_NONE;
    struct file_news news = {false, true};
    while (!atomic_load(&handlers->stopping)) {
        if (news.any)
            file_watch_settle(&files, &news);
        if (news.moved || files.inotify < 0)
            watch(handlers, &files);
        look(handlers, false, NULL);
        struct pollfd told[] = {{handlers->wake, POLLIN, 0},
                                {files.inotify, POLLIN, 0}};
        int count = poll(told, 2, file_watch_patience(&files));
        uint64_t ignored;
        news = (struct file_news){false, count == 0 || told[0].revents};
        if (told[0].revents && read(handlers->wake, &ignored, sizeof ignored) < 0 &&
            errno != EAGAIN)
            break;
        if (told[1].revents)
            file_watch_read(&files, &news);
    }
    file_watch_end(&files);
    return NULL;
}

enum cairn_status handlers_watch_start(struct handlers *handlers,
                                       struct cairn_error *error) {
    handlers->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (handlers->wake < 0)
        return cairn_fail(error, CAIRN_IO, "handlers: cannot make an eventfd: %s",
                          strerror(errno));
    int code = pthread_create(&handlers->thread, NULL, run, handlers);
    if (code)
        return cairn_fail(error, CAIRN_IO, "handlers: cannot start a thread: %s",
                          strerror(code));
    handlers->has_thread = true;
    return CAIRN_OK;
}

void handlers_watch_wake(struct handlers *handlers) {
    uint64_t one = 1;
    if (handlers->wake >= 0 && write(handlers->wake, &one, sizeof one) < 0)
        return; /* it is awake */
}

void handlers_watch_stop(struct handlers *handlers) {
    atomic_store(&handlers->stopping, true);
    handlers_watch_wake(handlers);
    if (handlers->has_thread)
        pthread_join(handlers->thread, NULL);
    if (handlers->wake >= 0)
        close(handlers->wake);
}
