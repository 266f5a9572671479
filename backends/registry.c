/* registry.c -- the list of backends, who may join it, URLs that choose from it. */
#include "registry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { BACKENDS_MAX = 64, SETTINGS_MAX = 64 };

/* Those that this library is built with, then those that were registered. What is at an
 * index never changes again, so readers take no lock. */
static const struct cairn_backend *_Atomic backends[BACKENDS_MAX] = {
    &cairn_memory_backend,
    &cairn_fs_backend,
    &cairn_rocksdb_backend,
};

/* Held while one is added. */
static pthread_mutex_t register_lock = PTHREAD_MUTEX_INITIALIZER;

const struct cairn_backend *cairn_backend_at(size_t i) {
    return i < BACKENDS_MAX ? atomic_load_explicit(&backends[i], memory_order_acquire)
                            : NULL;
}

const struct cairn_backend *cairn_backend_find(struct cairn_slice name) {
    const struct cairn_backend *backend;
    for (size_t i = 0; (backend = cairn_backend_at(i)); i++)
        if (cairn_slice_equal(cairn_slice_of(backend->name), name))
            return backend;
    return NULL;
}

/* -- Registering ------------------------------------------------------------------ */

/* A scheme as URLs have it (RFC 3986, section 3.1), in lower case. */
static bool is_scheme(const char *name) {
    if (!name || *name < 'a' || *name > 'z')
        return false;
    for (; *name; name++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789+-.", *name))
            return false;
    return true;
}

/* What every store needs; the rest may be NULL, see backend.h. */
static enum cairn_status check_backend(const struct cairn_backend *backend,
                                       struct cairn_error *error) {
    if (!is_scheme(backend->name) || strlen(backend->name) > CAIRN_BACKEND_NAME_MAX)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "a backend's name is 1 to %d lower-case letters, digits, "
                          "'+', '-' and '.', and begins with a letter: not '%.40s'",
                          CAIRN_BACKEND_NAME_MAX, backend->name ? backend->name : "");
    if (!backend->summary || !backend->options)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "the backend '%s' has no summary or no list of options",
                          backend->name);
    if (!backend->open || !backend->close || !backend->get || !backend->apply ||
        !backend->scan || !backend->scan_next || !backend->scan_close ||
        !backend->reset)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "the backend '%s' lacks one of open, close, get, apply, "
                          "scan, scan_next, scan_close, reset",
                          backend->name);
    if (!backend->chunk_bytes &&
        (!backend->stage || !backend->stage_append || !backend->stage_discard))
        return cairn_fail(
            error, CAIRN_INVALID_ARGUMENT,
            "the backend '%s' takes values in one piece, but lacks one of "
            "stage, stage_append, stage_discard",
            backend->name);
    if (!backend->snapshot != !backend->snapshot_release)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "the backend '%s' has one of snapshot and snapshot_release",
                          backend->name);
    return CAIRN_OK;
}

/* With the lock held. */
static enum cairn_status add(const struct cairn_backend *backend,
                             struct cairn_error *error) {
    const struct cairn_backend *there =
        cairn_backend_find(cairn_slice_of(backend->name));
    if (there == backend)
        return CAIRN_OK;
    if (there)
        return cairn_fail(error, CAIRN_CONFLICT,
                          "there is another backend of the name '%s' already",
                          backend->name);
    for (size_t i = 0; i < BACKENDS_MAX; i++) {
        if (cairn_backend_at(i))
            continue;
        atomic_store_explicit(&backends[i], backend, memory_order_release);
        return CAIRN_OK;
    }
    return cairn_fail(error, CAIRN_LIMIT,
                      "there are %d backends already, no room for "
                      "'%s'",
                      BACKENDS_MAX, backend->name);
}

enum cairn_status cairn_backend_register(const struct cairn_backend *backend,
                                         struct cairn_error *error) {
    enum cairn_status status = check_backend(backend, error);
    if (status)
        return status;
    pthread_mutex_lock(&register_lock);
    status = add(backend, error);
    pthread_mutex_unlock(&register_lock);
    return status;
}

/* -- URLs ------------------------------------------------------------------------- */

static int hex(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Undoes percent-escapes in place. */
static size_t unescape(char *text, size_t size) {
    size_t out = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '%' && i + 2 < size && hex(text[i + 1]) >= 0 &&
            hex(text[i + 2]) >= 0) {
            text[out++] = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
            i += 2;
        } else {
            text[out++] = text[i];
        }
    }
    return out;
}

/* Splits "a=b&c=d" (which it changes) into settings. */
static enum cairn_status split(char *query, size_t size, struct cairn_setting *settings,
                               size_t *count, struct cairn_error *error) {
    *count = 0;
    for (size_t at = 0; at < size;) {
        char *from = query + at, *end = memchr(from, '&', size - at);
        size_t length = end ? (size_t)(end - from) : size - at;
        char *equals = length ? memchr(from, '=', length) : NULL;
        at += length + 1;
        if (length == 0)
            continue;
        if (!equals)
            return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                              "option '%.*s' in the store's URL has no value",
                              length > 60 ? 60 : (int)length, from);
        if (*count == SETTINGS_MAX)
            return cairn_fail(error, CAIRN_LIMIT, "a store's URL with over %d options",
                              SETTINGS_MAX);
        size_t name = (size_t)(equals - from);
        struct cairn_setting *setting = &settings[(*count)++];
        setting->name = (struct cairn_slice){from, unescape(from, name)};
        setting->value =
            (struct cairn_slice){equals + 1, unescape(equals + 1, length - name - 1)};
    }
    return CAIRN_OK;
}

static enum cairn_status unknown_backend(struct cairn_slice url,
                                         struct cairn_error *error) {
    char known[200] = "";
    const struct cairn_backend *backend;
    for (size_t i = 0; (backend = cairn_backend_at(i)); i++) {
        strncat(known, i ? ", " : "", sizeof known - strlen(known) - 1);
        strncat(known, backend->name, sizeof known - strlen(known) - 1);
    }
    return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                      "'%.*s' is no store's URL: it does not begin with one of %s "
                      "and a ':'",
                      url.size > 200 ? 200 : (int)url.size, url.data, known);
}

enum cairn_status cairn_open(struct cairn_slice url, struct cairn_store **out,
                             struct cairn_error *error) {
    const char *colon = url.size ? memchr(url.data, ':', url.size) : NULL;
    const struct cairn_backend *backend =
        colon ? cairn_backend_find(
                    (struct cairn_slice){url.data, (size_t)(colon - url.data)})
              : NULL;
    if (!backend)
        return unknown_backend(url, error);
    size_t from = strlen(backend->name) + 1;
    struct cairn_slice rest = cairn_slice_sub(url, from, url.size - from);
    const char *mark = rest.size ? memchr(rest.data, '?', rest.size) : NULL;
    struct cairn_slice location = {rest.data,
                                   mark ? (size_t)(mark - rest.data) : rest.size};

    struct cairn_setting settings[SETTINGS_MAX];
    size_t count = 0, size = mark ? rest.size - location.size - 1 : 0;
    char *query = malloc(size + 1);
    if (!query)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to open a store");
    if (size)
        memcpy(query, mark + 1, size);
    enum cairn_status status = split(query, size, settings, &count, error);
    if (!status)
        status = cairn_store_open(backend, location, settings, count, out, error);
    free(query);
    return status;
}
