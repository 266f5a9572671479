/* cache_write.c -- writing messages and bytes under their hashes. */
#include "batch.h"
#include "names.h"

/* Are two stored messages equal but for their commitments, which are in no id? */
static bool same_content(const struct cairn_value *a, const struct cairn_value *b) {
    size_t at = 0, other = 0;
    const struct cairn_slice commitments = cairn_slice_of("commitments");
    for (;;) {
        while (at < a->count && cairn_slice_equal(a->as.fields[at].key, commitments))
            at++;
        while (other < b->count &&
               cairn_slice_equal(b->as.fields[other].key, commitments))
            other++;
        if (at == a->count || other == b->count)
            return at == a->count && other == b->count;
        const struct cairn_pair *left = &a->as.fields[at++];
        const struct cairn_pair *right = &b->as.fields[other++];
        if (!cairn_slice_equal(left->key, right->key) ||
            !cairn_value_equal(&left->value, &right->value))
            return false;
    }
}

static const struct cairn_value *commitments_of(const struct cairn_value *stored) {
    const struct cairn_value *found =
        cairn_message_find(stored, cairn_slice_of("commitments"));
    return found && found->type == CAIRN_VALUE_MESSAGE ? found : NULL;
}

/* Both maps in one; of a commitment that is in both, the new one. Both are sorted. */
static enum cairn_status merge_maps(const struct cairn_value *fresh,
                                    const struct cairn_value *old,
                                    struct cairn_arena *arena, struct cairn_value *out,
                                    struct cairn_error *error) {
    struct cairn_pair *fields =
        cairn_arena_take(arena, (fresh->count + old->count) * sizeof *fields + 1);
    if (!fields)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to write a message");
    size_t i = 0, k = 0, count = 0;
    while (i < fresh->count || k < old->count) {
        int order = i == fresh->count ? 1
                    : k == old->count ? -1
                                      : cairn_slice_compare(fresh->as.fields[i].key,
                                                            old->as.fields[k].key);
        fields[count++] = order <= 0 ? fresh->as.fields[i] : old->as.fields[k];
        i += order <= 0;
        k += order >= 0;
    }
    *out = (struct cairn_value){.type = CAIRN_VALUE_MESSAGE, .count = count};
    out->as.fields = fields;
    return CAIRN_OK;
}

/* The message with the commitments that it has in the store already. */
static enum cairn_status add_known_commitments(const struct cairn_value *known,
                                               struct cairn_arena *arena,
                                               struct cairn_value *stored,
                                               struct cairn_error *error) {
    const struct cairn_value *old = commitments_of(known);
    if (!old)
        return CAIRN_OK;
    struct cairn_value only = {.type = CAIRN_VALUE_MESSAGE, .count = 1}, merged;
    const struct cairn_value *fresh = commitments_of(stored);
    struct cairn_pair *pair = cairn_arena_take(arena, sizeof *pair);
    if (!pair)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to write a message");
    *pair = (struct cairn_pair){.key = cairn_slice_of("commitments"), .value = *old};
    only.as.fields = pair;
    enum cairn_status status = merge_maps(fresh, old, arena, &pair->value, error);
    if (!status)
        status = merge_maps(&only, stored, arena, &merged, error);
    if (!status)
        *stored = merged;
    return status;
}

/* What is at the id already, where that matters: its commitments are kept, and under
 * the reference's ids another message may have it. */
static enum cairn_status
meet_known(struct cairn_cache *cache, const struct cairn_context *context,
           const struct cairn_id *id, struct cairn_reading *known, struct batch *batch,
           struct cairn_value *stored, struct cairn_error *error) {
    enum cairn_status status = cairn_cache_read(cache, context, cairn_id_slice(id),
                                                CAIRN_READ_STORED, known, error);
    if (status == CAIRN_NOT_FOUND)
        return CAIRN_OK;
    if (status)
        return status;
    if (known->value.type != CAIRN_VALUE_MESSAGE ||
        !same_content(&known->value, stored))
        return cairn_fail_at(error, CAIRN_CONFLICT, "another message has the id",
                             cairn_id_slice(id));
    return commitments_of(stored)
               ? add_known_commitments(&known->value, &batch->arena, stored, error)
               : CAIRN_OK;
}

/* -- Ids that several messages may share --------------------------------------------
 */

/* A nested message that is to be written, and those noted before it. */
struct nested {
    struct cairn_id id;
    const struct cairn_value *stored;
    const struct nested *before;
};

static enum cairn_status check_known(struct cairn_cache *cache,
                                     const struct cairn_context *context,
                                     const struct nested *nested,
                                     struct cairn_error *error) {
    struct cairn_reading known;
    for (const struct nested *other = nested->before; other; other = other->before)
        if (cairn_slice_equal(cairn_id_slice(&other->id),
                              cairn_id_slice(&nested->id)) &&
            !same_content(other->stored, nested->stored))
            return cairn_fail_at(error, CAIRN_CONFLICT,
                                 "two messages in it would have the id",
                                 cairn_id_slice(&nested->id));
    enum cairn_status status = cairn_cache_read(
        cache, context, cairn_id_slice(&nested->id), CAIRN_READ_STORED, &known, error);
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    bool same = known.value.type == CAIRN_VALUE_MESSAGE &&
                same_content(&known.value, nested->stored);
    cairn_reading_release(&known);
    return same ? CAIRN_OK
                : cairn_fail_at(error, CAIRN_CONFLICT, "another message has the id",
                                cairn_id_slice(&nested->id));
}

static enum cairn_status
check_nested(struct cairn_cache *cache, const struct cairn_context *context,
             const struct cairn_value *stored, struct cairn_arena *arena,
             const struct nested **noted, struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    for (size_t i = 0; i < stored->count && !status; i++) {
        const struct cairn_value *value = &stored->as.fields[i].value;
        if (value->type != CAIRN_VALUE_MESSAGE)
            continue;
        struct nested *nested = cairn_arena_take(arena, sizeof *nested);
        if (!nested)
            return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to write a message");
        nested->stored = value;
        nested->before = *noted;
        status = cairn_id_of_message(value, cache->options.ids, &nested->id, error);
        if (!status)
            status = check_known(cache, context, nested, error);
        *noted = nested;
        if (!status)
            status = check_nested(cache, context, value, arena, noted, error);
    }
    return status;
}

static enum cairn_status write_batch(struct batch *batch,
                                     const struct cairn_context *context,
                                     const struct cairn_value *stored, unsigned flags,
                                     struct cairn_id *out, struct cairn_error *error) {
    struct cairn_id content;
    enum cairn_status status = batch_add_message(batch, stored, &content, error);
    if (!status)
        status = batch_add_commitments(batch, stored, &content, out, error);
    return status ? status : batch_apply(batch, context, flags, error);
}

/* Under a lock of its id, so that two who add commitments both succeed. */
static enum cairn_status
write_carefully(struct cairn_cache *cache, const struct cairn_context *context,
                struct batch *batch, struct cairn_value *stored, unsigned flags,
                struct cairn_id *out, struct cairn_error *error) {
    struct cairn_id content;
    enum cairn_status status =
        cairn_id_of_message(stored, cache->options.ids, &content, error);
    if (status)
        return status;
    pthread_mutex_t *lock =
        &cache
             ->commit_locks[cache_hash(cache, cairn_id_slice(&content)) % COMMIT_LOCKS];
    struct cairn_reading known = {0};
    const struct nested *noted = NULL;
    pthread_mutex_lock(lock);
    status = meet_known(cache, context, &content, &known, batch, stored, error);
    if (!status && cache->options.ids == CAIRN_IDS_REFERENCE)
        status = check_nested(cache, context, stored, &batch->arena, &noted, error);
    if (!status)
        status = write_batch(batch, context, stored, flags, out, error);
    pthread_mutex_unlock(lock);
    cairn_reading_release(&known);
    return status;
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
    if (!status) {
        bool careful =
            cache->options.ids == CAIRN_IDS_REFERENCE || commitments_of(&stored);
        status = careful ? write_carefully(cache, context, &batch, &stored, flags, out,
                                           error)
                         : write_batch(&batch, context, &stored, flags, out, error);
    }
    batch_free(&batch);
    return status;
}

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
