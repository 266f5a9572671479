/* path.h -- the names under which things are kept.
 *
 * A path is bytes split at '/'; empty segments vanish, so "//a//b/" is "a/b"; the
 * root is "" and is a group that always exists. Segments "." and "..", a NUL byte
 * and more than CAIRN_PATH_MAX bytes (counted after normalisation) are refused with
 * CAIRN_INVALID_PATH. Every other byte is fine, UTF-8 or not.
 *
 * Inside the engine and below, a path is always a slice that is already normal.
 *
 * Threads: pure functions, any thread. */
#ifndef CAIRN_PATH_H
#define CAIRN_PATH_H

#include "cairn/status.h"

#define CAIRN_PATH_MAX 2048

/* A normalised path. `text` points into `room`, or at the caller's own bytes when
 * those were normal already (no copy on the hot path): do not move the struct and
 * do not let it outlive the input. */
struct cairn_path {
    struct cairn_slice text;
    char room[CAIRN_PATH_MAX];
};

/* Failures: CAIRN_INVALID_PATH, with the path in the message. */
enum cairn_status cairn_path_normalize(struct cairn_slice input, struct cairn_path *out,
                                       struct cairn_error *error);

/* "a/b/c" -> "a/b"; "a" -> ""; "" -> "". A view into `path`. */
struct cairn_slice cairn_path_parent(struct cairn_slice path);

/* "a/b/c" -> "c"; "" -> "". A view into `path`. */
struct cairn_slice cairn_path_name(struct cairn_slice path);

/* Steps through the segments: start with *at = 0; false after the last one. */
bool cairn_path_next(struct cairn_slice path, size_t *at, struct cairn_slice *segment);

/* True if `path` is `group` itself or lies beneath it. Both normal. */
bool cairn_path_within(struct cairn_slice path, struct cairn_slice group);

/* Joins two normal paths into `out->room`. CAIRN_INVALID_PATH when it gets too long. */
enum cairn_status cairn_path_join(struct cairn_slice head, struct cairn_slice tail,
                                  struct cairn_path *out, struct cairn_error *error);

#endif
