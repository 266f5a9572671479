/* cache_read.c -- reading what is at an id or a path: one look-up for what is inline,
 * one more for each large value and each nested message. */
#include "batch.h"
#include "cairn/pack.h"
#include "keep.h"
#include "reader.h"

#include <stdlib.h>

enum { FETCHED = 1024 }; /* bytes of a pack that are fetched before they are read */

/* A view that a reading points into. */
struct cairn_pin {
    struct cairn_pin *next;
    void *owner;
    void (*release)(void *owner);
};

void reading_init(struct cairn_reading *reading) {
    reading->value = (struct cairn_value){.type = CAIRN_VALUE_BYTES};
    reading->member = 0;
    reading->pins = NULL;
    cairn_arena_init(&reading->arena);
}

void cairn_reading_release(struct cairn_reading *reading) {
    for (struct cairn_pin *pin = reading->pins; pin; pin = pin->next)
        pin->release(pin->owner);
    reading->pins = NULL;
    cairn_arena_free(&reading->arena);
}

enum cairn_status reader_no_memory(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to read a message");
}

enum cairn_status reader_take(struct reader *reader, size_t entries, size_t bytes,
                              struct cairn_error *error) {
    reader->entries += entries;
    reader->bytes += bytes;
    if (reader->entries > READ_ENTRIES || reader->bytes > CAIRN_MESSAGE_MAX)
        return cairn_fail(error, CAIRN_LIMIT,
                          "a message of over %d entries or %zu bytes is not read "
                          "whole",
                          READ_ENTRIES, CAIRN_MESSAGE_MAX);
    return CAIRN_OK;
}

enum cairn_status reading_pin(struct cairn_reading *reading, void *owner,
                              void (*release)(void *owner), struct cairn_error *error) {
    struct cairn_pin *pin = cairn_arena_take(&reading->arena, sizeof *pin);
    if (!pin) {
        release(owner);
        return reader_no_memory(error);
    }
    *pin = (struct cairn_pin){reading->pins, owner, release};
    reading->pins = pin;
    return CAIRN_OK;
}

/* The view belongs to the reading from here on, whatever becomes of it. */
static enum cairn_status pin(struct reader *reader, struct cairn_view *view,
                             struct cairn_error *error) {
    if (!view->release)
        return CAIRN_OK;
    return reading_pin(reader->reading, view->owner, view->release, error);
}

static int by_key(const void *a, const void *b) {
    const struct cairn_pair *left = a, *right = b;
    return cairn_slice_compare(left->key, right->key);
}

enum cairn_status reader_sort(struct cairn_value *map, struct cairn_error *error) {
    struct cairn_pair *fields = map->as.fields;
    bool sorted = true;
    for (size_t i = 1; i < map->count && sorted; i++)
        sorted = cairn_slice_compare(fields[i - 1].key, fields[i].key) < 0;
    if (sorted)
        return CAIRN_OK;
    qsort(fields, map->count, sizeof *fields, by_key);
    for (size_t i = 1; i < map->count; i++)
        if (cairn_slice_equal(fields[i - 1].key, fields[i].key))
            return cairn_fail_at(error, CAIRN_CORRUPT, "a message has twice the key",
                                 fields[i].key);
    return CAIRN_OK;
}

/* -- Packed groups ----------------------------------------------------------------- */

static enum cairn_status read_child(struct reader *reader, const struct level *level,
                                    const struct cairn_pack_child *child,
                                    struct cairn_pair *field,
                                    struct cairn_error *error) {
    if (!name_unescape(child->name, &reader->reading->arena, &field->key))
        return reader_no_memory(error);
    reader->typed |=
        field->key.size == 8 && memcmp(field->key.data, "ao-types", 8) == 0;
    if (child->entry.kind == CAIRN_LINK) {
        enum cairn_status status =
            reader_get(reader, child->entry.payload, level, &field->value, NULL, error);
        if (status == CAIRN_NOT_FOUND)
            return cairn_fail_at(error, CAIRN_CORRUPT,
                                 "a message refers to what is not there",
                                 child->entry.payload);
        return status;
    }
    field->value = (struct cairn_value){.type = CAIRN_VALUE_BYTES,
                                        .as.bytes = child->entry.payload};
    return reader_take(reader, 0, child->entry.payload.size, error);
}

/* Asks for all lines of a small pack at once: whoever reads it would wait for one after
 * the other. */
static void fetch(struct cairn_slice pack) {
    for (size_t at = 0; at < pack.size && at < FETCHED; at += 64)
        __builtin_prefetch(pack.data + at);
}

static enum cairn_status read_pack(struct reader *reader, const struct level *level,
                                   struct cairn_slice pack, struct cairn_value *out,
                                   struct cairn_error *error) {
    struct cairn_pack_walk walk;
    struct cairn_pack_child child;
    fetch(pack);
    enum cairn_status status = cairn_pack_open(pack, &walk, error);
    if (status)
        return status;
    if (walk.left > pack.size) /* a child takes more than a byte */
        return cairn_fail_at(error, CAIRN_CORRUPT, "no pack is at", level->path);
    if ((status = reader_take(reader, walk.left, 0, error)))
        return status;
    struct cairn_pair *fields =
        cairn_arena_take(&reader->reading->arena, walk.left * sizeof *fields + 1);
    if (!fields)
        return reader_no_memory(error);
    size_t count = 0;
    while (!(status = cairn_pack_next(&walk, &child, error)) &&
           !(status = read_child(reader, level, &child, &fields[count], error)))
        count++;
    if (status != CAIRN_NOT_FOUND)
        return status;
    *out = (struct cairn_value){.type = CAIRN_VALUE_MESSAGE, .count = count};
    out->as.fields = fields;
    return reader_sort(out, error);
}

static enum cairn_status check_circle(const struct level *level,
                                      struct cairn_error *error) {
    if (level->depth > CAIRN_MESSAGE_DEPTH)
        return cairn_fail_at(error, CAIRN_LINK_LOOP, "messages nested too deep at",
                             level->path);
    for (const struct level *above = level->above; above; above = above->above)
        if (cairn_slice_equal(above->path, level->path))
            return cairn_fail_at(error, CAIRN_LINK_LOOP, "a message contains itself",
                                 level->path);
    return CAIRN_OK;
}

/* -- By id ------------------------------------------------------------------------- */

static bool has_id(const struct cairn_value *stored, enum cairn_ids ids,
                   struct cairn_slice id) {
    struct cairn_id own;
    const struct cairn_value *commitments =
        cairn_message_find(stored, cairn_slice_of("commitments"));
    if (!batch_place(ids, stored, &own, NULL) &&
        cairn_slice_equal(cairn_id_slice(&own), id))
        return true;
    if (!cairn_id_of_message(stored, ids, &own, NULL) &&
        cairn_slice_equal(cairn_id_slice(&own), id))
        return true;
    if (!commitments || commitments->type != CAIRN_VALUE_MESSAGE)
        return false;
    return cairn_message_find(commitments, id) ||
           (!cairn_id_of_committed(stored, ids, &own, NULL) &&
            cairn_slice_equal(cairn_id_slice(&own), id));
}

static enum cairn_status verify_bytes(struct cairn_slice path, struct cairn_slice bytes,
                                      struct cairn_error *error) {
    struct cairn_id hash;
    struct cairn_slice wanted;
    if (!name_is_data(path, &wanted))
        return CAIRN_OK; /* a path of its own choosing promises nothing */
    enum cairn_status status = cairn_id_of_bytes(bytes, &hash, error);
    if (status || cairn_slice_equal(cairn_id_slice(&hash), wanted))
        return status;
    return cairn_fail_at(error, CAIRN_UNVERIFIED, "the bytes do not have the hash of",
                         path);
}

/* Commitments are nested in what they commit to, and addressed by safe ids. */
static enum cairn_status verify_message(const struct reader *reader,
                                        const struct level *level,
                                        const struct cairn_value *stored,
                                        struct cairn_error *error) {
    enum cairn_ids ids = reader->cache->options.ids;
    if (!cairn_is_id(level->path))
        return CAIRN_OK;
    if (!has_id(stored, ids, level->path) &&
        !(level->above && has_id(stored, CAIRN_IDS_SAFE, level->path)))
        return cairn_fail_at(error, CAIRN_UNVERIFIED,
                             "the message that is there does not have the id",
                             level->path);
    return cairn_message_verify(stored, ids, error);
}

static bool from_outside(struct cairn_cache *cache, size_t member) {
    return cache->outside & (UINT32_C(1) << member);
}

enum cairn_status reader_get(struct reader *reader, struct cairn_slice path,
                             const struct level *above, struct cairn_value *out,
                             size_t *member, struct cairn_error *error) {
    struct cairn_view view;
    size_t from = 0;
    enum cairn_status status = cairn_chain_get(reader->cache->chain, reader->context,
                                               path, &view, &from, error);
    if (status || (status = pin(reader, &view, error)))
        return status;
    bool checks = reader->verify || from_outside(reader->cache, from);
    if (member)
        *member = from;
    if (view.entry.kind == CAIRN_RAW) {
        *out = (struct cairn_value){.type = CAIRN_VALUE_BYTES,
                                    .as.bytes = view.entry.payload};
        status = reader_take(reader, 1, view.entry.payload.size, error);
        return status || !checks ? status : verify_bytes(path, out->as.bytes, error);
    }
    struct level level = {path, above, above ? above->depth + 1 : 1};
    if ((status = check_circle(&level, error)))
        return status;
    status = view.entry.payload.size
                 ? read_pack(reader, &level, view.entry.payload, out, error)
                 : reader_list(reader, &level, out, error);
    return status || !checks ? status : verify_message(reader, &level, out, error);
}

/* What may be copied from a store outside before it is checked as a whole: what shows
 * by itself that it is right. */
bool cache_admits(void *arg, struct cairn_slice path, const struct cairn_entry *entry) {
    struct cairn_cache *cache = arg;
    struct cairn_slice hash;
    if (entry->kind == CAIRN_RAW && name_is_data(path, &hash))
        return verify_bytes(path, entry->payload, NULL) == CAIRN_OK;
    if (entry->kind == CAIRN_RAW)
        return path.data[0] != '~' && !memchr(path.data, '/', path.size);
    if (!cairn_is_id(path))
        return false;
    struct cairn_reading reading;
    struct reader reader = {.cache = cache, .reading = &reading, .alone = true};
    struct level level = {path, NULL, 1};
    struct cairn_value stored;
    reading_init(&reading);
    bool admitted = !read_pack(&reader, &level, entry->payload, &stored, NULL) &&
                    !verify_message(&reader, &level, &stored, NULL);
    cairn_reading_release(&reading);
    return admitted;
}

/* A key of a message shows nothing by itself: the whole message is read. */
static enum cairn_status read_within(struct reader *reader, struct cairn_slice path,
                                     struct cairn_value *out, size_t *member,
                                     struct cairn_error *error) {
    struct cairn_slice segment, key;
    size_t at = 0;
    cairn_path_next(path, &at, &segment);
    enum cairn_status status = reader_get(reader, segment, NULL, out, member, error);
    while (!status && cairn_path_next(path, &at, &segment)) {
        if (!name_unescape(segment, &reader->reading->arena, &key))
            return reader_no_memory(error);
        const struct cairn_value *found =
            out->type == CAIRN_VALUE_MESSAGE ? cairn_message_find(out, key) : NULL;
        if (!found)
            return cairn_fail_at(error, CAIRN_UNVERIFIED,
                                 "no key of the message is what is there at", path);
        struct cairn_value value = *found;
        *out = value;
    }
    return status;
}

static bool is_within_message(struct cairn_slice path) {
    struct cairn_slice first;
    size_t at = 0;
    return cairn_path_next(path, &at, &first) && at < path.size && cairn_is_id(first);
}

/* Beneath an id where no key is: perhaps a result that no link leads to. */
static enum cairn_status read_result(struct reader *reader, struct cairn_slice path,
                                     struct cairn_value *out, size_t *member,
                                     struct cairn_error *error) {
    struct cairn_cache *cache = reader->cache;
    struct hashpath hashpath;
    struct found_result found;
    if (hashpath_parse(cache->options.hashpath, path, &hashpath, NULL) ||
        keep_find(cache, reader->context, &hashpath, &found, NULL))
        return CAIRN_NOT_FOUND;
    enum cairn_status status = CAIRN_NOT_FOUND;
    if (found.result.kept.fresh_until_ms > cairn_context_now(reader->context))
        status = reader_get(reader, found.result.target, NULL, out, member, error);
    cairn_view_release(&found.view);
    return status;
}

/* What is at the path; a key of a message that is to be checked by way of the message.
 */
static enum cairn_status read_at(struct reader *reader, struct cairn_slice path,
                                 struct cairn_value *stored, size_t *member,
                                 struct cairn_error *error) {
    bool within = is_within_message(path);
    enum cairn_status status = reader_get(reader, path, NULL, stored, member, error);
    if (!status && within && (reader->verify || from_outside(reader->cache, *member)))
        return read_within(reader, path, stored, member, error);
    if (status == CAIRN_NOT_FOUND && within && reader->results)
        return read_result(reader, path, stored, member, error);
    return status;
}

enum cairn_status reader_read(struct cairn_cache *cache,
                              const struct cairn_context *context,
                              struct cairn_slice path, unsigned flags, bool results,
                              struct cairn_reading *out, struct cairn_error *error) {
    struct cairn_context checked;
    struct reader reader = {.cache = cache,
                            .context = cache_checked(cache, context, &checked),
                            .reading = out,
                            .verify = flags & CAIRN_READ_VERIFY,
                            .results = results};
    struct cairn_value stored;
    struct cairn_path normal;
    reading_init(out);
    enum cairn_status status = cairn_path_normalize(path, &normal, error);
    if (!status)
        status = read_at(&reader, normal.text, &stored, &out->member, error);
    if (!status && reader.typed && !(flags & CAIRN_READ_STORED))
        status = cairn_message_type(&stored, &out->arena, &out->value, error);
    else
        out->value = stored;
    if (status)
        cairn_reading_release(out);
    return status;
}

enum cairn_status cairn_cache_read(struct cairn_cache *cache,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, unsigned flags,
                                   struct cairn_reading *out,
                                   struct cairn_error *error) {
    return reader_read(cache, context, path, flags, true, out, error);
}
