/* worker_handler_inner.h -- the inside of handlers, shared by worker_handler*.c.
 *
 * Locks, the outer first: `loading` (one at a time looks at the files of handlers that
 * are known), then `lock` (short: the list), then a handler's own (short). None is held
 * while a report is made but `loading`. */
#ifndef CAIRN_WORKER_HANDLER_INNER_H
#define CAIRN_WORKER_HANDLER_INNER_H

#include <pthread.h>

#include "source_file.h"
#include "worker_handler.h"

struct handler {
    _Atomic uint64_t serial; /* of `current` */
    char *name;
    char *file;      /* as it was found */
    char *directory; /* absolute: where that lies */

    /* Guarded by `loading`; what the first find set. */
    struct source_look look;        /* as it was when it was read */
    char refused[SOURCE_HASH_ROOM]; /* what was tried and is broken; or empty */
    char said[SOURCE_HASH_ROOM];    /* the content of which `problem` was reported */

    atomic_uint users;
    pthread_mutex_t lock;
    struct handler_version *current; /* the last good one; never NULL */
    uint64_t reloads;
    char problem[sizeof((struct cairn_error *)0)->message]; /* or empty */
};

struct handlers {
    struct handlers_options options; /* its texts are its own */
    int origin;                      /* names of files are relative to this directory */
    char *origin_path;
    _Atomic uint64_t serial; /* the last that was given */

    pthread_mutex_t lock;
    struct handler **items; /* retained, by name; none goes before all are closed */
    size_t count, capacity;

    pthread_mutex_t loading;

    /* The thread: worker_handler_watch.c. */
    pthread_t thread;
    bool has_thread;
    int wake; /* eventfd; -1: none */
    atomic_bool stopping;
};

/* The handlers there are now, by name; the array is the caller's to free. False: no
 * memory. */
bool handlers_list(struct handlers *handlers, struct handler ***out, size_t *count);

/* The text, as a version that has no serial yet. Takes over `source`, whatever comes of
 * it. NULL: no memory. */
struct handler_version *handler_version_new(const char *file,
                                            struct cairn_bytes *source);

/* worker_handler_search.c: the file of a name, and the absolute directory that it lies
 * in (NULL: no memory); the caller's to free. */
enum cairn_status handler_locate(struct handlers *handlers, const char *name,
                                 char **file, struct cairn_error *error);
char *handler_directory(const struct handlers *handlers, const char *file);

/* Reads the file of a handler. CAIRN_NOT_FOUND: it is not there; else
 * "file:line: reason". */
enum cairn_status handler_read(struct handlers *handlers, const char *file,
                               struct cairn_bytes *out, struct stat *status,
                               struct cairn_error *error);
/* worker_handler_load.c: runs a version in a state of its own, within a few seconds. */
enum cairn_status handler_try(struct handlers *handlers, const char *name,
                              const struct handler_version *version,
                              struct cairn_error *error);
void handler_report(struct handlers *handlers, const char *event, const char *name,
                    const char *version, const char *message);

/* worker_handler_watch.c: the thread. */
enum cairn_status handlers_watch_start(struct handlers *handlers,
                                       struct cairn_error *error);
/* There is another file to be watched. */
void handlers_watch_wake(struct handlers *handlers);
void handlers_watch_stop(struct handlers *handlers);

#endif
