/* places.c -- who lies where. */
#include "places.h"

#include "names.h"

enum { BUCKETS = 256 };

/* A message that is to be written, and those noted before it. */
struct noted {
    struct cairn_id place;
    const struct cairn_value *stored;
    const struct noted *before;
};

struct check {
    struct cairn_cache *cache;
    const struct cairn_context *context;
    struct cairn_arena arena;
    const struct noted *noted[BUCKETS]; /* by a byte of the place */
};

static enum cairn_status conflict(const struct cairn_id *id,
                                  struct cairn_error *error) {
    return cairn_fail_at(error, CAIRN_CONFLICT, "another message has the id",
                         cairn_id_slice(id));
}

/* Is another message there, in the store or in the same batch? `*again`: this very one
 * was noted before. */
static enum cairn_status check_place(const struct check *check,
                                     const struct noted *noted, bool *again,
                                     struct cairn_error *error) {
    struct cairn_slice place = cairn_id_slice(&noted->place);
    struct cairn_reading known;
    *again = false;
    for (const struct noted *other = noted->before; other; other = other->before) {
        if (!cairn_slice_equal(cairn_id_slice(&other->place), place))
            continue;
        *again = true;
        return cairn_value_equal(other->stored, noted->stored)
                   ? CAIRN_OK
                   : conflict(&noted->place, error);
    }
    enum cairn_status status = cairn_cache_read(check->cache, check->context, place,
                                                CAIRN_READ_STORED, &known, error);
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    bool same = cairn_value_equal(&known.value, noted->stored);
    cairn_reading_release(&known);
    return same ? CAIRN_OK : conflict(&noted->place, error);
}

/* The message and all that is nested in it; not its commitments, whose places are made
 * of safe ids. */
static enum cairn_status check_places(struct check *check,
                                      const struct cairn_value *stored,
                                      struct cairn_error *error) {
    bool again;
    struct noted *noted = cairn_arena_take(&check->arena, sizeof *noted);
    if (!noted)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to write a message");
    enum cairn_status status =
        batch_place(check->cache->options.ids, stored, &noted->place, error);
    if (status)
        return status;
    const struct noted **bucket =
        &check
             ->noted[cache_hash(check->cache, cairn_id_slice(&noted->place)) % BUCKETS];
    noted->stored = stored;
    noted->before = *bucket;
    status = check_place(check, noted, &again, error);
    if (status || again)
        return status;
    *bucket = noted;
    for (size_t i = 0; i < stored->count && !status; i++) {
        const struct cairn_pair *field = &stored->as.fields[i];
        if (field->value.type == CAIRN_VALUE_MESSAGE && !batch_is_commitments(field))
            status = check_places(check, &field->value, error);
    }
    return status;
}

enum cairn_status places_check(struct cairn_cache *cache,
                               const struct cairn_context *context,
                               const struct cairn_value *stored,
                               struct cairn_error *error) {
    if (cache->options.ids != CAIRN_IDS_REFERENCE)
        return CAIRN_OK;
    struct check check = {.cache = cache, .context = context};
    cairn_arena_init(&check.arena);
    enum cairn_status status = check_places(&check, stored, error);
    cairn_arena_free(&check.arena);
    return status;
}

/* -- Marks ------------------------------------------------------------------------- */

static enum cairn_status add_mark(struct batch *marks, struct cairn_slice place,
                                  struct cairn_error *error) {
    struct cairn_operation mark = {.kind = CAIRN_WRITE, .keep = true};
    struct cairn_path path;
    enum cairn_status status =
        cairn_path_join(cairn_slice_of("~parts"), place, &path, error);
    if (!status && !cairn_arena_copy(&marks->arena, path.text, &mark.path))
        status = cairn_fail(error, CAIRN_NO_MEMORY, "no memory to keep a result");
    return status ? status : batch_add(marks, mark, error);
}

enum cairn_status places_look(struct batch *batch, const struct cairn_context *context,
                              struct batch *marks, struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    for (size_t i = 0; i < batch->count && !status; i++) {
        const struct cairn_operation *pack = &batch->operations[i];
        enum cairn_kind kind;
        if (pack->kind != CAIRN_MAKE_PACK)
            continue;
        status = cairn_chain_type(batch->cache->chain, context, pack->path, &kind, NULL,
                                  error);
        if (status == CAIRN_NOT_FOUND)
            status = add_mark(marks, pack->path, error);
    }
    return status;
}

enum cairn_status places_own(struct batch *batch, const struct cairn_context *context,
                             struct cairn_error *error) {
    struct cairn_chain *chain = batch->cache->chain;
    for (size_t i = 0; i < batch->count; i++) {
        const struct cairn_operation *pack = &batch->operations[i];
        struct cairn_path path;
        /* Without packs, what is there already is written again. */
        bool there = !pack->changed || batch->cache->unpacked;
        if (pack->kind != CAIRN_MAKE_PACK || !there)
            continue;
        enum cairn_status status =
            cairn_path_join(cairn_slice_of("~parts"), pack->path, &path, error);
        if (!status)
            status = cairn_chain_delete(chain, context, path.text, false, error);
        if (status && status != CAIRN_NOT_FOUND)
            return status;
    }
    return CAIRN_OK;
}
