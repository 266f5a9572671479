/* purge.c -- taking results away by path, by prefix, by tag; deleting messages. */
#include "keep.h"
#include "reader.h"

struct purge {
    struct cairn_cache *cache;
    const struct cairn_context *context;
    bool soft;
    uint64_t count;
};

/* A record that makes no sense answers nobody; it can be taken away all the same. */
static enum cairn_status purge_corrupt(struct purge *purge,
                                       const struct hashpath *hashpath,
                                       struct cairn_error *error) {
    struct cairn_path record;
    hashpath_record(hashpath, &record);
    enum cairn_status status = cairn_chain_delete(purge->cache->chain, purge->context,
                                                  record.text, false, error);
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    purge->count++;
    cache_count(&purge->cache->counters.purged);
    return CAIRN_OK;
}

static enum cairn_status purge_locked(struct purge *purge,
                                      const struct hashpath *hashpath,
                                      struct cairn_slice tag,
                                      struct cairn_error *error) {
    struct found_result found;
    struct cairn_slice own;
    size_t at = 0;
    enum cairn_status status =
        keep_find(purge->cache, purge->context, hashpath, &found, error);
    if (status == CAIRN_CORRUPT && tag.size == 0 && !purge->soft)
        return purge_corrupt(purge, hashpath, error);
    if (status)
        return status == CAIRN_NOT_FOUND || status == CAIRN_CORRUPT ? CAIRN_OK : status;
    bool matches = tag.size == 0;
    while (!matches && result_next_tag(found.result.tags, &at, &own))
        matches = cairn_slice_equal(own, tag);
    if (matches)
        status = keep_drop(purge->cache, purge->context, hashpath, &found, purge->soft,
                           error);
    cairn_view_release(&found.view);
    if (status == CAIRN_NOT_FOUND) /* somebody was faster */
        return CAIRN_OK;
    if (matches && !status) {
        purge->count++;
        cache_count(&purge->cache->counters.purged);
    }
    return status;
}

static enum cairn_status purge_one(struct purge *purge, const struct hashpath *hashpath,
                                   struct cairn_slice tag, struct cairn_error *error) {
    pthread_mutex_t *lock = keep_lock(purge->cache, hashpath);
    enum cairn_status status = purge_locked(purge, hashpath, tag, error);
    pthread_mutex_unlock(lock);
    return status;
}

/* A link at the hashpath without a record, as HyperBEAM makes it: a result, unless the
 * message has a key there. */
static enum cairn_status purge_link(struct purge *purge,
                                    const struct hashpath *hashpath,
                                    struct cairn_error *error) {
    struct cairn_cache *cache = purge->cache;
    struct cairn_path path;
    struct cairn_view view;
    struct cairn_reading base;
    struct cairn_arena arena;
    struct cairn_slice key;
    hashpath_text(hashpath, &path);
    enum cairn_status status =
        cairn_chain_stat(cache->chain, purge->context, path.text, &view, NULL, error);
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    bool is_link = view.entry.kind == CAIRN_LINK;
    cairn_view_release(&view);
    if (!is_link)
        return CAIRN_OK;
    status = cairn_cache_read(cache, purge->context, cairn_id_slice(&hashpath->base),
                              CAIRN_READ_STORED, &base, error);
    if (status && status != CAIRN_NOT_FOUND)
        return status;
    bool own = false;
    cairn_arena_init(&arena);
    if (!status) {
        own = !name_unescape(hashpath_request(hashpath), &arena, &key) ||
              cairn_message_find(&base.value, key);
        cairn_reading_release(&base);
    }
    cairn_arena_free(&arena);
    if (own)
        return CAIRN_OK;
    status = cairn_chain_delete(cache->chain, purge->context, path.text, false, error);
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    purge->count++;
    cache_count(&cache->counters.purged);
    return CAIRN_OK;
}

static enum cairn_status purge_path(struct purge *purge, struct cairn_slice text,
                                    struct cairn_error *error) {
    struct hashpath hashpath;
    enum cairn_status status =
        hashpath_parse(purge->cache->options.hashpath, text, &hashpath, error);
    if (!status)
        status = purge_one(purge, &hashpath, (struct cairn_slice){"", 0}, error);
    return status || purge->count || purge->soft ? status
                                                 : purge_link(purge, &hashpath, error);
}

static bool starts_with(struct cairn_slice text, struct cairn_slice prefix) {
    return text.size >= prefix.size &&
           (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

/* Names are what hashpath_of made of requests. */
static bool make_hashpath(struct cairn_slice base, struct cairn_slice name,
                          struct hashpath *out) {
    if (!cairn_is_id(base) || name.size > sizeof out->request)
        return false;
    memcpy(out->base.text, base.data, CAIRN_ID_SIZE);
    out->base.text[CAIRN_ID_SIZE] = '\0';
    memcpy(out->request, name.data, name.size);
    out->request_size = name.size;
    return true;
}

/* The results of one base whose request begins with `prefix`. */
static enum cairn_status purge_base(struct purge *purge, struct cairn_slice base,
                                    struct cairn_slice prefix,
                                    struct cairn_error *error) {
    const struct cairn_list_options options = {.from = prefix};
    struct cairn_path group;
    struct cairn_list *list;
    struct cairn_list_item item;
    struct hashpath hashpath;
    enum cairn_status status =
        cairn_path_join(cairn_slice_of("~results"), base, &group, error);
    if (!status)
        status = cairn_chain_list(purge->cache->chain, purge->context, group.text,
                                  &options, &list, NULL, error);
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    while (!(status = cairn_list_next(list, &item, error)) &&
           starts_with(item.name, prefix)) {
        if (make_hashpath(base, item.name, &hashpath) &&
            (status = purge_one(purge, &hashpath, (struct cairn_slice){"", 0}, error)))
            break;
    }
    cairn_list_close(list);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static enum cairn_status purge_bases(struct purge *purge, struct cairn_slice prefix,
                                     struct cairn_error *error) {
    const struct cairn_list_options options = {.from = prefix};
    const struct cairn_slice all = {"", 0};
    struct cairn_list *list;
    struct cairn_list_item item;
    enum cairn_status status =
        cairn_chain_list(purge->cache->chain, purge->context,
                         cairn_slice_of("~results"), &options, &list, NULL, error);
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    while (!(status = cairn_list_next(list, &item, error)) &&
           starts_with(item.name, prefix) &&
           !(status = purge_base(purge, item.name, all, error)))
        continue;
    cairn_list_close(list);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

/* "<part of a base>", or "<base>/<part of a request>", or a hashpath of two parts and
 * part of a request. */
static enum cairn_status purge_prefix(struct purge *purge, struct cairn_slice prefix,
                                      struct cairn_error *error) {
    const char *slash = memrchr(prefix.data, '/', prefix.size);
    struct hashpath hashpath;
    if (!slash)
        return purge_bases(purge, prefix, error);
    size_t size = (size_t)(slash - prefix.data);
    struct cairn_slice base = cairn_slice_sub(prefix, 0, size);
    struct cairn_slice rest = cairn_slice_sub(prefix, size + 1, prefix.size - size - 1);
    enum cairn_status status = hashpath_of(purge->cache->options.hashpath, base,
                                           cairn_slice_of("x"), &hashpath, error);
    return status ? status
                  : purge_base(purge, cairn_id_slice(&hashpath.base), rest, error);
}

static enum cairn_status purge_tagged(struct purge *purge, struct cairn_slice tag,
                                      struct cairn_slice group,
                                      const struct cairn_list_item *item,
                                      struct cairn_error *error) {
    struct hashpath hashpath;
    struct cairn_path path;
    if (hashpath_parse(purge->cache->options.hashpath, item->value, &hashpath, NULL))
        return CAIRN_OK;
    enum cairn_status status = purge_one(purge, &hashpath, tag, error);
    if (status || purge->soft)
        return status;
    status = cairn_path_join(group, item->name, &path, error);
    if (!status)
        status = cairn_chain_delete(purge->cache->chain, purge->context, path.text,
                                    false, error);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static enum cairn_status purge_tag(struct purge *purge, struct cairn_slice tag,
                                   struct cairn_error *error) {
    const struct cairn_list_options options = {.values = true};
    struct cairn_arena arena;
    struct cairn_slice name;
    struct cairn_path group;
    struct cairn_list *list = NULL;
    struct cairn_list_item item;
    cairn_arena_init(&arena);
    enum cairn_status status =
        tag.size && name_escape(tag, &arena, &name)
            ? cairn_path_join(cairn_slice_of("~tags"), name, &group, error)
            : cairn_fail(error, CAIRN_INVALID_ARGUMENT, "a tag is not empty");
    if (!status)
        status = cairn_chain_list(purge->cache->chain, purge->context, group.text,
                                  &options, &list, NULL, error);
    while (!status && !(status = cairn_list_next(list, &item, error)))
        status = purge_tagged(purge, tag, group.text, &item, error);
    cairn_list_close(list);
    cairn_arena_free(&arena);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

enum cairn_status cairn_cache_purge(struct cairn_cache *cache,
                                    const struct cairn_context *context,
                                    enum cairn_purge_by by, struct cairn_slice what,
                                    bool soft, uint64_t *count,
                                    struct cairn_error *error) {
    struct purge purge = {.cache = cache, .context = context, .soft = soft};
    enum cairn_status status;
    if (by == CAIRN_PURGE_PATH)
        status = purge_path(&purge, what, error);
    else if (by == CAIRN_PURGE_PREFIX)
        status = purge_prefix(&purge, what, error);
    else
        status = purge_tag(&purge, what, error);
    *count = purge.count;
    return status;
}

/* -- Messages ---------------------------------------------------------------------- */

static enum cairn_status forget(struct cairn_cache *cache,
                                const struct cairn_context *context,
                                struct cairn_slice path, bool recursive,
                                struct cairn_error *error) {
    enum cairn_status status =
        cairn_chain_delete(cache->chain, context, path, recursive, error);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static enum cairn_status forget_alias(struct cairn_cache *cache,
                                      const struct cairn_context *context,
                                      struct cairn_slice id, struct cairn_slice place,
                                      struct cairn_error *error) {
    struct cairn_view view;
    if (!cairn_is_id(id) || cairn_slice_equal(id, place))
        return CAIRN_OK;
    enum cairn_status status =
        cairn_chain_stat(cache->chain, context, id, &view, NULL, error);
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    bool leads =
        view.entry.kind == CAIRN_LINK && cairn_slice_equal(view.entry.payload, place);
    cairn_view_release(&view);
    return leads ? forget(cache, context, id, false, error) : CAIRN_OK;
}

/* The ids that lead to it by its commitments. */
static enum cairn_status forget_aliases(struct cairn_cache *cache,
                                        const struct cairn_context *context,
                                        const struct cairn_value *stored,
                                        struct cairn_slice place,
                                        struct cairn_error *error) {
    enum cairn_ids ids = cache->options.ids;
    const struct cairn_value *commitments =
        cairn_message_find(stored, cairn_slice_of("commitments"));
    struct cairn_id id;
    if (!commitments || commitments->type != CAIRN_VALUE_MESSAGE)
        return CAIRN_OK;
    enum cairn_status status = cairn_id_of_message(stored, ids, &id, error);
    if (!status)
        status = forget_alias(cache, context, cairn_id_slice(&id), place, error);
    for (size_t i = 0; i < commitments->count && !status; i++)
        status =
            forget_alias(cache, context, commitments->as.fields[i].key, place, error);
    if (!status)
        status = cairn_id_of_committed(stored, ids, &id, error);
    return status ? status
                  : forget_alias(cache, context, cairn_id_slice(&id), place, error);
}

enum cairn_status cairn_cache_delete(struct cairn_cache *cache,
                                     const struct cairn_context *context,
                                     struct cairn_slice id, struct cairn_error *error) {
    struct cairn_reading reading;
    struct cairn_path content, results;
    struct purge purge = {.cache = cache, .context = context};
    if (!cairn_is_id(id))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT, "a message has an id, not",
                             id);
    enum cairn_status status =
        cairn_chain_resolve(cache->chain, context, id, &content, NULL, error);
    if (!status)
        status =
            cairn_cache_read(cache, context, id, CAIRN_READ_STORED, &reading, error);
    if (status)
        return status;
    status = forget_aliases(cache, context, &reading.value, content.text, error);
    cairn_reading_release(&reading);
    if (!status) /* results first: their links lie beneath the message */
        status = purge_base(&purge, content.text, (struct cairn_slice){"", 0}, error);
    if (!status)
        status =
            cairn_path_join(cairn_slice_of("~results"), content.text, &results, error);
    if (!status)
        status = forget(cache, context, results.text, true, error);
    return status ? status : forget(cache, context, content.text, true, error);
}
