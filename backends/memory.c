/* memory.c -- a store that lives and dies with the process; bounded, a hot tier.
 *
 * A hash table finds an entry by its path with two cache misses; a red-black tree in
 * each group (BSD <sys/tree.h>) keeps its children in order for listings. Both run
 * through the same items, which are counted so that a reader can keep what it read
 * while others replace it. The table is cut into shards by hash, each with a lock; a
 * change locks the shards of all its paths and their parents at once, so a batch is
 * seen whole or not at all. A shard's lock also guards the trees of the groups in it.
 *
 * With max_bytes the store forgets (memory_evict.c). The cost of an entry is some 120
 * bytes beside path and value. */
#include <stdlib.h>
#include <sys/random.h>

#include "memory.h"
#include "registry.h"

enum { PAGE = 64 };

struct memory_options {
    uint64_t max_bytes;
};

static const struct cairn_option memory_options[] = {
    {"max_bytes", CAIRN_OPTION_BYTES, offsetof(struct memory_options, max_bytes), "0",
     "forget values beyond this many bytes, the least used first (SIEVE); 0: never"},
    {NULL, 0, 0, NULL, NULL},
};

/* -- The interface
 * ------------------------------------------------------------------------ */

static enum cairn_status memory_get(void *self, const struct cairn_context *context,
                                    void *snapshot, struct cairn_slice path,
                                    unsigned want, struct cairn_view *out,
                                    struct cairn_error *error) {
    struct memory *memory = self;
    uint64_t hash = memory_hash(memory, path);
    struct shard *shard = memory_shard(memory, hash);
    (void)context, (void)snapshot, (void)want;

    pthread_mutex_lock(&shard->lock);
    struct item *item = shard_find(shard, hash, path);
    if (item) {
        item_retain(item);
        if (!item->hit)
            item->hit = true;
    }
    pthread_mutex_unlock(&shard->lock);
    if (!item)
        return cairn_fail_at(error, CAIRN_NOT_FOUND, "there is nothing at", path);
    item_entry(item, &out->entry);
    out->owner = item;
    out->release = item_release;
    return CAIRN_OK;
}

/* The slot first, which leads to the item. */
static uint64_t memory_expect(void *self, struct cairn_slice path, uint64_t before) {
    struct memory *memory = self;
    if (before) {
        shard_fetch_item(memory_shard(memory, before), before);
        return before;
    }
    uint64_t hash = memory_hash(memory, path);
    shard_fetch_slot(memory_shard(memory, hash), hash);
    return hash ? hash : 1;
}

/* The items that a batch puts, made before any lock is taken. */
struct fresh {
    struct item **items;
    size_t count;
    uint64_t bytes;
};

static void drop(struct memory *memory, struct fresh *fresh) {
    for (size_t i = 0; i < fresh->count; i++) {
        if (!fresh->items[i])
            continue;
        atomic_fetch_sub(&memory->bytes, item_weight(fresh->items[i]));
        item_release(fresh->items[i]);
    }
    free(fresh->items);
}

static enum cairn_status make_items(struct memory *memory,
                                    const struct cairn_change *changes, size_t count,
                                    struct fresh *fresh, struct cairn_error *error) {
    fresh->items = calloc(count, sizeof *fresh->items);
    if (!fresh->items)
        return cairn_fail(error, CAIRN_NO_MEMORY, "memory: no memory for a batch");
    fresh->count = count;
    enum cairn_status status = CAIRN_OK;
    for (size_t i = 0; i < count && !status; i++) {
        if (changes[i].kind != CAIRN_PUT)
            continue;
        struct item *item;
        if ((status = item_new(memory, &changes[i], &item, error)))
            return status;
        status = memory_make_room(memory, item_weight(item), shard_number(item->hash),
                                  error);
        if (status)
            item_release(item);
        else
            fresh->items[i] = item;
    }
    return status;
}

/* The parent of what is put: there, or made in passing if it was evicted since the
 * engine saw it. NULL without memory. */
static struct item *parent_for(struct memory *memory, struct cairn_slice path,
                               struct cairn_error *error) {
    struct cairn_slice at = cairn_path_parent(path);
    struct item *parent = memory_find(memory, at);
    if (parent)
        return parent;
    struct cairn_change change = {.kind = CAIRN_PUT, .path = at};
    change.entry.kind = CAIRN_GROUP;
    struct item *item = NULL, *above = NULL;
    if (!item_new(memory, &change, &item, error))
        above = parent_for(memory, at, error);
    if (!above || !shard_reserve(memory_shard(memory, item->hash), 1)) {
        if (item)
            item_release(item);
        return NULL;
    }
    atomic_fetch_add(&memory->bytes, item_weight(item));
    memory_insert(memory, above, item);
    return item;
}

/* Everything that can fail, with the shards locked and nothing visible changed. */
static enum cairn_status check(struct memory *memory,
                               const struct cairn_change *changes, size_t count,
                               struct cairn_error *error) {
    size_t more[MEMORY_SHARDS] = {0};
    for (size_t i = 0; i < count; i++) {
        if (changes[i].kind != CAIRN_PUT)
            continue;
        uint64_t hash = memory_hash(memory, changes[i].path);
        more[shard_number(hash)]++;
        if (changes[i].fresh &&
            shard_find(memory_shard(memory, hash), hash, changes[i].path))
            return cairn_fail_at(error, CAIRN_CONFLICT, "there is something already at",
                                 changes[i].path);
    }
    for (int i = 0; i < MEMORY_SHARDS; i++)
        if (more[i] && !shard_reserve(&memory->shards[i], more[i]))
            return cairn_fail(error, CAIRN_NO_MEMORY, "memory: no memory for a batch");
    return CAIRN_OK;
}

static enum cairn_status change_one(struct memory *memory,
                                    const struct cairn_change *change,
                                    struct item **fresh, struct cairn_error *error) {
    if (change->kind == CAIRN_ERASE) {
        struct item *item = memory_find(memory, change->path);
        if (item)
            memory_erase(memory, memory_find(memory, cairn_path_parent(change->path)),
                         item);
        return CAIRN_OK;
    }
    struct item *parent = parent_for(memory, change->path, error);
    if (!parent)
        return CAIRN_NO_MEMORY;
    if (change->staged) {
        struct cairn_bytes *staged = change->staged;
        (*fresh)->large = staged->data;
        free(staged);
    }
    memory_insert(memory, parent, *fresh);
    *fresh = NULL;
    return CAIRN_OK;
}

/* parent_for may have to go up to the root: every ancestor's shard. Only a bounded
 * store can have lost one. */
static uint64_t bits_of(const struct memory *memory, struct cairn_slice path) {
    uint64_t bits = memory_bits(memory, path);
    while (memory->max_bytes && path.size) {
        path = cairn_path_parent(path);
        bits |= memory_bits(memory, path);
    }
    return bits;
}

static enum cairn_status memory_apply(void *self, const struct cairn_context *context,
                                      const struct cairn_change *changes, size_t count,
                                      unsigned flags, struct cairn_error *error) {
    struct memory *memory = self;
    struct fresh fresh = {0};
    uint64_t bits = 0;
    (void)context, (void)flags; /* nothing here outlives the process: nothing to sync */

    enum cairn_status status = make_items(memory, changes, count, &fresh, error);
    if (status) {
        drop(memory, &fresh);
        return status;
    }
    for (size_t i = 0; i < count; i++)
        bits |= bits_of(memory, changes[i].path);
    memory_lock(memory, bits);
    status = check(memory, changes, count, error);
    for (size_t i = 0; i < count && !status; i++)
        status = change_one(memory, &changes[i], &fresh.items[i], error);
    memory_unlock(memory, bits);
    drop(memory, &fresh);
    return status;
}

/* -- Scans: a page of items at a time, held by reference
 * --------------------------------- */

struct cursor {
    struct memory *memory;
    struct cairn_bytes group, from, to;
    bool after; /* `from` itself was seen already */
    struct item *page[PAGE];
    size_t count, at;
    bool last; /* no page behind this one */
};

static void drop_page(struct cursor *cursor) {
    for (size_t i = 0; i < cursor->count; i++)
        item_release(cursor->page[i]);
    cursor->count = cursor->at = 0;
}

static void fill_page(struct cursor *cursor) {
    struct cairn_slice path = cairn_bytes_slice(&cursor->group);
    struct cairn_slice to = cairn_bytes_slice(&cursor->to);
    struct shard *shard =
        memory_shard(cursor->memory, memory_hash(cursor->memory, path));
    pthread_mutex_lock(&shard->lock);
    struct item *group = memory_find(cursor->memory, path);
    struct item *child =
        group ? group_first(group, cairn_bytes_slice(&cursor->from), cursor->after)
              : NULL;
    while (child && cursor->count < PAGE &&
           (!to.size || cairn_slice_compare(name_of(child), to) < 0)) {
        item_retain(child);
        cursor->page[cursor->count++] = child;
        child = group_next(child);
    }
    cursor->last = cursor->count < PAGE;
    pthread_mutex_unlock(&shard->lock);
}

static void memory_scan_close(void *opaque) {
    struct cursor *cursor = opaque;
    drop_page(cursor);
    cairn_bytes_free(&cursor->group);
    cairn_bytes_free(&cursor->from);
    cairn_bytes_free(&cursor->to);
    free(cursor);
}

static enum cairn_status memory_scan(void *self, const struct cairn_context *context,
                                     void *snapshot, struct cairn_slice group,
                                     struct cairn_slice from, struct cairn_slice to,
                                     unsigned want, void **out,
                                     struct cairn_error *error) {
    struct cursor *cursor = calloc(1, sizeof *cursor);
    (void)context, (void)snapshot, (void)want;
    if (!cursor)
        return cairn_fail(error, CAIRN_NO_MEMORY, "memory: no memory for a scan");
    cursor->memory = self;
    if (!cairn_bytes_append(&cursor->group, group) ||
        !cairn_bytes_append(&cursor->from, from) ||
        !cairn_bytes_append(&cursor->to, to)) {
        memory_scan_close(cursor);
        return cairn_fail(error, CAIRN_NO_MEMORY, "memory: no memory for a scan");
    }
    *out = cursor;
    return CAIRN_OK;
}

static enum cairn_status memory_scan_next(void *opaque, struct cairn_scan_item *out,
                                          struct cairn_error *error) {
    struct cursor *cursor = opaque;
    if (cursor->at == cursor->count) {
        if (cursor->last)
            return CAIRN_NOT_FOUND;
        if (cursor->count) {
            struct cairn_slice name = name_of(cursor->page[cursor->count - 1]);
            cursor->from.size = 0;
            cursor->after = true;
            if (!cairn_bytes_append(&cursor->from, name))
                return cairn_fail(error, CAIRN_NO_MEMORY,
                                  "memory: no memory for a scan");
        }
        drop_page(cursor);
        fill_page(cursor);
        if (cursor->count == 0)
            return CAIRN_NOT_FOUND;
    }
    struct item *item = cursor->page[cursor->at++];
    out->name = name_of(item);
    item_entry(item, &out->entry);
    return CAIRN_OK;
}

/* -- Streams: a staged payload is a buffer that becomes the item's
 * ------------------------ */

static enum cairn_status memory_stage(void *self, void **staged,
                                      struct cairn_error *error) {
    (void)self;
    *staged = calloc(1, sizeof(struct cairn_bytes));
    return *staged ? CAIRN_OK
                   : cairn_fail(error, CAIRN_NO_MEMORY, "memory: no memory to write");
}

static enum cairn_status memory_stage_append(void *self, void *staged,
                                             struct cairn_slice bytes,
                                             struct cairn_error *error) {
    struct memory *memory = self;
    struct cairn_bytes *buffer = staged;
    if (memory->max_bytes && bytes.size > memory->max_bytes - buffer->size)
        return cairn_fail(error, CAIRN_LIMIT,
                          "memory: the value is larger than the store's %llu bytes",
                          (unsigned long long)memory->max_bytes);
    return cairn_bytes_append(buffer, bytes)
               ? CAIRN_OK
               : cairn_fail(error, CAIRN_NO_MEMORY, "memory: no memory for %zu bytes",
                            bytes.size);
}

static void memory_stage_discard(void *self, void *staged) {
    (void)self;
    cairn_bytes_free(staged);
    free(staged);
}

/* -- The whole store
 * ------------------------------------------------------------------------ */

static void clear(struct memory *memory) {
    for (int i = 0; i < MEMORY_SHARDS; i++)
        shard_clear(&memory->shards[i]);
}

/* The root is an item like any group, but nobody's child and never evicted. */
static enum cairn_status add_root(struct memory *memory, struct cairn_error *error) {
    struct cairn_change change = {.kind = CAIRN_PUT, .path = {"", 0}};
    change.entry.kind = CAIRN_GROUP;
    struct item *root;
    enum cairn_status status = item_new(memory, &change, &root, error);
    if (status)
        return status;
    shard_add(memory_shard(memory, root->hash), root);
    atomic_store(&memory->bytes, item_weight(root));
    return CAIRN_OK;
}

static enum cairn_status memory_reset(void *self, const struct cairn_context *context,
                                      struct cairn_error *error) {
    struct memory *memory = self;
    (void)context;
    memory_lock(memory, UINT64_MAX);
    clear(memory);
    enum cairn_status status = add_root(memory, error);
    memory_unlock(memory, UINT64_MAX);
    return status;
}

static size_t memory_stats(void *self, struct cairn_stat *out, size_t room) {
    struct memory *memory = self;
    uint64_t entries = 0, evictions = 0;
    for (int i = 0; i < MEMORY_SHARDS; i++) {
        pthread_mutex_lock(&memory->shards[i].lock);
        entries += memory->shards[i].used;
        evictions += memory->shards[i].evictions;
        pthread_mutex_unlock(&memory->shards[i].lock);
    }
    struct cairn_stat stats[] = {
        {"entries_count", entries - 1}, /* the root is no entry */
        {"used_bytes", atomic_load(&memory->bytes)},
        {"max_bytes", memory->max_bytes},
        {"evictions_count", evictions},
    };
    size_t count = sizeof stats / sizeof *stats;
    memcpy(out, stats, (room < count ? room : count) * sizeof *stats);
    return count;
}

static enum cairn_status memory_identify(struct cairn_slice location,
                                         struct cairn_bytes *out,
                                         struct cairn_error *error) {
    if (cairn_bytes_append(out, location))
        return CAIRN_OK;
    return cairn_fail(error, CAIRN_NO_MEMORY, "memory: no memory for a name");
}

static void memory_close(void *self) {
    struct memory *memory = self;
    for (int i = 0; i < MEMORY_SHARDS; i++)
        shard_destroy(&memory->shards[i]);
    free(memory);
}

static enum cairn_status memory_open(struct cairn_slice location,
                                     const struct cairn_setting *settings, size_t count,
                                     void **self, struct cairn_error *error) {
    struct memory_options options;
    (void)location;
    enum cairn_status status =
        cairn_options_read("memory", memory_options, settings, count, &options, error);
    if (status)
        return status;
    struct memory *memory = aligned_alloc(64, sizeof *memory);
    if (!memory)
        return cairn_fail(error, CAIRN_NO_MEMORY, "memory: no memory for a store");
    memset(memory, 0, sizeof *memory);
    memory->max_bytes = options.max_bytes;
    bool ok = getrandom(&memory->seed, sizeof memory->seed, 0) == sizeof memory->seed;
    for (int i = 0; i < MEMORY_SHARDS; i++)
        ok = shard_init(&memory->shards[i]) && ok;
    status = ok ? add_root(memory, error)
                : cairn_fail(error, CAIRN_NO_MEMORY, "memory: no memory for a store");
    if (status)
        memory_close(memory);
    else
        *self = memory;
    return status;
}

static unsigned memory_capabilities_of(void *self) {
    const struct memory *memory = self;
    return CAIRN_CAN_BATCH | CAIRN_CAN_PACK | (memory->max_bytes ? CAIRN_IS_LOSSY : 0);
}

const struct cairn_backend cairn_memory_backend = {
    .name = "memory",
    .summary =
        "in this process, gone with it; stores of one name (memory:x) are shared",
    .scope = CAIRN_SCOPE_LOCAL,
    .capabilities = CAIRN_CAN_BATCH | CAIRN_CAN_PACK,
    .options = memory_options,
    .identify = memory_identify,
    .open = memory_open,
    .close = memory_close,
    .capabilities_of = memory_capabilities_of,
    .get = memory_get,
    .expect = memory_expect,
    .apply = memory_apply,
    .scan = memory_scan,
    .scan_next = memory_scan_next,
    .scan_close = memory_scan_close,
    .reset = memory_reset,
    .stage = memory_stage,
    .stage_append = memory_stage_append,
    .stage_discard = memory_stage_discard,
    .stats = memory_stats,
};
