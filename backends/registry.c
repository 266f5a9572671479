/* registry.c -- the list of backends, and URLs that choose from it. */
#include "registry.h"

#include <stdlib.h>

static const struct cairn_backend *const backends[] = {
    &cairn_memory_backend,
    &cairn_fs_backend,
    &cairn_rocksdb_backend,
};

enum { BACKENDS = sizeof backends / sizeof *backends, SETTINGS_MAX = 64 };

const struct cairn_backend *cairn_backend_at(size_t i) {
    return i < BACKENDS ? backends[i] : NULL;
}

const struct cairn_backend *cairn_backend_find(struct cairn_slice name) {
    for (size_t i = 0; i < BACKENDS; i++)
        if (cairn_slice_equal(cairn_slice_of(backends[i]->name), name))
            return backends[i];
    return NULL;
}

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
    char known[128] = "";
    for (size_t i = 0; i < BACKENDS; i++) {
        strncat(known, i ? ", " : "", sizeof known - strlen(known) - 1);
        strncat(known, backends[i]->name, sizeof known - strlen(known) - 1);
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
