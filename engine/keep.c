/* keep.c -- the records of results. */
#include "keep.h"

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
    hashpath_record(hashpath, &record);
    enum cairn_status status = cairn_chain_read(cache->chain, context, record.text,
                                                &out->view, &out->member, error);
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

static enum cairn_status add_value(struct batch *batch, const struct cairn_value *value,
                                   struct cairn_slice *target,
                                   struct cairn_error *error) {
    struct cairn_id place, goes_by;
    if (value->type == CAIRN_VALUE_BYTES)
        return batch_add_part(batch, value->as.bytes, target, error);
    enum cairn_status status = batch_add_message(batch, value, &place, error);
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

/* ~tags/<tag>/<hash of the hashpath>, whose value is the hashpath. */
static enum cairn_status add_tag(struct batch *batch, const struct hashpath *hashpath,
                                 struct cairn_slice tag, struct cairn_error *error) {
    struct cairn_id hash;
    struct cairn_slice name;
    struct cairn_path text, group = {0}, path;
    struct cairn_operation write = {.kind = CAIRN_WRITE};
    hashpath_text(hashpath, &text);
    enum cairn_status status = cairn_id_of_bytes(text.text, &hash, error);
    if (status)
        return status;
    if (!name_escape(tag, &batch->arena, &name) ||
        !cairn_arena_copy(&batch->arena, text.text, &write.value))
        return no_memory(error);
    status = cairn_path_join(cairn_slice_of("~tags"), name, &group, error);
    if (!status)
        status = cairn_path_join(group.text, cairn_id_slice(&hash), &path, error);
    if (status)
        return status;
    if (!cairn_arena_copy(&batch->arena, path.text, &write.path))
        return no_memory(error);
    return batch_add(batch, write, error);
}

static enum cairn_status add_tags(struct batch *batch, const struct hashpath *hashpath,
                                  struct cairn_slice tags, struct cairn_error *error) {
    struct cairn_slice tag;
    size_t at = 0;
    enum cairn_status status = CAIRN_OK;
    while (!status && result_next_tag(tags, &at, &tag))
        status = add_tag(batch, hashpath, tag, error);
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
                              const struct hashpath *hashpath,
                              const struct cairn_value *value,
                              const struct cairn_cache_decision *decision,
                              int64_t cost_ms, struct result *result,
                              struct cairn_error *error) {
    int64_t now_ms = cairn_context_now(context);
    enum cairn_status status = CAIRN_OK;
    *result = (struct result){
        .kept = {.created_ms = now_ms,
                 .fresh_until_ms = after(now_ms, decision->fresh_ms),
                 .while_revalidate_ms = decision->while_revalidate_ms,
                 .if_error_ms = decision->if_error_ms,
                 .must_revalidate = decision->must_revalidate,
                 .size_bytes = value_size(value),
                 .cost_ms = cost_ms,
                 .priority = decision->priority},
        .tags = {decision->tags, decision->tags_size},
    };
    /* Who follows a link is not asked whether it is fresh. */
    if (result->kept.fresh_until_ms == CAIRN_FOREVER)
        status = is_free(batch->cache, context, hashpath, &result->linked, error);
    if (!status)
        status = add_value(batch, value, &result->target, error);
    if (!status)
        status = add_record(batch, hashpath, result, error);
    if (!status && result->linked)
        status = add_link(batch, hashpath, result->target, error);
    return status ? status : add_tags(batch, hashpath, result->tags, error);
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

/* What is there from before: its link leads to it, and it is no longer counted. */
static enum cairn_status replace_old(struct cairn_cache *cache,
                                     const struct cairn_context *context,
                                     const struct hashpath *hashpath,
                                     const struct result *fresh,
                                     struct cairn_error *error) {
    struct found_result old;
    enum cairn_status status = keep_find(cache, context, hashpath, &old, error);
    if (status == CAIRN_NOT_FOUND || status == CAIRN_CORRUPT)
        return CAIRN_OK;
    if (status)
        return status;
    bool goes =
        old.result.linked &&
        (!fresh->linked || !cairn_slice_equal(old.result.target, fresh->target));
    if (atomic_load(&cache->result_bytes) >= 0)
        atomic_fetch_sub(&cache->result_bytes, (int64_t)old.result.kept.size_bytes);
    cairn_view_release(&old.view);
    return goes ? drop_link(cache, context, hashpath, error) : CAIRN_OK;
}

static enum cairn_status apply(struct batch *batch, const struct cairn_context *context,
                               const struct hashpath *hashpath,
                               const struct result *result, unsigned flags,
                               struct cairn_error *error) {
    struct cairn_cache *cache = batch->cache;
    enum cairn_status status = replace_old(cache, context, hashpath, result, error);
    if (!status)
        status = batch_apply(batch, context, flags, error);
    if (status)
        return status;
    cache_count(&cache->counters.stored);
    if (atomic_load(&cache->result_bytes) >= 0)
        atomic_fetch_add(&cache->result_bytes, (int64_t)result->kept.size_bytes);
    cache_consider_trim(cache, cairn_context_now(context));
    return CAIRN_OK;
}

enum cairn_status
keep_result(struct cairn_cache *cache, const struct cairn_context *context,
            const struct hashpath *hashpath, const struct cairn_value *value,
            const struct cairn_cache_decision *decision, int64_t cost_ms,
            struct cairn_path *target, struct cairn_error *error) {
    struct batch batch;
    struct result result;
    batch_init(&batch, cache);
    enum cairn_status status =
        fill(&batch, context, hashpath, value, decision, cost_ms, &result, error);
    if (!status)
        status = apply(&batch, context, hashpath, &result,
                       decision->sync ? CAIRN_STORE_SYNC : 0, error);
    if (!status && target)
        status =
            cairn_path_join(result.target, (struct cairn_slice){"", 0}, target, error);
    batch_free(&batch);
    return status;
}

/* -- Later ------------------------------------------------------------------------- */

struct later {
    struct queue_job job;
    struct batch batch;
    struct hashpath hashpath;
    struct cairn_cache_decision decision; /* the result's tags point into it */
    struct result result;
    int64_t now_ms;
    unsigned flags;
};

static int64_t then(void *clock) {
    return *(const int64_t *)clock;
}

/* At the time at which it was computed, whenever it is written. */
static enum cairn_status run_later(struct queue_job *job, struct cairn_error *error) {
    struct later *later = (struct later *)job;
    const struct cairn_context context = {.now_ms = then, .clock = &later->now_ms};
    return apply(&later->batch, &context, &later->hashpath, &later->result,
                 later->flags, error);
}

static void release_later(struct queue_job *job) {
    struct later *later = (struct later *)job;
    batch_free(&later->batch);
    free(later);
}

enum cairn_status keep_result_later(struct cairn_cache *cache,
                                    const struct cairn_context *context,
                                    const struct hashpath *hashpath,
                                    const struct cairn_value *value,
                                    const struct cairn_cache_decision *decision,
                                    int64_t cost_ms, struct cairn_error *error) {
    struct later *later = malloc(sizeof *later);
    struct cairn_value copy;
    if (!later)
        return no_memory(error);
    later->job = (struct queue_job){.run = run_later, .release = release_later};
    later->hashpath = *hashpath;
    later->decision = *decision;
    later->now_ms = cairn_context_now(context);
    later->flags = decision->sync ? CAIRN_STORE_SYNC : 0;
    batch_init(&later->batch, cache);
    enum cairn_status status = value_copy(value, &later->batch.arena, &copy, error);
    if (!status)
        status = fill(&later->batch, context, &later->hashpath, &copy, &later->decision,
                      cost_ms, &later->result, error);
    if (status) {
        release_later(&later->job);
        return status;
    }
    later->job.bytes = sizeof *later + later->batch.bytes;
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
    struct cairn_path record;
    enum cairn_status status =
        found->result.linked ? drop_link(cache, context, hashpath, error) : CAIRN_OK;
    if (status)
        return status;
    if (soft)
        return make_stale(cache, context, hashpath, found, error);
    hashpath_record(hashpath, &record);
    status = cairn_chain_delete(cache->chain, context, record.text, false, error);
    if (!status && atomic_load(&cache->result_bytes) >= 0)
        atomic_fetch_sub(&cache->result_bytes, (int64_t)found->result.kept.size_bytes);
    return status;
}
