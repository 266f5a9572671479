/* backend.h -- the seam below: what a kind of store must offer.
 *
 * A backend keeps entries at paths and nothing more. Links, parents, packs, chunks,
 * conditions, limits and errors are the engine's (store.h), written once over these
 * entries; see backends/README.md for how to add one.
 *
 * What a backend may rely on:
 *  - Paths are normal (path.h). Those that begin with '/' are the engine's own
 *    (chunks and their bookkeeping): they have no parent group and are never listed
 *    with the root's children. Only backends with `chunk_bytes` ever see them.
 *  - `apply` is never asked for two changes to one path at once (the engine holds
 *    locks striped by path), and its changes come in an order in which they could be
 *    done one by one: groups before their children, children before their group when
 *    erased. The parent of what is put exists or stands earlier among the changes.
 *
 * Threads: any entry may be called from any thread at any time, except `close`, which
 * is called once, last. */
#ifndef CAIRN_BACKEND_H
#define CAIRN_BACKEND_H

#include "cairn/codec.h"
#include "cairn/context.h"
#include "cairn/options.h"

/* Something read, pinned until it is released: the entry's slices point into it. */
struct cairn_view {
    struct cairn_entry entry;
    void *owner;
    void (*release)(void *owner); /* NULL: nothing to release */
};

static inline void cairn_view_release(struct cairn_view *view) {
    if (view->release)
        view->release(view->owner);
    view->release = NULL;
}

/* What of an entry is wanted: a backend may leave the rest zero. Kind, form, a link's
 * target and expires_ms are always given. */
enum cairn_want {
    CAIRN_WANT_PAYLOAD = 1 << 0,
    CAIRN_WANT_DETAILS = 1 << 1, /* size, times and metadata */
};

enum cairn_change_kind { CAIRN_PUT, CAIRN_ERASE };

struct cairn_change {
    enum cairn_change_kind kind;
    struct cairn_slice path;
    struct cairn_entry entry; /* for CAIRN_PUT */
    void *staged;             /* not NULL: the payload is what was staged (see below) */
    bool fresh;               /* CAIRN_PUT: CAIRN_CONFLICT if something is there */
};

enum cairn_apply_flag {
    CAIRN_APPLY_SYNC = 1 << 0, /* on stable storage before it returns */
};

enum cairn_capability {
    CAIRN_CAN_BATCH = 1 << 0,  /* apply() of many changes is all or nothing, and no
                                  reader sees a part of it */
    CAIRN_CAN_PACK = 1 << 1,   /* keeps a group's payload and tombstones. Without it,
                                  apply() turns a pack into one entry per child */
    CAIRN_IS_SHARED = 1 << 2,  /* other processes may change it while it is open */
    CAIRN_IS_LOSSY = 1 << 3,   /* may forget raw values: a bounded cache */
    CAIRN_CAN_PERSIST = 1 << 4 /* what was synced is there after a crash */
};

/* One step of a scan: valid until the next one. */
struct cairn_scan_item {
    struct cairn_slice name; /* the last segment */
    struct cairn_entry entry;
};

/* A number for people and monitoring; see `stats`. */
struct cairn_stat {
    const char *name; /* static; ends in its unit: "_bytes", "_count" */
    uint64_t value;
};

struct cairn_backend {
    const char *name; /* "fs", "rocksdb", ...: the scheme of its URLs */
    const char *summary;
    enum cairn_scope scope;
    unsigned capabilities; /* what every instance has */
    const struct cairn_option *options;

    /* Longest segment it can hold, in bytes; 0: any. The engine refuses longer ones. */
    size_t name_max;

    /* Raw values over this many bytes are cut into chunks of it by the engine; 0: the
     * backend takes any size in one piece and offers `stage` for streams. */
    size_t chunk_bytes;

    /* Whether `location` (what stands after "scheme:") may be shared between opens in
     * one process, and under what name: writes e.g. the real path to `out`, or nothing
     * if it may not. NULL: each open is its own store. Called before open(), after the
     * location exists or not. */
    enum cairn_status (*identify)(struct cairn_slice location, struct cairn_bytes *out,
                                  struct cairn_error *error);

    /* On CAIRN_OK `*self` is handed to every other entry. Nothing is left behind
     * otherwise. A directory that is something else is refused, untouched. */
    enum cairn_status (*open)(struct cairn_slice location,
                              const struct cairn_setting *settings, size_t count,
                              void **self, struct cairn_error *error);
    void (*close)(void *self);

    /* Capabilities of this instance, where options decide; NULL: as above. */
    unsigned (*capabilities_of)(void *self);

    /* The entry at exactly this path: links are not followed, neither at the end nor in
     * between (nothing is ever there beneath a link: CAIRN_NOT_FOUND). `snapshot` is
     * NULL or from `snapshot`. CAIRN_CORRUPT names the path. Expired entries are
     * returned like others. */
    enum cairn_status (*get)(void *self, const struct cairn_context *context,
                             void *snapshot, struct cairn_slice path, unsigned want,
                             struct cairn_view *out, struct cairn_error *error);

    /* Several at once, if that is cheaper. statuses[i] tells about paths[i]; views of
     * those that are not CAIRN_OK need no release. NULL: the engine calls get. */
    void (*get_many)(void *self, const struct cairn_context *context, void *snapshot,
                     const struct cairn_slice *paths, size_t count, unsigned want,
                     struct cairn_view *views, enum cairn_status *statuses,
                     struct cairn_error *error);

    /* A hint: `path` will be read in a moment, and what `get` has to wait for may be
     * fetched until then. Called twice, if at all, with some time in between, for what
     * was fetched at first may lead to more: with the path and 0, and with no path and
     * what the first call returned (not 0). Changes nothing. NULL: of no use. */
    uint64_t (*expect)(void *self, struct cairn_slice path, uint64_t before);

    /* Makes the changes. Erasing what is not there is fine. Whatever fails, no value is
     * ever half there. Staged payloads are consumed on CAIRN_OK only. CAIRN_NOT_FOUND:
     * another process has taken a parent away; the engine looks and plans again. */
    enum cairn_status (*apply)(void *self, const struct cairn_context *context,
                               const struct cairn_change *changes, size_t count,
                               unsigned flags, struct cairn_error *error);

    /* The entries directly in `group`, in byte order of their names, from `from`
     * (inclusive) up to `to` (exclusive; empty: to the end). A group that is not there
     * is an empty scan. */
    enum cairn_status (*scan)(void *self, const struct cairn_context *context,
                              void *snapshot, struct cairn_slice group,
                              struct cairn_slice from, struct cairn_slice to,
                              unsigned want, void **cursor, struct cairn_error *error);
    enum cairn_status (*scan_next)(
        void *cursor, struct cairn_scan_item *out,
        struct cairn_error *error); /* CAIRN_NOT_FOUND: end */
    void (*scan_close)(void *cursor);

    /* Forgets every entry. */
    enum cairn_status (*reset)(void *self, const struct cairn_context *context,
                               struct cairn_error *error);

    /* All that was applied before is on stable storage after. NULL: nothing to do. */
    enum cairn_status (*sync)(void *self, const struct cairn_context *context,
                              struct cairn_error *error);

    /* A frozen state to read from. NULL: CAIRN_UNSUPPORTED. */
    enum cairn_status (*snapshot)(void *self, void **snapshot,
                                  struct cairn_error *error);
    void (*snapshot_release)(void *self, void *snapshot);

    /* Streams, for backends with chunk_bytes == 0. A staged payload is invisible until
     * a change carries it; what is neither applied nor discarded is gone after a crash.
     */
    enum cairn_status (*stage)(void *self, void **staged, struct cairn_error *error);
    enum cairn_status (*stage_append)(void *self, void *staged,
                                      struct cairn_slice bytes,
                                      struct cairn_error *error);
    void (*stage_discard)(void *self, void *staged);

    /* Up to `size` bytes of the payload at `path` from `offset` into `buffer`; `*got`
     * is less only at the end. For backends with chunk_bytes == 0. */
    enum cairn_status (*read_at)(void *self, const struct cairn_context *context,
                                 struct cairn_slice path, uint64_t offset, char *buffer,
                                 size_t size, size_t *got, struct cairn_error *error);

    /* Writes at most `room` numbers, returns how many there are. NULL: none. */
    size_t (*stats)(void *self, struct cairn_stat *out, size_t room);
};

#endif
