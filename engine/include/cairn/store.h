/* store.h -- one store: bytes, groups and links under paths.
 *
 * Every operation behaves the same on every backend, because it is written once,
 * here, over the few entries a backend keeps. Paths are given as they come and
 * normalised first (path.h).
 *
 * A context may be NULL (context.h), and so may an error (status.h). Whenever a
 * status is not CAIRN_OK, nothing was changed.
 *
 * Threads: any function but cairn_store_close may be called on one store from any
 * thread at any time. Each thread that closes must be the last to use its handle. */
#ifndef CAIRN_STORE_H
#define CAIRN_STORE_H

#include "cairn/backend.h"
#include "cairn/pack.h"
#include "cairn/path.h"

/* Links that may be followed within one call. */
#define CAIRN_LINK_HOPS 64

struct cairn_store;

/* Opens a store. Opening one that this process has open already (same backend, same
 * place) gives a handle on the same store; its settings must then be the same, or none.
 */
enum cairn_status cairn_store_open(const struct cairn_backend *backend,
                                   struct cairn_slice location,
                                   const struct cairn_setting *settings, size_t count,
                                   struct cairn_store **out, struct cairn_error *error);

/* Gives the handle back; the last one closes the backend. NULL is fine. What was
 * read from it must have been released, cursors and snapshots closed. */
void cairn_store_close(struct cairn_store *store);

/* "rocksdb:./data", as it was opened. Lives as long as the store. */
const char *cairn_store_url(const struct cairn_store *store);
enum cairn_scope cairn_store_scope(const struct cairn_store *store);
unsigned cairn_store_capabilities(const struct cairn_store *store);

/* -- Reading ---------------------------------------------------------------------- */

/* The value at `path`, links followed anywhere: out->entry.payload is the whole value,
 * pinned until cairn_view_release(out). CAIRN_NOT_FOUND: missing, dangling, expired,
 * or a group. */
enum cairn_status cairn_store_read(struct cairn_store *store,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, struct cairn_view *out,
                                   struct cairn_error *error);

/* What is at `path`, links followed anywhere: a raw value as cairn_store_read gives it,
 * or a group with its pack (pack.h) as payload, empty if it has none. `led` (may be
 * NULL) is where the links led, its text empty if there was none: on CAIRN_NOT_FOUND,
 * the path at which another store may have what this one has not. */
enum cairn_status cairn_store_get(struct cairn_store *store,
                                  const struct cairn_context *context,
                                  struct cairn_slice path, struct cairn_view *out,
                                  struct cairn_path *led, struct cairn_error *error);

/* CAIRN_RAW or CAIRN_GROUP, links followed anywhere. */
enum cairn_status cairn_store_type(struct cairn_store *store,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, enum cairn_kind *out,
                                   struct cairn_error *error);

/* The path with every link replaced, to the end of the chain. What is not there
 * resolves to where it would be. */
enum cairn_status cairn_store_resolve(struct cairn_store *store,
                                      const struct cairn_context *context,
                                      struct cairn_slice path, struct cairn_path *out,
                                      struct cairn_error *error);

/* The entry itself: a link at the end is reported, not followed (links on the way
 * are). Of a raw value size, times and metadata; of a link the target as payload. */
enum cairn_status cairn_store_stat(struct cairn_store *store,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, struct cairn_view *out,
                                   struct cairn_error *error);

/* Children of a group, links followed, in byte order of their names: those inline in
 * a pack merged with those laid over them. Memory does not grow with the group (on
 * fs it does: directories must be sorted). The walk sees the group as it was at some
 * moment of it; what changes meanwhile may or may not be seen, rocksdb: is not. */
struct cairn_list;

struct cairn_list_options {
    struct cairn_slice from; /* first name, inclusive; empty: from the start */
    struct cairn_slice to;   /* exclusive; empty: to the end */
    bool values;             /* also the payloads of raw values */
};

struct cairn_list_item {
    struct cairn_slice name;
    enum cairn_kind kind;     /* as it is: a link is CAIRN_LINK */
    struct cairn_slice value; /* with `values`: of raw, whole; of a link, its target */
};

/* CAIRN_NOT_FOUND: no such path. CAIRN_NOT_A_GROUP: a raw value. */
enum cairn_status cairn_list_open(struct cairn_store *store,
                                  const struct cairn_context *context,
                                  struct cairn_slice path,
                                  const struct cairn_list_options *options,
                                  struct cairn_list **out, struct cairn_error *error);
/* CAIRN_NOT_FOUND after the last. The item is valid until the next call. One thread
 * at a time. */
enum cairn_status cairn_list_next(struct cairn_list *list, struct cairn_list_item *out,
                                  struct cairn_error *error);
void cairn_list_close(struct cairn_list *list); /* NULL is fine */

/* -- Changing --------------------------------------------------------------------- */

enum cairn_operation_kind {
    CAIRN_WRITE, /* a raw value; parents are made; at a link, the link is replaced */
    CAIRN_MAKE_GROUP, /* idempotent; parents are made */
    CAIRN_MAKE_LINK,  /* `value` is the existing path; what is there already is kept */
    CAIRN_MAKE_PACK, /* a group with these children inline, in the place of those inline
                        before; where a backend has no packs (fs), each becomes an
                        entry of its own, and others stay */
    CAIRN_DELETE,    /* an entry, a link (never its target), a group if it is empty */
    CAIRN_EXPECT,    /* changes nothing: CAIRN_CONFLICT unless a read of `path` would
                        have `fingerprint` (cairn_store_fingerprint) */
};

struct cairn_fingerprint {
    uint64_t words[2];
};

/* One step. Zero what is not needed. Everything is borrowed during the call. */
struct cairn_operation {
    enum cairn_operation_kind kind;
    struct cairn_slice path;
    struct cairn_slice value;

    struct cairn_pack_child *children; /* CAIRN_MAKE_PACK; is sorted in place */
    size_t child_count;

    struct cairn_slice metadata; /* metadata.h; of raw values only */
    int64_t expires_ms;          /* of raw values and links; 0: never */
    bool compress;               /* of raw values; kept plain if that is shorter */

    bool if_absent; /* of values and links: CAIRN_CONFLICT if anything is at `path` */
    bool keep; /* of values and packs: one that is at `path` already stays as it is, as
                  things named by their content do; a link there makes room for a pack.
                  Not in a writer's commit */
    const struct cairn_slice
        *if_equal; /* of values: CAIRN_CONFLICT unless this is there */
    struct cairn_fingerprint fingerprint;

    bool changed; /* out: false when all was so already, or a link was kept */
};

enum cairn_store_flag {
    CAIRN_STORE_SYNC = 1 << 0,    /* on stable storage before it returns */
    CAIRN_STORE_IN_STEPS = 1 << 1 /* each operation by itself, in order: for backends
                                     without CAIRN_CAN_BATCH, where several at once
                                     are otherwise CAIRN_UNSUPPORTED */
};

/* Does all of the operations or none; each sees what those before it did. Nobody
 * sees a part. On failure `*failed` (may be NULL) is the index of the culprit. */
enum cairn_status cairn_store_apply(struct cairn_store *store,
                                    const struct cairn_context *context,
                                    struct cairn_operation *operations, size_t count,
                                    unsigned flags, size_t *failed,
                                    struct cairn_error *error);

/* Deletes what is at `path` and everything beneath it, links not followed. Goes from
 * the leaves up in batches: readers meanwhile, and whoever looks after a crash, see a
 * smaller tree but never a broken one. */
enum cairn_status cairn_store_delete_tree(struct cairn_store *store,
                                          const struct cairn_context *context,
                                          struct cairn_slice path,
                                          struct cairn_error *error);

/* Forgets everything. */
enum cairn_status cairn_store_reset(struct cairn_store *store,
                                    const struct cairn_context *context,
                                    struct cairn_error *error);

/* All that was changed before is on stable storage after. */
enum cairn_status cairn_store_sync(struct cairn_store *store,
                                   const struct cairn_context *context,
                                   struct cairn_error *error);

/* -- Frozen states and transactions ----------------------------------------------- */

/* The store as it is now, to read from: a store of its own in which every change is
 * CAIRN_UNSUPPORTED. To be closed, before the store it was taken from or after. */
enum cairn_status cairn_store_snapshot(struct cairn_store *store,
                                       struct cairn_store **out,
                                       struct cairn_error *error);

/* A transaction reads, and collects changes; commit makes them only if everything it
 * read is still so (CAIRN_CONFLICT otherwise: begin again). Reads see the changes
 * collected before. One thread at a time; different transactions run side by side. */
struct cairn_transaction;

enum cairn_status cairn_transaction_begin(struct cairn_store *store,
                                          const struct cairn_context *context,
                                          struct cairn_transaction **out,
                                          struct cairn_error *error);
enum cairn_status cairn_transaction_read(struct cairn_transaction *transaction,
                                         struct cairn_slice path,
                                         struct cairn_view *out,
                                         struct cairn_error *error);
/* Copies the operation. A failure leaves the transaction as it was. */
enum cairn_status cairn_transaction_add(struct cairn_transaction *transaction,
                                        struct cairn_operation *operation,
                                        struct cairn_error *error);
enum cairn_status cairn_transaction_commit(struct cairn_transaction *transaction,
                                           unsigned flags, struct cairn_error *error);
/* Frees it, committed or not. NULL is fine. */
void cairn_transaction_end(struct cairn_transaction *transaction);

/* What CAIRN_EXPECT compares: XXH3-128 over the status and value of a read. */
struct cairn_fingerprint cairn_store_fingerprint(enum cairn_status status,
                                                 struct cairn_slice value);

/* -- Values too large to hold ----------------------------------------------------- */

/* Up to `size` bytes of the value at `path` from `offset`, links followed; `*got` is
 * less only at its end (0 beyond). Two calls may see two values if somebody writes in
 * between: read from a snapshot where that matters. */
enum cairn_status cairn_store_read_at(struct cairn_store *store,
                                      const struct cairn_context *context,
                                      struct cairn_slice path, uint64_t offset,
                                      char *buffer, size_t size, size_t *got,
                                      struct cairn_error *error);

/* A value that arrives in pieces. It is nowhere to be seen until it is committed, and
 * gone if it is not, also after a crash. One thread at a time. */
struct cairn_writer;

enum cairn_status cairn_writer_open(struct cairn_store *store,
                                    const struct cairn_context *context,
                                    struct cairn_writer **out,
                                    struct cairn_error *error);
enum cairn_status cairn_writer_append(struct cairn_writer *writer,
                                      struct cairn_slice bytes,
                                      struct cairn_error *error);
/* `operation` is a CAIRN_WRITE whose `value` is not looked at and that does not ask to
 * compress. After a failure the writer can be committed again or closed. */
enum cairn_status cairn_writer_commit(struct cairn_writer *writer,
                                      struct cairn_operation *operation, unsigned flags,
                                      struct cairn_error *error);
void cairn_writer_close(struct cairn_writer *writer); /* NULL is fine */

/* Numbers of the backend; at most `room` are written, how many there are returned. */
size_t cairn_store_stats(struct cairn_store *store, struct cairn_stat *out,
                         size_t room);

#endif
