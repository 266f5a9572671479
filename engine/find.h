/* find.h -- from a path as it was given to the entry it means: links, packs, parents.
 *
 * The only implementation of path resolution; reading, listing and changing use it. */
#ifndef CAIRN_FIND_H
#define CAIRN_FIND_H

#include "core.h"

struct plan;

/* Where to look. */
struct finder {
    struct core *core;
    const struct cairn_context *context;
    void *snapshot;
    struct plan *plan; /* not NULL: changes that are planned but not made are seen, and
                          all that is looked at is noted there */
};

/* The finder of a plan. */
struct finder plan_finder(struct plan *plan);

struct found {
    /* The path with its links replaced; may point at the input. On CAIRN_NOT_FOUND:
     * where it would be. */
    struct cairn_path path;

    /* What was found, on CAIRN_OK. To be released whatever the status. */
    struct cairn_view view;

    bool packed;   /* lies in its group's pack and not at a key of its own */
    bool leftover; /* not there, but its key holds a tombstone, or what expired */

    /* On CAIRN_NOT_FOUND: the path's first `existing` bytes are a group. */
    size_t existing;
    bool beneath_value; /* ... because what follows them is a raw value */
};

enum { FIND_FOLLOW = 1 }; /* a link at the end, too */

/* CAIRN_OK, CAIRN_NOT_FOUND, CAIRN_LINK_LOOP or what the backend says. `path` is normal
 * and must live as long as `found`. */
enum cairn_status find_entry(const struct finder *finder, struct cairn_slice path,
                             unsigned flags, unsigned want, struct found *found,
                             struct cairn_error *error);

/* The same for readers: looks again until nothing was taken away meanwhile. */
enum cairn_status find_stable(const struct finder *finder, struct cairn_slice path,
                              unsigned flags, unsigned want, struct found *found,
                              struct cairn_error *error);

/* The same for a reader that has asked the backend for `path` itself already: `epoch`
 * is core_epoch before that, `looked` what it answered, found->view what it gave. */
enum cairn_status find_on(const struct finder *finder, struct cairn_slice path,
                          unsigned flags, unsigned want, uint64_t epoch,
                          enum cairn_status looked, struct found *found,
                          struct cairn_error *error);

/* True if the pack of `path`'s parent holds a child of its name. */
enum cairn_status find_in_pack(const struct finder *finder, struct cairn_slice path,
                               bool *out, struct cairn_error *error);

#endif
