/* sweep.c -- taking away large values that nothing refers to any more.
 *
 * First every reference in the chain's stores is looked at and every hash noted; then
 * the values that carry the mark of a part (batch.c) and were not noted go. What is
 * written meanwhile notes what it refers to (parts.h). */
#include "cache_core.h"
#include "names.h"
#include "result.h"

#include <stdlib.h>

struct sweep {
    struct cairn_cache *cache;
    const struct cairn_context *context;
    struct cairn_store *store; /* whose entries are looked at */
    struct hash_set referred;
    struct cairn_slice *groups; /* still to be looked at; owned texts */
    size_t count, capacity;
    struct cairn_sweep_result *result;
};

static enum cairn_status no_memory(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to sweep");
}

static enum cairn_status refer(struct sweep *sweep, struct cairn_slice target,
                               struct cairn_error *error) {
    struct cairn_slice text = target;
    unsigned char hash[CAIRN_HASH_SIZE];
    if (target.size != CAIRN_ID_SIZE && !name_is_data(target, &text))
        return CAIRN_OK;
    if (!cairn_id_decode(text, hash))
        return CAIRN_OK;
    return hash_set_add(&sweep->referred, hash) ? CAIRN_OK : no_memory(error);
}

static enum cairn_status look_later(struct sweep *sweep, struct cairn_slice group,
                                    struct cairn_slice name,
                                    struct cairn_error *error) {
    struct cairn_path path;
    enum cairn_status status = cairn_path_join(group, name, &path, error);
    if (status)
        return status;
    if (sweep->count == sweep->capacity) {
        size_t capacity = sweep->capacity ? sweep->capacity * 2 : 256;
        struct cairn_slice *groups = realloc(sweep->groups, capacity * sizeof *groups);
        if (!groups)
            return no_memory(error);
        sweep->groups = groups;
        sweep->capacity = capacity;
    }
    char *copy = malloc(path.text.size);
    if (!copy)
        return no_memory(error);
    memcpy(copy, path.text.data, path.text.size);
    sweep->groups[sweep->count++] = (struct cairn_slice){copy, path.text.size};
    return CAIRN_OK;
}

/* Values refer to nothing, marks and tags do not count. */
static bool is_passed_over(struct cairn_slice group, struct cairn_slice name) {
    return group.size == 0 && (cairn_slice_equal(name, cairn_slice_of("data")) ||
                               cairn_slice_equal(name, cairn_slice_of("~parts")) ||
                               cairn_slice_equal(name, cairn_slice_of("~tags")));
}

static enum cairn_status look_at(struct sweep *sweep, struct cairn_slice group,
                                 const struct cairn_list_item *item,
                                 struct cairn_error *error) {
    struct result result;
    if (item->kind == CAIRN_LINK)
        return refer(sweep, item->value, error);
    if (item->kind == CAIRN_GROUP && is_passed_over(group, item->name))
        return CAIRN_OK;
    if (item->kind == CAIRN_GROUP) {
        /* A base whose results are kept is asked for with them. */
        enum cairn_status status = cairn_slice_equal(group, cairn_slice_of("~results"))
                                       ? refer(sweep, item->name, error)
                                       : CAIRN_OK;
        return status ? status : look_later(sweep, group, item->name, error);
    }
    if (cairn_path_within(group, cairn_slice_of("~results")) &&
        !result_decode(item->value, &result, NULL))
        return refer(sweep, result.target, error);
    return CAIRN_OK;
}

static enum cairn_status look_into(struct sweep *sweep, struct cairn_slice group,
                                   struct cairn_error *error) {
    const struct cairn_list_options options = {.values = true};
    struct cairn_list *list;
    struct cairn_list_item item;
    enum cairn_status status =
        cairn_list_open(sweep->store, sweep->context, group, &options, &list, error);
    if (status) /* gone, or something else by now: then it notes what it refers to */
        return status == CAIRN_NOT_FOUND || status == CAIRN_NOT_A_GROUP ? CAIRN_OK
                                                                        : status;
    while (!(status = cairn_list_next(list, &item, error)) &&
           !(status = look_at(sweep, group, &item, error)))
        continue;
    cairn_list_close(list);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static enum cairn_status mark_store(struct sweep *sweep, struct cairn_error *error) {
    enum cairn_status status = look_into(sweep, (struct cairn_slice){"", 0}, error);
    while (sweep->count) {
        struct cairn_slice group = sweep->groups[--sweep->count];
        if (!status)
            status = cairn_context_check(sweep->context, error);
        if (!status)
            status = look_into(sweep, group, error);
        free((char *)group.data);
    }
    return status;
}

/* -- Removing ---------------------------------------------------------------------- */

struct removal {
    struct sweep *sweep;
    struct cairn_slice path;
    struct cairn_error *error;
};

/* In this store alone: what another has, its own references are for. */
static enum cairn_status remove_value(void *arg) {
    struct removal *removal = arg;
    struct cairn_operation operation = {.kind = CAIRN_DELETE, .path = removal->path};
    return cairn_store_apply(removal->sweep->store, removal->sweep->context, &operation,
                             1, 0, NULL, removal->error);
}

/* ~parts/<id>, and the message. */
static enum cairn_status remove_message(void *arg) {
    struct removal *removal = arg;
    struct sweep *sweep = removal->sweep;
    enum cairn_status status = cairn_store_delete_tree(
        sweep->store, sweep->context, cairn_path_name(removal->path), removal->error);
    return status && status != CAIRN_NOT_FOUND ? status : remove_value(arg);
}

static enum cairn_status remove_one(struct sweep *sweep, struct cairn_slice path,
                                    const unsigned char hash[CAIRN_HASH_SIZE],
                                    enum cairn_status (*remove)(void *arg),
                                    uint64_t size, struct cairn_error *error) {
    struct removal removal = {sweep, path, error};
    bool removed = false;
    enum cairn_status status =
        parts_remove(&sweep->cache->parts, hash, &removed, remove, &removal);
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    sweep->result->kept += !removed;
    sweep->result->removed += removed;
    sweep->result->removed_bytes += removed ? size : 0;
    return CAIRN_OK;
}

static enum cairn_status consider_value(struct sweep *sweep, struct cairn_slice path,
                                        const unsigned char hash[CAIRN_HASH_SIZE],
                                        struct cairn_error *error) {
    struct cairn_view view;
    enum cairn_status status =
        cairn_store_stat(sweep->store, sweep->context, path, &view, error);
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    bool part = view.entry.metadata.size > 0;
    uint64_t size = view.entry.size;
    cairn_view_release(&view);
    sweep->result->kept += !part;
    return part ? remove_one(sweep, path, hash, remove_value, size, error) : CAIRN_OK;
}

static enum cairn_status consider_message(struct sweep *sweep, struct cairn_slice path,
                                          const unsigned char hash[CAIRN_HASH_SIZE],
                                          struct cairn_error *error) {
    return remove_one(sweep, path, hash, remove_message, 0, error);
}

/* Everything in a group whose names are hashes, if nothing refers to it. */
static enum cairn_status
consider_all(struct sweep *sweep, const char *group,
             enum cairn_status (*consider)(struct sweep *, struct cairn_slice,
                                           const unsigned char[CAIRN_HASH_SIZE],
                                           struct cairn_error *),
             struct cairn_error *error) {
    struct cairn_list *list;
    struct cairn_list_item item;
    unsigned char hash[CAIRN_HASH_SIZE];
    enum cairn_status status = cairn_list_open(
        sweep->store, sweep->context, cairn_slice_of(group), NULL, &list, error);
    if (status)
        return status == CAIRN_NOT_FOUND || status == CAIRN_NOT_A_GROUP ? CAIRN_OK
                                                                        : status;
    while (!status && !(status = cairn_list_next(list, &item, error))) {
        struct cairn_path path;
        if (!cairn_id_decode(item.name, hash))
            continue;
        status = cairn_path_join(cairn_slice_of(group), item.name, &path, error);
        if (!status && hash_set_has(&sweep->referred, hash))
            sweep->result->kept++;
        else if (!status)
            status = consider(sweep, path.text, hash, error);
    }
    cairn_list_close(list);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static enum cairn_status remove_unreferred(struct sweep *sweep,
                                           struct cairn_error *error) {
    enum cairn_status status = consider_all(sweep, "data", consider_value, error);
    return status ? status : consider_all(sweep, "~parts", consider_message, error);
}

/* All stores are looked at before anything goes: one may refer to what another has. */
static enum cairn_status each_store(struct sweep *sweep,
                                    enum cairn_status (*step)(struct sweep *,
                                                              struct cairn_error *),
                                    unsigned flags, struct cairn_error *error) {
    struct cairn_member_facts members[CAIRN_CHAIN_MAX];
    size_t count = cairn_chain_members(sweep->cache->chain, sweep->context, members,
                                       CAIRN_CHAIN_MAX);
    enum cairn_status status = CAIRN_OK;
    for (size_t i = 0; i < count && !status; i++) {
        bool tier = members[i].flags & CAIRN_MEMBER_TIER;
        if (tier || (members[i].flags & flags) != flags ||
            members[i].scope != CAIRN_SCOPE_LOCAL)
            continue;
        sweep->store = cairn_chain_store(sweep->cache->chain, i);
        status = step(sweep, error);
    }
    return status;
}

enum cairn_status cairn_cache_sweep(struct cairn_cache *cache,
                                    const struct cairn_context *context,
                                    struct cairn_sweep_result *out,
                                    struct cairn_error *error) {
    struct sweep sweep = {.cache = cache, .context = context, .result = out};
    *out = (struct cairn_sweep_result){0};
    if (!parts_sweep_begin(&cache->parts))
        return cairn_fail(error, CAIRN_CONFLICT, "another sweep is under way");
    enum cairn_status status =
        each_store(&sweep, mark_store, CAIRN_MEMBER_READS, error);
    if (!status)
        status = each_store(&sweep, remove_unreferred,
                            CAIRN_MEMBER_READS | CAIRN_MEMBER_WRITES, error);
    parts_sweep_end(&cache->parts);
    hash_set_free(&sweep.referred);
    free(sweep.groups);
    return status;
}
