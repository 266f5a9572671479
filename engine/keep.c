/* keep.c -- the records of results. */
#include "keep.h"

#include "places.h"

#include <stdlib.h>

static enum cairn_status no_memory(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to keep a result");
}

uint64_t value_size(const struct cairn_value *value) {
    uint64_t size = 0;
    switch (value->type) {
    case CAIRN_VALUE_BYTES:
    case CAIRN_VALUE_ATOM:
        return value->as.bytes.size;
    case CAIRN_VALUE_INTEGER:
    case CAIRN_VALUE_FLOAT:
        return 8;
    case CAIRN_VALUE_LIST:
        for (size_t i = 0; i < value->count; i++)
            size += value_size(&value->as.items[i]);
        return size;
    case CAIRN_VALUE_MESSAGE:
        for (size_t i = 0; i < value->count; i++)
            size +=
                value->as.fields[i].key.size + value_size(&value->as.fields[i].value);
    }
    return size;
}

enum cairn_status keep_find(struct cairn_cache *cache,
                            const struct cairn_context *context,
                            const struct hashpath *hashpath, struct found_result *out,
                            struct cairn_error *error) {
    struct cairn_path record;
    struct cairn_context checked;
    hashpath_record(hashpath, &record);
    enum cairn_status status =
        cairn_chain_read(cache->chain, cache_checked(cache, context, &checked),
                         record.text, &out->view, &out->member, error);
    if (status)
        return status;
    status = result_decode(out->view.entry.payload, &out->result, error);
    if (status)
        cairn_view_release(&out->view);
    return status;
}

/* -- Keeping ----------------------------------------------------------------------- */

static int64_t after(int64_t now_ms, int64_t ms) {
    return ms >= CAIRN_FOREVER - now_ms ? CAIRN_FOREVER : now_ms + ms;
}

static enum cairn_status add_value(struct batch *batch,
                                   const struct cairn_context *context,
                                   const struct cairn_value *value,
                                   struct cairn_slice *target,
                                   struct cairn_error *error) {
    struct cairn_id place, goes_by;
    if (value->type == CAIRN_VALUE_BYTES)
        return batch_add_part(batch, value->as.bytes, target, error);
    enum cairn_status status = places_check(batch->cache, context, value, error);
    if (!status)
        status = batch_add_message(batch, value, &place, error);
    if (!status)
        status = batch_add_ids(batch, value, &place, &goes_by, error);
    if (!status && !cairn_arena_copy(&batch->arena, cairn_id_slice(&place), target))
        status = no_memory(error);
    return status;
}

static enum cairn_status add_record(struct batch *batch,
                                    const struct hashpath *hashpath,
                                    const struct result *result,
                                    struct cairn_error *error) {
    struct cairn_path path;
    struct cairn_bytes bytes = {0};
    struct cairn_operation write = {.kind = CAIRN_WRITE,
                                    .expires_ms = result_expiry_ms(&result->kept)};
    hashpath_record(hashpath, &path);
    enum cairn_status status = result_encode(result, &bytes, error);
    if (!status &&
        (!cairn_arena_copy(&batch->arena, cairn_bytes_slice(&bytes), &write.value) ||
         !cairn_arena_copy(&batch->arena, path.text, &write.path)))
        status = no_memory(error);
    cairn_bytes_free(&bytes);
    return status ? status : batch_add(batch, write, error);
}

static enum cairn_status add_link(struct batch *batch, const struct hashpath *hashpath,
                                  struct cairn_slice target,
                                  struct cairn_error *error) {
    struct cairn_path path;
    struct cairn_operation link = {.kind = CAIRN_MAKE_LINK, .value = target};
    hashpath_text(hashpath, &path);
    if (!cairn_arena_copy(&batch->arena, path.text, &link.path))
        return no_memory(error);
    return batch_add(batch, link, error);
}

/* ~tags/<tag>/<hash of the hashpath> */
static enum cairn_status tag_path(const struct hashpath *hashpath,
                                  struct cairn_slice tag, struct cairn_arena *arena,
                                  struct cairn_slice *out, struct cairn_error *error) {
    struct cairn_id hash;
    struct cairn_slice name;
    struct cairn_path text, group, path;
    hashpath_text(hashpath, &text);
    enum cairn_status status = cairn_id_of_bytes(text.text, &hash, error);
    if (!status && !name_escape(tag, arena, &name))
        status = no_memory(error);
    if (!status)
        status = cairn_path_join(cairn_slice_of("~tags"), name, &group, error);
    if (!status)
        status = cairn_path_join(group.text, cairn_id_slice(&hash), &path, error);
    if (!status && !cairn_arena_copy(arena, path.text, out))
        status = no_memory(error);
    return status;
}

/* An entry whose value is the hashpath. */
static enum cairn_status add_tag(struct batch *batch, const struct hashpath *hashpath,
                                 struct cairn_slice tag, int64_t expires_ms,
                                 struct cairn_error *error) {
    struct cairn_path text;
    struct cairn_operation write = {.kind = CAIRN_WRITE, .expires_ms = expires_ms};
    hashpath_text(hashpath, &text);
    enum cairn_status status =
        tag_path(hashpath, tag, &batch->arena, &write.path, error);
    if (!status && !cairn_arena_copy(&batch->arena, text.text, &write.value))
        status = no_memory(error);
    return status ? status : batch_add(batch, write, error);
}

static enum cairn_status add_tags(struct batch *batch, const struct hashpath *hashpath,
                                  const struct result *result,
                                  struct cairn_error *error) {
    struct cairn_slice tag;
    size_t at = 0;
    enum cairn_status status = CAIRN_OK;
    while (!status && result_next_tag(result->tags, &at, &tag))
        status = add_tag(batch, hashpath, tag, result_expiry_ms(&result->kept), error);
    return status;
}

/* A key of the base's own at the hashpath stays what it is. A link of ours is replaced.
 */
static enum cairn_status is_free(struct cairn_cache *cache,
                                 const struct cairn_context *context,
                                 const struct hashpath *hashpath, bool *out,
                                 struct cairn_error *error) {
    struct cairn_path path;
    struct cairn_view view;
    struct found_result old;
    hashpath_text(hashpath, &path);
    enum cairn_status status =
        cairn_chain_stat(cache->chain, context, path.text, &view, NULL, error);
    *out = status == CAIRN_NOT_FOUND;
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    cairn_view_release(&view);
    status = keep_find(cache, context, hashpath, &old, error);
    if (status)
        return status == CAIRN_NOT_FOUND || status == CAIRN_CORRUPT ? CAIRN_OK : status;
    *out = old.result.linked;
    cairn_view_release(&old.view);
    return CAIRN_OK;
}

static enum cairn_status fill(struct batch *batch, const struct cairn_context *context,
                              const struct keeping *keeping, struct result *result,
                              struct cairn_error *error) {
    const struct cairn_cache_decision *decision = keeping->decision;
    const struct hashpath *hashpath = keeping->hashpath;
    int64_t now_ms = cairn_context_now(context);
    enum cairn_status status = CAIRN_OK;
    *result = (struct result){
        .kept = {.created_ms = now_ms,
                 .fresh_until_ms = after(now_ms, decision->fresh_ms),
                 .while_revalidate_ms = decision->while_revalidate_ms,
                 .if_error_ms = decision->if_error_ms,
                 .must_revalidate = decision->must_revalidate,
                 .size_bytes = value_size(keeping->value),
                 .cost_ms = keeping->cost_ms,
                 .priority = decision->priority},
        .tags = {decision->tags, decision->tags_size},
        .silent = keeping->silent,
    };
    /* Who follows a link is not asked whether it is fresh. */
    if (result->kept.fresh_until_ms == CAIRN_FOREVER)
        status = is_free(batch->cache, context, hashpath, &result->linked, error);
    if (!status)
        status = add_value(batch, context, keeping->value, &result->target, error);
    if (!status)
        status = add_record(batch, hashpath, result, error);
    if (!status && result->linked)
        status = add_link(batch, hashpath, result->target, error);
    return status ? status : add_tags(batch, hashpath, result, error);
}

static enum cairn_status drop_link(struct cairn_cache *cache,
                                   const struct cairn_context *context,
                                   const struct hashpath *hashpath,
                                   struct cairn_error *error) {
    struct cairn_path path;
    hashpath_text(hashpath, &path);
    enum cairn_status status =
        cairn_chain_delete(cache->chain, context, path.text, false, error);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

/* A group of records or tags that has none any more. */
static enum cairn_status drop_empty(struct cairn_cache *cache,
                                    const struct cairn_context *context,
                                    struct cairn_slice group,
                                    struct cairn_error *error) {
    enum cairn_status status =
        cairn_chain_delete(cache->chain, context, group, false, error);
    return status == CAIRN_NOT_FOUND || status == CAIRN_IS_GROUP ? CAIRN_OK : status;
}

static bool has_tag(struct cairn_slice tags, struct cairn_slice tag) {
    struct cairn_slice other;
    for (size_t at = 0; result_next_tag(tags, &at, &other);)
        if (cairn_slice_equal(other, tag))
            return true;
    return false;
}

/* Its entries under tags that are not among `kept`. */
static enum cairn_status drop_tags(struct cairn_cache *cache,
                                   const struct cairn_context *context,
                                   const struct hashpath *hashpath,
                                   struct cairn_slice tags, struct cairn_slice kept,
                                   struct cairn_error *error) {
    struct cairn_arena arena;
    struct cairn_slice tag, path;
    enum cairn_status status = CAIRN_OK;
    cairn_arena_init(&arena);
    for (size_t at = 0; !status && result_next_tag(tags, &at, &tag);) {
        if (has_tag(kept, tag))
            continue;
        status = tag_path(hashpath, tag, &arena, &path, error);
        if (!status)
            status = cairn_chain_delete(cache->chain, context, path, false, error);
        if (!status || status == CAIRN_NOT_FOUND)
            status = drop_empty(cache, context, cairn_path_parent(path), error);
    }
    cairn_arena_free(&arena);
    return status;
}

/* What is there from before: its link leads to it, its tags list it. `*bytes`: what it
 * took. */
static enum cairn_status replace_old(struct cairn_cache *cache,
                                     const struct cairn_context *context,
                                     const struct hashpath *hashpath,
                                     const struct result *fresh, uint64_t *bytes,
                                     struct cairn_error *error) {
    struct found_result old;
    *bytes = 0;
    enum cairn_status status = keep_find(cache, context, hashpath, &old, error);
    if (status == CAIRN_NOT_FOUND || status == CAIRN_CORRUPT)
        return CAIRN_OK;
    if (status)
        return status;
    *bytes = old.result.kept.size_bytes;
    bool goes =
        old.result.linked &&
        (!fresh->linked || !cairn_slice_equal(old.result.target, fresh->target));
    status = goes ? drop_link(cache, context, hashpath, error) : CAIRN_OK;
    if (!status)
        status =
            drop_tags(cache, context, hashpath, old.result.tags, fresh->tags, error);
    cairn_view_release(&old.view);
    return status;
}

static void account(struct cairn_cache *cache, uint64_t more, uint64_t less) {
    if (atomic_load(&cache->result_bytes) >= 0)
        atomic_fetch_add(&cache->result_bytes, (int64_t)more - (int64_t)less);
}

static enum cairn_status apply(struct batch *batch, const struct cairn_context *context,
                               unsigned flags, struct cairn_error *error) {
    struct batch marks;
    batch_init(&marks, batch->cache);
    enum cairn_status status = places_look(batch, context, &marks, error);
    if (!status)
        status = batch_apply(batch, context, flags, error);
    if (!status && marks.count)
        status = batch_apply(&marks, context, 0, error);
    batch_free(&marks);
    return status;
}

/* With the hashpath locked. */
static enum cairn_status write_result(struct batch *batch,
                                      const struct cairn_context *context,
                                      const struct keeping *keeping,
                                      struct result *result,
                                      struct cairn_error *error) {
    struct cairn_cache *cache = batch->cache;
    unsigned flags = keeping->decision->sync ? CAIRN_STORE_SYNC : 0;
    uint64_t old_bytes;
    enum cairn_status status = fill(batch, context, keeping, result, error);
    if (!status)
        status =
            replace_old(cache, context, keeping->hashpath, result, &old_bytes, error);
    if (!status)
        status = apply(batch, context, flags, error);
    if (!status)
        account(cache, result->kept.size_bytes, old_bytes);
    return status;
}

pthread_mutex_t *keep_lock(struct cairn_cache *cache, const struct hashpath *hashpath) {
    struct cairn_path text;
    hashpath_text(hashpath, &text);
    pthread_mutex_t *lock =
        &cache->result_locks[cache_hash(cache, text.text) % RESULT_LOCKS];
    pthread_mutex_lock(lock);
    return lock;
}

enum cairn_status keep_result(struct cairn_cache *cache,
                              const struct cairn_context *context,
                              const struct keeping *keeping, struct cairn_path *target,
                              struct cairn_error *error) {
    struct batch batch;
    struct result result;
    batch_init(&batch, cache);
    pthread_mutex_t *lock = keep_lock(cache, keeping->hashpath);
    enum cairn_status status = write_result(&batch, context, keeping, &result, error);
    pthread_mutex_unlock(lock);
    if (!status && target)
        status =
            cairn_path_join(result.target, (struct cairn_slice){"", 0}, target, error);
    batch_free(&batch);
    if (status)
        return status;
    cache_count(&cache->counters.stored);
    cache_consider_trim(cache, cairn_context_now(context));
    return CAIRN_OK;
}

/* -- Later ------------------------------------------------------------------------- */

struct later {
    struct queue_job job;
    struct cairn_cache *cache;
    struct hashpath hashpath;
    struct cairn_value value;
    struct cairn_cache_decision decision;
    struct keeping keeping; /* of these */
    int64_t now_ms;
    unsigned scopes;
    struct cairn_arena arena;
};

static int64_t then(void *clock) {
    return *(const int64_t *)clock;
}

/* At the time at which it was computed, whenever it is written. */
static enum cairn_status run_later(struct queue_job *job, struct cairn_error *error) {
    struct later *later = (struct later *)job;
    const struct cairn_context context = {
        .now_ms = then, .clock = &later->now_ms, .scopes = later->scopes};
    return keep_result(later->cache, &context, &later->keeping, NULL, error);
}

static void release_later(struct queue_job *job) {
    struct later *later = (struct later *)job;
    cairn_arena_free(&later->arena);
    free(later);
}

enum cairn_status keep_result_later(struct cairn_cache *cache,
                                    const struct cairn_context *context,
                                    const struct keeping *keeping,
                                    struct cairn_error *error) {
    struct later *later = malloc(sizeof *later);
    if (!later)
        return no_memory(error);
    later->job = (struct queue_job){.run = run_later, .release = release_later};
    later->cache = cache;
    later->hashpath = *keeping->hashpath;
    later->decision = *keeping->decision;
    later->keeping = *keeping;
    later->keeping.hashpath = &later->hashpath;
    later->keeping.value = &later->value;
    later->keeping.decision = &later->decision;
    later->now_ms = cairn_context_now(context);
    later->scopes = context ? context->scopes : 0;
    cairn_arena_init(&later->arena);
    enum cairn_status status =
        value_copy(keeping->value, &later->arena, &later->value, error);
    if (status) {
        release_later(&later->job);
        return status;
    }
    later->job.bytes = sizeof *later + value_size(&later->value);
    queue_give(&cache->queue, &later->job);
    return CAIRN_OK;
}

/* -- Dropping ---------------------------------------------------------------------- */

static enum cairn_status make_stale(struct cairn_cache *cache,
                                    const struct cairn_context *context,
                                    const struct hashpath *hashpath,
                                    const struct found_result *found,
                                    struct cairn_error *error) {
    struct batch batch;
    struct result result = found->result;
    int64_t now = cairn_context_now(context);
    if (result.kept.fresh_until_ms > now)
        result.kept.fresh_until_ms = now;
    result.linked = false;
    batch_init(&batch, cache);
    enum cairn_status status = add_record(&batch, hashpath, &result, error);
    if (!status)
        status = batch_apply(&batch, context, 0, error);
    batch_free(&batch);
    return status;
}

enum cairn_status keep_drop(struct cairn_cache *cache,
                            const struct cairn_context *context,
                            const struct hashpath *hashpath,
                            const struct found_result *found, bool soft,
                            struct cairn_error *error) {
    const struct result *result = &found->result;
    struct cairn_path record;
    enum cairn_status status = CAIRN_OK;
    if (result->linked)
        status = drop_link(cache, context, hashpath, error);
    if (status)
        return status;
    if (soft)
        return make_stale(cache, context, hashpath, found, error);
    hashpath_record(hashpath, &record);
    status = cairn_chain_delete(cache->chain, context, record.text, false, error);
    if (status)
        return status;
    account(cache, 0, result->kept.size_bytes);
    status = drop_empty(cache, context, cairn_path_parent(record.text), error);
    return status ? status
                  : drop_tags(cache, context, hashpath, result->tags,
                              (struct cairn_slice){"", 0}, error);
}
