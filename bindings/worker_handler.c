/* worker_handler.c -- handlers by name: searched for once, then kept until all are
 * closed, so that a worker that starts again finds its own without looking at a disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker_handler_inner.h"

enum { NAME_MAX_BYTES = 1024, HANDLERS_MAX = 4096 };

/* -- Versions ---------------------------------------------------------------------- */

struct handler_version *handler_version_new(const char *file,
                                            struct cairn_bytes *source) {
    struct handler_version *version = calloc(1, sizeof *version);
    char *copy = strdup(file);
    if (!version || !copy) {
        free(version);
        free(copy);
        cairn_bytes_free(source);
        return NULL;
    }
    atomic_init(&version->users, 1);
    version->file = copy;
    version->source = *source;
    *source = (struct cairn_bytes){0};
    source_hash(cairn_bytes_slice(&version->source), version->hash);
    return version;
}

void handler_version_release(struct handler_version *version) {
    if (!version ||
        atomic_fetch_sub_explicit(&version->users, 1, memory_order_acq_rel) > 1)
        return;
    cairn_bytes_free(&version->source);
    free(version->file);
    free(version);
}

/* -- One handler ------------------------------------------------------------------- */

struct handler *handler_retain(struct handler *handler) {
    atomic_fetch_add_explicit(&handler->users, 1, memory_order_relaxed);
    return handler;
}

void handler_release(struct handler *handler) {
    if (!handler ||
        atomic_fetch_sub_explicit(&handler->users, 1, memory_order_acq_rel) > 1)
        return;
    handler_version_release(handler->current);
    pthread_mutex_destroy(&handler->lock);
    free(handler->name);
    free(handler->file);
    free(handler->directory);
    free(handler);
}

struct cairn_slice handler_name(const struct handler *handler) {
    return cairn_slice_of(handler->name);
}

uint64_t handler_serial(const struct handler *handler) {
    return atomic_load_explicit(&handler->serial, memory_order_acquire);
}

struct handler_version *handler_current(struct handler *handler) {
    pthread_mutex_lock(&handler->lock);
    struct handler_version *version = handler->current;
    atomic_fetch_add_explicit(&version->users, 1, memory_order_relaxed);
    pthread_mutex_unlock(&handler->lock);
    return version;
}

/* -- Reading ----------------------------------------------------------------------- */

enum cairn_status handler_read(struct handlers *handlers, const char *file,
                               struct cairn_bytes *out, struct stat *status,
                               struct cairn_error *error) {
    struct cairn_error why;
    enum cairn_status result =
        source_read(handlers->origin, file, 0, HANDLER_SOURCE_MAX, out, status, &why);
    if (!result)
        return CAIRN_OK;
    if (result == CAIRN_NOT_FOUND)
        return cairn_fail(error, result, "%s is gone", file);
    if (result == CAIRN_NO_MEMORY || result == CAIRN_LIMIT)
        return cairn_fail(error,
                          result == CAIRN_LIMIT ? CAIRN_INVALID_ARGUMENT : result, "%s",
                          why.message);
    size_t size = strlen(file); /* "FILE: reason": no line of it is wrong */
    const char *reason =
        strncmp(why.message, file, size) == 0 ? why.message + size : why.message;
    return cairn_fail(error, CAIRN_INVALID_ARGUMENT, "%s:1%s", file, reason);
}

void handler_report(struct handlers *handlers, const char *event, const char *name,
                    const char *version, const char *message) {
    const struct handlers_options *options = &handlers->options;
    if (options->report)
        options->report(options->arg, event, name, version, message);
}

/* -- Finding ----------------------------------------------------------------------- */

/* Where a name is in the list, or would be. Needs `lock`. */
static size_t place_of(const struct handlers *handlers, const char *name, bool *found) {
    size_t low = 0, high = handlers->count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(handlers->items[middle]->name, name);
        *found = order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return high;
}

static struct handler *known(struct handlers *handlers, const char *name) {
    bool found;
    pthread_mutex_lock(&handlers->lock);
    size_t at = place_of(handlers, name, &found);
    struct handler *handler = found ? handler_retain(handlers->items[at]) : NULL;
    pthread_mutex_unlock(&handlers->lock);
    return handler;
}

static bool has_room(struct handlers *handlers) {
    if (handlers->count < handlers->capacity)
        return true;
    size_t capacity = handlers->capacity ? 2 * handlers->capacity : 8;
    struct handler **items =
        realloc(handlers->items, capacity * sizeof *handlers->items);
    if (!items)
        return false;
    handlers->items = items;
    handlers->capacity = capacity;
    return true;
}

/* Needs `lock`. */
static enum cairn_status insert(struct handlers *handlers, size_t at,
                                struct handler *handler, struct cairn_error *error) {
    if (handlers->count >= HANDLERS_MAX)
        return cairn_fail(error, CAIRN_LIMIT, "handler '%s': there are %d already",
                          handler->name, HANDLERS_MAX);
    if (!has_room(handlers))
        return cairn_fail(error, CAIRN_NO_MEMORY, "handler '%s': no memory for it",
                          handler->name);
    struct handler **items = handlers->items;
    memmove(items + at + 1, items + at, (handlers->count - at) * sizeof *items);
    items[at] = handler_retain(handler);
    handlers->count++;
    return CAIRN_OK;
}

/* Into the list; or, if somebody else was faster, theirs instead. */
static enum cairn_status keep(struct handlers *handlers, struct handler **handler,
                              struct cairn_error *error) {
    bool found;
    struct handler *own = *handler;
    enum cairn_status status = CAIRN_OK;
    pthread_mutex_lock(&handlers->lock);
    size_t at = place_of(handlers, own->name, &found);
    if (found)
        *handler = handler_retain(handlers->items[at]);
    else
        status = insert(handlers, at, own, error);
    pthread_mutex_unlock(&handlers->lock);
    if (status || found) {
        handler_release(own);
        return status;
    }
    handler_report(handlers, "loaded", own->name, own->current->hash, NULL);
    handlers_watch_wake(handlers);
    return CAIRN_OK;
}

/* Takes over `file`. */
static struct handler *new_handler(const struct handlers *handlers, const char *name,
                                   char *file, struct handler_version *version,
                                   const struct stat *status) {
    struct handler *handler = calloc(1, sizeof *handler);
    if (!handler) {
        free(file);
        handler_version_release(version);
        return NULL;
    }
    atomic_init(&handler->users, 1);
    atomic_init(&handler->serial, version->serial);
    pthread_mutex_init(&handler->lock, NULL);
    handler->file = file;
    handler->current = version;
    handler->look = source_look_of(status);
    handler->name = strdup(name);
    handler->directory = handler_directory(handlers, file);
    if (handler->name && handler->directory)
        return handler;
    handler_release(handler);
    return NULL;
}

/* Takes over `file`. */
static enum cairn_status make(struct handlers *handlers, const char *name, char *file,
                              struct handler **out, struct cairn_error *error) {
    struct cairn_bytes source = {0};
    struct stat status;
    struct handler_version *version = NULL;
    enum cairn_status result = handler_read(handlers, file, &source, &status, error);
    if (!result)
        version = handler_version_new(file, &source);
    if (!result && !version)
        result = cairn_fail(error, CAIRN_NO_MEMORY, "%s: no memory for it", file);
    cairn_bytes_free(&source);
    if (!result)
        result = handler_try(handlers, name, version, error);
    if (result) {
        handler_version_release(version);
        free(file);
        return result;
    }
    version->serial = atomic_fetch_add(&handlers->serial, 1) + 1;
    *out = new_handler(handlers, name, file, version, &status);
    if (!*out)
        return cairn_fail(error, CAIRN_NO_MEMORY, "handler '%s': no memory for it",
                          name);
    return keep(handlers, out, error);
}

static enum cairn_status check_name(struct cairn_slice name,
                                    struct cairn_error *error) {
    if (name.size == 0)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT, "a handler without a name");
    if (name.size > NAME_MAX_BYTES)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "a handler's name has over %d bytes", NAME_MAX_BYTES);
    if (memchr(name.data, 0, name.size))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "a handler's name with a zero in it", name);
    return CAIRN_OK;
}

enum cairn_status handlers_find(struct handlers *handlers, struct cairn_slice name,
                                struct handler **out, struct cairn_error *error) {
    char text[NAME_MAX_BYTES + 1], *file;
    enum cairn_status status = check_name(name, error);
    if (status)
        return status;
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    struct handler *handler = known(handlers, text);
    if (!handler) {
        status = handler_locate(handlers, text, &file, error);
        if (!status)
            status = make(handlers, text, file, &handler, error);
    }
    if (!status)
        *out = handler;
    return status;
}

/* -- All of them ------------------------------------------------------------------- */

bool handlers_list(struct handlers *handlers, struct handler ***out, size_t *count) {
    pthread_mutex_lock(&handlers->lock);
    size_t size = handlers->count * sizeof **out;
    *out = malloc(size ? size : 1);
    if (*out && size)
        memcpy(*out, handlers->items, size);
    *count = *out ? handlers->count : 0;
    pthread_mutex_unlock(&handlers->lock);
    return *out != NULL;
}

void handlers_each(struct handlers *handlers,
                   void (*visit)(void *arg, const char *name, const char *file,
                                 const char *version, uint64_t reloads,
                                 const char *problem),
                   void *arg) {
    struct handler **all;
    size_t count;
    char problem[sizeof all[0]->problem];
    if (!handlers_list(handlers, &all, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        struct handler *handler = all[i];
        struct handler_version *version = handler_current(handler);
        pthread_mutex_lock(&handler->lock);
        memcpy(problem, handler->problem, sizeof problem);
        uint64_t reloads = handler->reloads;
        pthread_mutex_unlock(&handler->lock);
        visit(arg, handler->name, handler->file, version->hash, reloads,
              problem[0] ? problem : NULL);
        handler_version_release(version);
    }
    free(all);
}

static bool copy_options(struct handlers *handlers,
                         const struct handlers_options *options) {
    handlers->options = *options;
    handlers->options.path = strdup(options->path ? options->path : "");
    handlers->options.cpath = strdup(options->cpath ? options->cpath : "");
    return handlers->options.path && handlers->options.cpath;
}

static enum cairn_status open_parts(struct handlers *handlers,
                                    const struct handlers_options *options,
                                    struct cairn_error *error) {
    if (!copy_options(handlers, options))
        return cairn_fail(error, CAIRN_NO_MEMORY, "handlers: no memory for them");
    handlers->origin = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    handlers->origin_path = getcwd(NULL, 0);
    if (handlers->origin < 0 || !handlers->origin_path)
        return cairn_fail(error, CAIRN_IO, "handlers: cannot open '.': %s",
                          strerror(errno));
    return options->watch ? handlers_watch_start(handlers, error) : CAIRN_OK;
}

enum cairn_status handlers_open(const struct handlers_options *options,
                                struct handlers **out, struct cairn_error *error) {
    struct handlers *handlers = calloc(1, sizeof *handlers);
    if (!handlers)
        return cairn_fail(error, CAIRN_NO_MEMORY, "handlers: no memory for them");
    handlers->origin = handlers->wake = -1;
    pthread_mutex_init(&handlers->lock, NULL);
    pthread_mutex_init(&handlers->loading, NULL);
    enum cairn_status status = open_parts(handlers, options, error);
    if (status)
        handlers_close(handlers);
    else
        *out = handlers;
    return status;
}

void handlers_close(struct handlers *handlers) {
    if (!handlers)
        return;
    handlers_watch_stop(handlers);
    for (size_t i = 0; i < handlers->count; i++)
        handler_release(handlers->items[i]);
    free(handlers->items);
    if (handlers->origin >= 0)
        close(handlers->origin);
    free(handlers->origin_path);
    free((char *)handlers->options.path);
    free((char *)handlers->options.cpath);
    pthread_mutex_destroy(&handlers->lock);
    pthread_mutex_destroy(&handlers->loading);
    free(handlers);
}
