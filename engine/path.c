/* path.c -- normalisation: one pass that copies only what is not normal already. */
#include "cairn/path.h"

static bool is_dots(const char *segment, size_t size) {
    return segment[0] == '.' && (size == 1 || (size == 2 && segment[1] == '.'));
}

/* Takes the segments one by one; `out` is where the normal form goes. */
static enum cairn_status copy_segments(struct cairn_slice input, struct cairn_path *out,
                                       struct cairn_error *error) {
    size_t at = 0, size = 0;
    struct cairn_slice segment;
    while (cairn_path_next(input, &at, &segment)) {
        if (is_dots(segment.data, segment.size))
            return cairn_fail_at(error, CAIRN_INVALID_PATH,
                                 "a path may not hold the segments '.' and '..'",
                                 input);
        if (size + (size > 0) + segment.size > CAIRN_PATH_MAX)
            return cairn_fail_at(error, CAIRN_INVALID_PATH,
                                 "a path may not be over 2048 bytes", input);
        if (size)
            out->room[size++] = '/';
        memcpy(out->room + size, segment.data, segment.size);
        size += segment.size;
    }
    out->text = (struct cairn_slice){out->room, size};
    return CAIRN_OK;
}

/* Normal already: no empty segment, no dots. Looks at what follows each '/'. */
static bool is_normal(struct cairn_slice input) {
    if (input.size > CAIRN_PATH_MAX)
        return false;
    const char *segment = input.data, *end = input.data + input.size;
    for (;;) {
        const char *slash = memchr(segment, '/', (size_t)(end - segment));
        const char *stop = slash ? slash : end;
        if (stop == segment || is_dots(segment, (size_t)(stop - segment)))
            return false;
        if (!slash)
            return true;
        segment = slash + 1;
    }
}

enum cairn_status cairn_path_normalize(struct cairn_slice input, struct cairn_path *out,
                                       struct cairn_error *error) {
    if (input.size == 0) {
        out->text = (struct cairn_slice){out->room, 0};
        return CAIRN_OK;
    }
    if (memchr(input.data, '\0', input.size))
        return cairn_fail_at(error, CAIRN_INVALID_PATH,
                             "a path may not hold a NUL byte", input);
    if (is_normal(input)) {
        out->text = input;
        return CAIRN_OK;
    }
    return copy_segments(input, out, error);
}

struct cairn_slice cairn_path_parent(struct cairn_slice path) {
    const char *slash = path.size ? memrchr(path.data, '/', path.size) : NULL;
    return (struct cairn_slice){path.data, slash ? (size_t)(slash - path.data) : 0};
}

struct cairn_slice cairn_path_name(struct cairn_slice path) {
    struct cairn_slice parent = cairn_path_parent(path);
    size_t from = parent.size ? parent.size + 1 : 0;
    return cairn_slice_sub(path, from, path.size - from);
}

bool cairn_path_next(struct cairn_slice path, size_t *at, struct cairn_slice *segment) {
    while (*at < path.size && path.data[*at] == '/')
        ++*at;
    if (*at >= path.size)
        return false;
    const char *from = path.data + *at;
    const char *slash = memchr(from, '/', path.size - *at);
    *segment =
        (struct cairn_slice){from, slash ? (size_t)(slash - from) : path.size - *at};
    *at += segment->size;
    return true;
}

bool cairn_path_within(struct cairn_slice path, struct cairn_slice group) {
    if (group.size == 0)
        return true;
    return path.size >= group.size && memcmp(path.data, group.data, group.size) == 0 &&
           (path.size == group.size || path.data[group.size] == '/');
}

enum cairn_status cairn_path_join(struct cairn_slice head, struct cairn_slice tail,
                                  struct cairn_path *out, struct cairn_error *error) {
    size_t slash = head.size && tail.size;
    size_t size = head.size + slash + tail.size;
    if (size > CAIRN_PATH_MAX)
        return cairn_fail_at(error, CAIRN_INVALID_PATH,
                             "a path may not be over 2048 bytes, links replaced", head);
    /* Either part may lie in out->room itself: the tail goes first, to its place. */
    if (tail.size)
        memmove(out->room + head.size + slash, tail.data, tail.size);
    if (head.size)
        memmove(out->room, head.data, head.size);
    if (slash)
        out->room[head.size] = '/';
    out->text = (struct cairn_slice){out->room, size};
    return CAIRN_OK;
}
