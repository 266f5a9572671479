/* party.c -- bases and requests. */
#include "party.h"

#include <strings.h>

static enum cairn_status no_memory(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a request");
}

/* The hashpath that a message carries with it, in a key that never leaves memory. */
static struct cairn_slice carried(const struct cairn_value *message) {
    const struct cairn_slice priv = cairn_slice_of("priv");
    const struct cairn_slice key = cairn_slice_of("hashpath");
    const struct cairn_value *found = NULL;
    for (size_t i = 0; i < message->count; i++)
        if (cairn_slice_equal(message->as.fields[i].key, priv))
            found = &message->as.fields[i].value;
    if (!found || found->type != CAIRN_VALUE_MESSAGE)
        return (struct cairn_slice){"", 0};
    for (size_t i = 0; i < found->count; i++)
        if (cairn_slice_equal(found->as.fields[i].key, key) &&
            found->as.fields[i].value.type == CAIRN_VALUE_BYTES)
            return found->as.fields[i].value.as.bytes;
    return (struct cairn_slice){"", 0};
}

static enum cairn_status store_given(struct party *party,
                                     const struct cairn_party *given,
                                     struct cairn_arena *arena,
                                     struct cairn_error *error) {
    party->given = given;
    party->message = given->message;
    party->stored = (struct cairn_value){.type = CAIRN_VALUE_MESSAGE};
    party->is_loaded = party->is_path = false;
    if (given->id.size == 0 &&
        (!given->message || given->message->type != CAIRN_VALUE_MESSAGE))
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "a base or a request is an id or a message");
    return given->message
               ? cairn_message_store(given->message, arena, &party->stored, error)
               : CAIRN_OK;
}

static enum cairn_status open_base(struct cairn_cache *cache, struct party *party,
                                   struct cairn_error *error) {
    party->part = party->given->id;
    if (party->part.size)
        return CAIRN_OK;
    party->part = carried(party->message);
    if (party->part.size)
        return CAIRN_OK;
    party->part = cairn_id_slice(&party->own);
    return cairn_id_of_committed(&party->stored, cache->options.ids, &party->own,
                                 error);
}

/* {path = segment} */
static enum cairn_status make_path_request(struct party *party,
                                           struct cairn_arena *arena,
                                           struct cairn_error *error) {
    struct cairn_pair *pair = cairn_arena_take(arena, sizeof *pair);
    if (!pair)
        return no_memory(error);
    *pair = (struct cairn_pair){.key = cairn_slice_of("path")};
    pair->value =
        (struct cairn_value){.type = CAIRN_VALUE_BYTES, .as.bytes = party->given->id};
    party->stored = (struct cairn_value){.type = CAIRN_VALUE_MESSAGE, .count = 1};
    party->stored.as.fields = pair;
    return CAIRN_OK;
}

/* A request that is nothing but a path of several segments has only the first of them
 * in its hashpath: in the reference it is resolved one segment after the other. Here it
 * is one computation, so its id stands for it. */
static bool has_several_segments(const struct cairn_value *stored) {
    struct cairn_path path;
    struct cairn_slice segment;
    size_t at = 0;
    const struct cairn_pair *field = stored->as.fields;
    return stored->count == 1 && field->value.type == CAIRN_VALUE_BYTES &&
           cairn_slice_equal(field->key, cairn_slice_of("path")) &&
           !cairn_path_normalize(field->value.as.bytes, &path, NULL) &&
           cairn_path_next(path.text, &at, &segment) &&
           cairn_path_next(path.text, &at, &segment);
}

/* A string that is no id is a path. */
static enum cairn_status open_request(struct cairn_cache *cache, struct party *party,
                                      struct cairn_arena *arena,
                                      struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    enum cairn_ids ids = cache->options.ids;
    party->part = party->given->id;
    if (!party->message && cairn_is_id(party->part))
        return CAIRN_OK;
    party->is_path = !party->message;
    if (party->is_path)
        status = make_path_request(party, arena, error);
    if (status)
        return status;
    if (!has_several_segments(&party->stored))
        return cairn_hashpath_request(&party->stored, ids, &party->own, &party->part,
                                      error);
    party->part = cairn_id_slice(&party->own);
    return cairn_id_of_message(&party->stored, ids, &party->own, error);
}

static enum cairn_status algorithm_of(const struct cairn_cache *cache,
                                      const struct party *base,
                                      enum cairn_hashpath_algorithm *out,
                                      struct cairn_error *error) {
    *out = cache->options.hashpath;
    const struct cairn_value *named =
        base->message
            ? cairn_message_find(&base->stored, cairn_slice_of("hashpath-alg"))
            : NULL;
    return named && named->type == CAIRN_VALUE_BYTES
               ? cairn_hashpath_algorithm_of(named->as.bytes, out, error)
               : CAIRN_OK;
}

enum cairn_status parties_open(struct cairn_cache *cache,
                               const struct cairn_party *base,
                               const struct cairn_party *request,
                               struct cairn_arena *arena, struct party *bases,
                               struct party *requests, struct hashpath *hashpath,
                               struct cairn_error *error) {
    enum cairn_hashpath_algorithm algorithm;
    enum cairn_status status = store_given(bases, base, arena, error);
    requests->is_loaded = false;
    if (!status)
        status = store_given(requests, request, arena, error);
    if (!status)
        status = open_base(cache, bases, error);
    if (!status)
        status = open_request(cache, requests, arena, error);
    if (!status)
        status = algorithm_of(cache, bases, &algorithm, error);
    return status
               ? status
               : hashpath_of(algorithm, bases->part, requests->part, hashpath, error);
}

void party_close(struct party *party) {
    if (party->is_loaded)
        cairn_reading_release(&party->loaded);
    party->is_loaded = false;
}

enum cairn_status party_load(struct cairn_cache *cache,
                             const struct cairn_context *context, struct party *party,
                             struct cairn_error *error) {
    if (party->message)
        return CAIRN_OK;
    if (party->is_path) {
        party->message = &party->stored;
        return CAIRN_OK;
    }
    enum cairn_status status =
        cairn_cache_read(cache, context, party->given->id, 0, &party->loaded, error);
    if (status)
        return status;
    party->is_loaded = true;
    party->message = &party->loaded.value;
    return CAIRN_OK;
}

struct cairn_party party_of(const struct party *party) {
    return (struct cairn_party){.id = party->given->id, .message = party->message};
}

/* -- Directives -------------------------------------------------------------------- */

static bool is_text(const struct cairn_value *value) {
    return value->type == CAIRN_VALUE_BYTES || value->type == CAIRN_VALUE_ATOM;
}

static const struct cairn_value *cache_control(const struct cairn_value *message) {
    static const char name[] = "cache-control";
    const struct cairn_pair *fields = message->as.fields;
    if (message->type != CAIRN_VALUE_MESSAGE)
        return NULL;
    for (size_t i = 0; i < message->count; i++)
        if (fields[i].key.size == sizeof name - 1 &&
            strncasecmp(fields[i].key.data, name, sizeof name - 1) == 0)
            return &fields[i].value;
    return NULL;
}

static enum cairn_status join_items(const struct cairn_value *list,
                                    struct cairn_arena *arena, struct cairn_slice *out,
                                    struct cairn_error *error) {
    size_t size = 0;
    for (size_t i = 0; i < list->count; i++)
        if (is_text(&list->as.items[i]))
            size += list->as.items[i].as.bytes.size + 2;
    char *line = cairn_arena_take(arena, size + 1), *at = line;
    if (!line)
        return no_memory(error);
    for (size_t i = 0; i < list->count; i++) {
        const struct cairn_value *item = &list->as.items[i];
        if (!is_text(item))
            continue;
        if (item->as.bytes.size)
            memcpy(at, item->as.bytes.data, item->as.bytes.size);
        at += item->as.bytes.size;
        memcpy(at, ", ", 2);
        at += 2;
    }
    *out = (struct cairn_slice){line, size};
    return CAIRN_OK;
}

enum cairn_status directives_of(const struct cairn_value *message,
                                struct cairn_arena *arena, struct cairn_directives *out,
                                struct cairn_error *error) {
    const struct cairn_value *said = message ? cache_control(message) : NULL;
    *out = (struct cairn_directives){.line = {"", 0}};
    if (!said || (!is_text(said) && said->type != CAIRN_VALUE_LIST))
        return CAIRN_OK;
    out->given = true;
    if (said->type == CAIRN_VALUE_LIST)
        return join_items(said, arena, &out->line, error);
    out->line = said->as.bytes;
    return CAIRN_OK;
}

enum cairn_status directives_join(const struct cairn_directives *before,
                                  const struct cairn_directives *after,
                                  struct cairn_arena *arena,
                                  struct cairn_directives *out,
                                  struct cairn_error *error) {
    *out = before->given ? *before : *after;
    if (!before->given || !after->given)
        return CAIRN_OK;
    struct cairn_value items[2] = {
        {.type = CAIRN_VALUE_BYTES, .as.bytes = before->line},
        {.type = CAIRN_VALUE_BYTES, .as.bytes = after->line}};
    struct cairn_value list = {.type = CAIRN_VALUE_LIST, .count = 2};
    list.as.items = items;
    return join_items(&list, arena, &out->line, error);
}
