/* rocksdb.c -- a store in one RocksDB database, tuned for point reads.
 *
 * The entry at "a/b/c" has the key "a/b" NUL "c", so a group's children are neighbours
 * in byte order and its grandchildren are elsewhere: a child costs one put, a listing
 * one ordered scan. The value is the encoded entry (engine/FORMATS.md), which is read
 * pinned in the block cache, without a copy. Opening and tuning: rocksdb_open.c. */
#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "cairn/path.h"
#include "location.h"
#include "registry.h"
#include "rocksdb.h"

enum { CHUNK_BYTES = 1 << 20, MANY = 16 };

/* -- Keys ------------------------------------------------------------------------- */

struct key {
    size_t size;
    char bytes[CAIRN_PATH_MAX + 2];
};

/* The last '/' becomes a NUL; a child of the root gets one in front. */
static void key_of(struct cairn_slice path, struct key *key) {
    struct cairn_slice parent = cairn_path_parent(path);
    if (parent.size) {
        memcpy(key->bytes, path.data, path.size);
        key->bytes[parent.size] = '\0';
        key->size = path.size;
    } else {
        key->bytes[0] = '\0';
        memcpy(key->bytes + 1, path.data, path.size);
        key->size = path.size + 1;
    }
}

/* Where `name` stands, or would, among the children of `group`; an empty name is before
 * all of them. */
static void key_in(struct cairn_slice group, struct cairn_slice name, struct key *key) {
    if (name.size > CAIRN_PATH_MAX - group.size)
        name.size = CAIRN_PATH_MAX - group.size; /* no key is longer */
    if (group.size)
        memcpy(key->bytes, group.data, group.size);
    key->bytes[group.size] = '\0';
    if (name.size)
        memcpy(key->bytes + group.size + 1, name.data, name.size);
    key->size = group.size + 1 + name.size;
}

/* -- Reading ---------------------------------------------------------------------- */

struct frozen {
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *read;
};

static rocksdb_readoptions_t *read_options(const struct rocks *rocks, void *snapshot) {
    return snapshot ? ((struct frozen *)snapshot)->read : rocks->read;
}

static void release_pinned(void *owner) {
    rocksdb_pinnableslice_destroy(owner);
}

/* Takes `pinned` over; NULL is a miss. */
static enum cairn_status view_of(rocksdb_pinnableslice_t *pinned,
                                 struct cairn_slice path, struct cairn_view *out,
                                 struct cairn_error *error) {
    struct cairn_slice bytes;
    if (!pinned)
        return cairn_fail_at(error, CAIRN_NOT_FOUND, "there is nothing at", path);
    bytes.data = rocksdb_pinnableslice_value(pinned, &bytes.size);
    if (cairn_entry_decode(bytes, &out->entry, error)) {
        rocksdb_pinnableslice_destroy(pinned);
        return cairn_fail_at(error, CAIRN_CORRUPT,
                             "the bytes of the entry make no sense", path);
    }
    out->owner = pinned;
    out->release = release_pinned;
    return CAIRN_OK;
}

static enum cairn_status rocks_get(void *self, const struct cairn_context *context,
                                   void *snapshot, struct cairn_slice path,
                                   unsigned want, struct cairn_view *out,
                                   struct cairn_error *error) {
    struct rocks *rocks = self;
    struct key key;
    char *message = NULL;
    (void)context, (void)want;
    key_of(path, &key);
    rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned(
        rocks->db, read_options(rocks, snapshot), key.bytes, key.size, &message);
    if (message)
        return rocks_fail(error, "read", message);
    return view_of(pinned, path, out, error);
}

static void get_few(struct rocks *rocks, void *snapshot,
                    const struct cairn_slice *paths, size_t count,
                    struct cairn_view *views, enum cairn_status *statuses,
                    struct cairn_error *error) {
    struct key keys[MANY];
    const char *bytes[MANY];
    size_t sizes[MANY];
    rocksdb_pinnableslice_t *pinned[MANY];
    char *messages[MANY] = {NULL};
    for (size_t i = 0; i < count; i++) {
        key_of(paths[i], &keys[i]);
        bytes[i] = keys[i].bytes;
        sizes[i] = keys[i].size;
    }
    rocksdb_batched_multi_get_cf(rocks->db, read_options(rocks, snapshot),
                                 rocks->family, count, bytes, sizes, pinned, messages,
                                 false);
    for (size_t i = 0; i < count; i++)
        statuses[i] = messages[i] ? rocks_fail(error, "read", messages[i])
                                  : view_of(pinned[i], paths[i], &views[i], error);
}

static void rocks_get_many(void *self, const struct cairn_context *context,
                           void *snapshot, const struct cairn_slice *paths,
                           size_t count, unsigned want, struct cairn_view *views,
                           enum cairn_status *statuses, struct cairn_error *error) {
    (void)context, (void)want;
    for (size_t at = 0; at < count; at += MANY)
        get_few(self, snapshot, paths + at, count - at < MANY ? count - at : MANY,
                views + at, statuses + at, error);
}

/* -- Writing ---------------------------------------------------------------------- */

/* A database that runs into a full disk is not to be had again before its process ends
 * (rocks_close), and needs room itself to flush, to compact and to delete. So some is
 * left: we look how much there is, seldom while there is plenty. */
static enum cairn_status make_sure_of_room(struct rocks *rocks, size_t bytes,
                                           struct cairn_error *error) {
    const int64_t most = 64 << 20;
    struct statvfs disk;
    if (rocks->reserve == 0 ||
        atomic_fetch_sub(&rocks->allowance, (int64_t)bytes) >= (int64_t)bytes)
        return CAIRN_OK;
    if (statvfs(rocks->path, &disk) < 0)
        return cairn_fail(error, CAIRN_IO, "rocksdb: cannot tell the room in %s: %s",
                          rocks->path, strerror(errno));
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t eighth = (uint64_t)disk.f_blocks * disk.f_frsize / 8;
    uint64_t reserve = rocks->reserve < eighth ? rocks->reserve : eighth;
    if (free_bytes < reserve + bytes) {
        atomic_store(&rocks->allowance, 0);
        return cairn_fail(error, CAIRN_IO,
                          "rocksdb: no space left in %s: %llu bytes are free, of which "
                          "%llu are kept in reserve",
                          rocks->path, (unsigned long long)free_bytes,
                          (unsigned long long)reserve);
    }
    int64_t half = (int64_t)((free_bytes - reserve - bytes) / 2);
    atomic_store(&rocks->allowance, half < most ? half : most);
    return CAIRN_OK;
}

static enum cairn_status write_failed(struct rocks *rocks, char *message,
                                      struct cairn_error *error) {
    atomic_store(&rocks->broken, true);
    return rocks_fail(error, "write", message);
}

/* A single put needs no batch of ours: RocksDB makes one. */
static enum cairn_status put_one(struct rocks *rocks, const struct cairn_change *change,
                                 rocksdb_writeoptions_t *how,
                                 struct cairn_error *error) {
    struct cairn_bytes value = {0};
    struct key key;
    char *message = NULL;
    key_of(change->path, &key);
    enum cairn_status status = cairn_entry_encode(&change->entry, &value, error);
    if (!status)
        status = make_sure_of_room(rocks, key.size + value.size, error);
    if (!status)
        rocksdb_put(rocks->db, how, key.bytes, key.size, value.data, value.size,
                    &message);
    cairn_bytes_free(&value);
    if (message)
        status = write_failed(rocks, message, error);
    return status;
}

static enum cairn_status put_all(struct rocks *rocks,
                                 const struct cairn_change *changes, size_t count,
                                 rocksdb_writeoptions_t *how,
                                 struct cairn_error *error) {
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    struct cairn_bytes value = {0};
    enum cairn_status status = CAIRN_OK;
    char *message = NULL;
    size_t put = 0; /* bytes; what only deletes may use the reserve */
    for (size_t i = 0; i < count && !status; i++) {
        struct key key;
        key_of(changes[i].path, &key);
        if (changes[i].kind == CAIRN_ERASE) {
            rocksdb_writebatch_delete(batch, key.bytes, key.size);
            continue;
        }
        value.size = 0;
        status = cairn_entry_encode(&changes[i].entry, &value, error);
        if (!status)
            rocksdb_writebatch_put(batch, key.bytes, key.size, value.data, value.size);
        put += key.size + value.size;
    }
    if (!status && put)
        status = make_sure_of_room(rocks, put, error);
    if (!status)
        rocksdb_write(rocks->db, how, batch, &message);
    if (message)
        status = write_failed(rocks, message, error);
    rocksdb_writebatch_destroy(batch);
    cairn_bytes_free(&value);
    return status;
}

static enum cairn_status refuse(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_UNSUPPORTED, "rocksdb: the store is open read_only");
}

static enum cairn_status rocks_apply(void *self, const struct cairn_context *context,
                                     const struct cairn_change *changes, size_t count,
                                     unsigned flags, struct cairn_error *error) {
    struct rocks *rocks = self;
    rocksdb_writeoptions_t *how =
        flags & CAIRN_APPLY_SYNC ? rocks->write_synced : rocks->write;
    (void)context;
    if (rocks->read_only)
        return refuse(error);
    if (count == 1 && changes[0].kind == CAIRN_PUT)
        return put_one(rocks, changes, how, error);
    return put_all(rocks, changes, count, how, error);
}

static enum cairn_status rocks_reset(void *self, const struct cairn_context *context,
                                     struct cairn_error *error) {
    struct rocks *rocks = self;
    struct key last; /* behind every key there can be */
    char *message = NULL;
    (void)context;
    if (rocks->read_only)
        return refuse(error);
    last.size = sizeof last.bytes;
    memset(last.bytes, 0xff, last.size);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_delete_range(batch, "", 0, last.bytes, last.size);
    rocksdb_write(rocks->db, rocks->write, batch, &message);
    rocksdb_writebatch_destroy(batch);
    if (message)
        return rocks_fail(error, "reset", message);
    rocksdb_compact_range(rocks->db, NULL, 0, NULL, 0); /* give the space back now */
    return CAIRN_OK;
}

static enum cairn_status rocks_sync(void *self, const struct cairn_context *context,
                                    struct cairn_error *error) {
    struct rocks *rocks = self;
    char *message = NULL;
    (void)context;
    if (!rocks->read_only)
        rocksdb_flush_wal(rocks->db, true, &message);
    return message ? rocks_fail(error, "sync", message) : CAIRN_OK;
}

/* -- Scans ------------------------------------------------------------------------ */

struct cursor {
    rocksdb_iterator_t *iterator;
    rocksdb_readoptions_t *read;
    struct key first, bound; /* RocksDB borrows the bound */
    size_t name_at;          /* where names begin in the keys */
    bool stepped;
};

static enum cairn_status rocks_scan(void *self, const struct cairn_context *context,
                                    void *snapshot, struct cairn_slice group,
                                    struct cairn_slice from, struct cairn_slice to,
                                    unsigned want, void **out,
                                    struct cairn_error *error) {
    struct rocks *rocks = self;
    struct cursor *cursor = malloc(sizeof *cursor);
    (void)context, (void)want;
    if (!cursor)
        return cairn_fail(error, CAIRN_NO_MEMORY, "rocksdb: no memory for a scan");
    cursor->name_at = group.size + 1;
    cursor->stepped = false;
    key_in(group, from, &cursor->first);
    key_in(group, to, &cursor->bound);
    if (to.size == 0)
        cursor->bound.bytes[group.size] = '\1'; /* right behind the last child */

    cursor->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_upper_bound(cursor->read, cursor->bound.bytes,
                                                cursor->bound.size);
    if (snapshot)
        rocksdb_readoptions_set_snapshot(cursor->read,
                                         ((struct frozen *)snapshot)->snapshot);
    cursor->iterator = rocksdb_create_iterator(rocks->db, cursor->read);
    rocksdb_iter_seek(cursor->iterator, cursor->first.bytes, cursor->first.size);
    *out = cursor;
    return CAIRN_OK;
}

static enum cairn_status corrupt_child(const struct cursor *cursor,
                                       struct cairn_slice name,
                                       struct cairn_error *error) {
    struct cairn_path path;
    struct cairn_slice group = {cursor->first.bytes, cursor->name_at - 1};
    if (cairn_path_join(group, name, &path, error))
        return CAIRN_CORRUPT;
    return cairn_fail_at(error, CAIRN_CORRUPT, "the bytes of the entry make no sense",
                         path.text);
}

static enum cairn_status rocks_scan_next(void *opaque, struct cairn_scan_item *out,
                                         struct cairn_error *error) {
    struct cursor *cursor = opaque;
    if (cursor->stepped)
        rocksdb_iter_next(cursor->iterator);
    cursor->stepped = true;
    if (!rocksdb_iter_valid(cursor->iterator)) {
        char *message = NULL;
        rocksdb_iter_get_error(cursor->iterator, &message);
        cursor->stepped = false; /* an ended iterator must not be moved */
        return message ? rocks_fail(error, "list", message) : CAIRN_NOT_FOUND;
    }
    struct cairn_slice key, value;
    key.data = rocksdb_iter_key(cursor->iterator, &key.size);
    value.data = rocksdb_iter_value(cursor->iterator, &value.size);
    out->name = cairn_slice_sub(key, cursor->name_at, key.size - cursor->name_at);
    if (cairn_entry_decode(value, &out->entry, error))
        return corrupt_child(cursor, out->name, error);
    return CAIRN_OK;
}

static void rocks_scan_close(void *opaque) {
    struct cursor *cursor = opaque;
    rocksdb_iter_destroy(cursor->iterator);
    rocksdb_readoptions_destroy(cursor->read);
    free(cursor);
}

/* -- Snapshots, numbers
 * ------------------------------------------------------------------ */

static enum cairn_status rocks_snapshot(void *self, void **out,
                                        struct cairn_error *error) {
    struct rocks *rocks = self;
    struct frozen *frozen = malloc(sizeof *frozen);
    if (!frozen)
        return cairn_fail(error, CAIRN_NO_MEMORY, "rocksdb: no memory for a snapshot");
    frozen->snapshot = rocksdb_create_snapshot(rocks->db);
    frozen->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(frozen->read, frozen->snapshot);
    *out = frozen;
    return CAIRN_OK;
}

static void rocks_snapshot_release(void *self, void *snapshot) {
    struct rocks *rocks = self;
    struct frozen *frozen = snapshot;
    rocksdb_readoptions_destroy(frozen->read);
    rocksdb_release_snapshot(rocks->db, frozen->snapshot);
    free(frozen);
}

static size_t rocks_stats(void *self, struct cairn_stat *out, size_t room) {
    static const char *const properties[][2] = {
        {"entries_estimate_count", "rocksdb.estimate-num-keys"},
        {"files_bytes", "rocksdb.total-sst-files-size"},
        {"live_bytes", "rocksdb.estimate-live-data-size"},
        {"memtables_bytes", "rocksdb.cur-size-all-mem-tables"},
        {"block_cache_bytes", "rocksdb.block-cache-usage"},
        {"pending_compaction_bytes", "rocksdb.estimate-pending-compaction-bytes"},
        {"snapshots_count", "rocksdb.num-snapshots"},
    };
    struct rocks *rocks = self;
    size_t count = sizeof properties / sizeof *properties;
    for (size_t i = 0; i < count && i < room; i++) {
        out[i] = (struct cairn_stat){properties[i][0], 0};
        (void)rocksdb_property_int(rocks->db, properties[i][1], &out[i].value);
    }
    return count;
}

const struct cairn_backend cairn_rocksdb_backend = {
    .name = "rocksdb",
    .summary = "an embedded RocksDB database in a directory",
    .scope = CAIRN_SCOPE_LOCAL,
    .capabilities = CAIRN_CAN_BATCH | CAIRN_CAN_PACK | CAIRN_CAN_PERSIST,
    .options = rocks_options,
    .chunk_bytes = CHUNK_BYTES,
    .identify = location_identify,
    .open = rocks_open,
    .close = rocks_close,
    .get = rocks_get,
    .get_many = rocks_get_many,
    .apply = rocks_apply,
    .scan = rocks_scan,
    .scan_next = rocks_scan_next,
    .scan_close = rocks_scan_close,
    .reset = rocks_reset,
    .sync = rocks_sync,
    .snapshot = rocks_snapshot,
    .snapshot_release = rocks_snapshot_release,
    .stats = rocks_stats,
};
