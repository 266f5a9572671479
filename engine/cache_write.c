/* cache_write.c -- writing messages and bytes under their hashes. */
#include "batch.h"
#include "names.h"
#include "places.h"

/* -- Messages ---------------------------------------------------------------------- */

/* Ids that lead to a message by its commitments. One that checks belongs to it; one
 * that does not gets what is free. */
static enum cairn_status claim_ids(struct batch *batch,
                                   const struct cairn_context *context,
                                   const struct cairn_value *stored, size_t from,
                                   struct cairn_error *error) {
    struct cairn_cache *cache = batch->cache;
    if (from == batch->count ||
        cairn_message_verify(stored, cache->options.ids, NULL) != CAIRN_OK)
        return CAIRN_OK;
    for (size_t i = from + 1; i < batch->count; i++) { /* the first is its content's */
        const struct cairn_operation *link = &batch->operations[i];
        struct cairn_view view;
        enum cairn_status status =
            cairn_chain_stat(cache->chain, context, link->path, &view, NULL, error);
        if (status == CAIRN_NOT_FOUND)
            continue;
        if (status)
            return status;
        bool squatted = view.entry.kind == CAIRN_LINK &&
                        !cairn_slice_equal(view.entry.payload, link->value);
        cairn_view_release(&view);
        if (squatted)
            status =
                cairn_chain_delete(cache->chain, context, link->path, false, error);
        if (status && status != CAIRN_NOT_FOUND)
            return status;
    }
    return CAIRN_OK;
}

static enum cairn_status write_message(struct batch *batch,
                                       const struct cairn_context *context,
                                       const struct cairn_value *stored, unsigned flags,
                                       struct cairn_id *out,
                                       struct cairn_error *error) {
    struct cairn_cache *cache = batch->cache;
    struct cairn_id place;
    enum cairn_status status = places_check(cache, context, stored, error);
    if (!status)
        status = batch_add_message(batch, stored, &place, error);
    size_t links = batch->count;
    if (!status)
        status = batch_add_ids(batch, stored, &place, out, error);
    if (!status)
        status = claim_ids(batch, context, stored, links, error);
    if (!status)
        status = batch_apply(batch, context, flags, error);
    return status ? status : places_own(batch, context, error);
}

enum cairn_status cairn_cache_write(struct cairn_cache *cache,
                                    const struct cairn_context *context,
                                    const struct cairn_value *message, unsigned flags,
                                    struct cairn_id *out, struct cairn_error *error) {
    struct batch batch;
    struct cairn_value stored;
    batch_init(&batch, cache);
    enum cairn_status status =
        cairn_message_store(message, &batch.arena, &stored, error);
    if (!status)
        status = write_message(&batch, context, &stored, flags, out, error);
    batch_free(&batch);
    return status;
}

/* -- Bytes ------------------------------------------------------------------------- */

/* A value that is there as part of something becomes one of its own: without the mark.
 */
static enum cairn_status take_mark_off(struct cairn_cache *cache,
                                       const struct cairn_context *context,
                                       struct cairn_operation *write, unsigned flags,
                                       struct cairn_error *error) {
    struct cairn_view view;
    enum cairn_status status =
        cairn_chain_stat(cache->chain, context, write->path, &view, NULL, error);
    bool marked = !status && view.entry.metadata.size;
    if (!status)
        cairn_view_release(&view);
    if (!marked && status != CAIRN_NOT_FOUND)
        return status;
    write->keep = false;
    return cairn_chain_apply(cache->chain, context, write, 1, flags, NULL, error);
}

enum cairn_status cairn_cache_write_binary(struct cairn_cache *cache,
                                           const struct cairn_context *context,
                                           struct cairn_slice bytes, unsigned flags,
                                           struct cairn_id *out,
                                           struct cairn_error *error) {
    struct cairn_arena arena;
    struct cairn_operation write = {.kind = CAIRN_WRITE, .value = bytes, .keep = true};
    enum cairn_status status = cairn_id_of_bytes(bytes, out, error);
    if (status)
        return status;
    cairn_arena_init(&arena);
    if (!name_data(out, &arena, &write.path))
        status = cairn_fail(error, CAIRN_NO_MEMORY, "no memory to write a value");
    parts_enter(&cache->parts);
    parts_note(&cache->parts, cairn_id_slice(out));
    if (!status)
        status =
            cairn_chain_apply(cache->chain, context, &write, 1, flags, NULL, error);
    if (!status && !write.changed)
        status = take_mark_off(cache, context, &write, flags, error);
    parts_leave(&cache->parts);
    cairn_arena_free(&arena);
    return status;
}

enum cairn_status cairn_cache_link(struct cairn_cache *cache,
                                   const struct cairn_context *context,
                                   struct cairn_slice existing, struct cairn_slice path,
                                   bool *made, struct cairn_error *error) {
    struct cairn_operation link = {
        .kind = CAIRN_MAKE_LINK, .path = path, .value = existing};
    struct cairn_path normal;
    struct cairn_slice hash;
    enum cairn_status status = cairn_path_normalize(existing, &normal, error);
    if (status)
        return status;
    parts_enter(&cache->parts);
    if (name_is_data(normal.text, &hash))
        parts_note(&cache->parts, hash);
    status = cairn_chain_apply(cache->chain, context, &link, 1, 0, NULL, error);
    parts_leave(&cache->parts);
    if (made)
        *made = link.changed;
    return status;
}
