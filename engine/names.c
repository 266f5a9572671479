/* names.c -- keys, hashes and hashpaths as paths in a store. */
#include "names.h"

#include <stdio.h>

#include "digest.h"

static bool is_dots(struct cairn_slice key) {
    return key.size && key.size <= 2 && key.data[0] == '.' &&
           key.data[key.size - 1] == '.';
}

static bool is_special(char byte, bool dots) {
    return byte == '/' || byte == '%' || byte == '\0' || (dots && byte == '.');
}

bool name_escape(struct cairn_slice key, struct cairn_arena *arena,
                 struct cairn_slice *out) {
    bool dots = is_dots(key);
    size_t special = 0;
    if (!cairn_is_id(key)) /* which most are, and which have nothing special */
        for (size_t i = 0; i < key.size; i++)
            special += is_special(key.data[i], dots);
    *out = key.size ? key : cairn_slice_of("%");
    if (!special)
        return true;
    char *text = cairn_arena_take(arena, key.size + 2 * special);
    if (!text)
        return false;
    *out = (struct cairn_slice){text, key.size + 2 * special};
    for (size_t i = 0; i < key.size; i++) {
        unsigned char byte = (unsigned char)key.data[i];
        if (!is_special(key.data[i], dots)) {
            *text++ = key.data[i];
            continue;
        }
        *text++ = '%';
        *text++ = "0123456789ABCDEF"[byte >> 4];
        *text++ = "0123456789ABCDEF"[byte & 15];
    }
    return true;
}

/* The byte that one of our own escapes stands for; -1 for anything else, which is taken
 * as it is: stores that others wrote have names with percent signs. */
static int escaped_byte(const char *at, size_t left) {
    static const struct {
        const char *escape;
        char byte;
    } escapes[] = {{"%2F", '/'}, {"%25", '%'}, {"%00", '\0'}, {"%2E", '.'}};
    for (size_t i = 0; left >= 3 && i < sizeof escapes / sizeof *escapes; i++)
        if (memcmp(at, escapes[i].escape, 3) == 0)
            return escapes[i].byte;
    return -1;
}

bool name_unescape(struct cairn_slice name, struct cairn_arena *arena,
                   struct cairn_slice *out) {
    *out = name;
    if (!name.size || !memchr(name.data, '%', name.size))
        return true;
    if (name.size == 1) {
        *out = (struct cairn_slice){"", 0};
        return true;
    }
    char *text = cairn_arena_take(arena, name.size);
    if (!text)
        return false;
    size_t size = 0;
    for (size_t i = 0; i < name.size; i++) {
        int byte = escaped_byte(name.data + i, name.size - i);
        text[size++] = byte < 0 ? name.data[i] : (char)byte;
        i += byte < 0 ? 0 : 2;
    }
    *out = (struct cairn_slice){text, size};
    return true;
}

bool name_data(const struct cairn_id *hash, struct cairn_arena *arena,
               struct cairn_slice *out) {
    char *text = cairn_arena_take(arena, 5 + CAIRN_ID_SIZE);
    if (!text)
        return false;
    memcpy(text, "data/", 5);
    memcpy(text + 5, hash->text, CAIRN_ID_SIZE);
    *out = (struct cairn_slice){text, 5 + CAIRN_ID_SIZE};
    return true;
}

bool name_is_data(struct cairn_slice path, struct cairn_slice *hash) {
    if (path.size != 5 + CAIRN_ID_SIZE || memcmp(path.data, "data/", 5) != 0)
        return false;
    *hash = cairn_slice_sub(path, 5, CAIRN_ID_SIZE);
    return true;
}

static enum cairn_status set_base(enum cairn_hashpath_algorithm algorithm,
                                  struct cairn_slice base, struct cairn_id *out,
                                  struct cairn_error *error) {
    const char *slash = base.size ? memchr(base.data, '/', base.size) : NULL;
    if (slash) {
        size_t first = (size_t)(slash - base.data);
        return cairn_hashpath_fold(
            algorithm, cairn_slice_sub(base, 0, first),
            cairn_slice_sub(base, first + 1, base.size - first - 1), out, error);
    }
    if (!cairn_is_id(base))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "a base is an id or a hashpath, not", base);
    memcpy(out->text, base.data, CAIRN_ID_SIZE);
    out->text[CAIRN_ID_SIZE] = '\0';
    return CAIRN_OK;
}

/* As a name of at most sizeof out->request bytes: a long one by its hash, behind a '%'
 * that no escape begins so. */
static enum cairn_status set_request(struct cairn_slice request, struct hashpath *out,
                                     struct cairn_error *error) {
    struct cairn_arena arena;
    struct cairn_slice name;
    struct cairn_id hash;
    cairn_arena_init(&arena);
    enum cairn_status status = CAIRN_OK;
    if (!name_escape(request, &arena, &name)) {
        status = cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a hashpath");
    } else if (name.size <= sizeof out->request) {
        memcpy(out->request, name.data, name.size);
        out->request_size = name.size;
    } else if (!(status = cairn_id_of_bytes(request, &hash, error))) {
        out->request_size =
            (size_t)snprintf(out->request, sizeof out->request, "%%%s", hash.text);
    }
    cairn_arena_free(&arena);
    return status;
}

enum cairn_status hashpath_of(enum cairn_hashpath_algorithm algorithm,
                              struct cairn_slice base, struct cairn_slice request,
                              struct hashpath *out, struct cairn_error *error) {
    if (request.size == 0 || memchr(request.data, '/', request.size))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "a request is one segment of a hashpath, not", request);
    enum cairn_status status = set_base(algorithm, base, &out->base, error);
    return status ? status : set_request(request, out, error);
}

enum cairn_status hashpath_parse(enum cairn_hashpath_algorithm algorithm,
                                 struct cairn_slice text, struct hashpath *out,
                                 struct cairn_error *error) {
    struct cairn_path path;
    enum cairn_status status = cairn_path_normalize(text, &path, error);
    if (status)
        return status;
    struct cairn_slice base = cairn_path_parent(path.text);
    if (base.size == 0)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "a hashpath has a base and a request, unlike", path.text);
    return hashpath_of(algorithm, base, cairn_path_name(path.text), out, error);
}

static char *put(char *at, const char *bytes, size_t size) {
    memcpy(at, bytes, size);
    return at + size;
}

static void put_parts(const struct hashpath *hashpath, const char *prefix,
                      struct cairn_path *out) {
    char *at = put(out->room, prefix, strlen(prefix));
    at = put(at, hashpath->base.text, CAIRN_ID_SIZE);
    *at++ = '/';
    at = put(at, hashpath->request, hashpath->request_size);
    out->text = (struct cairn_slice){out->room, (size_t)(at - out->room)};
}

void hashpath_record(const struct hashpath *hashpath, struct cairn_path *out) {
    put_parts(hashpath, "~results/", out);
}

void hashpath_text(const struct hashpath *hashpath, struct cairn_path *out) {
    put_parts(hashpath, "", out);
}
