/* reader_group.c -- messages whose keys are entries of their own: on stores without
 * packs, in stores that HyperBEAM wrote, in groups that somebody made by hand.
 *
 * There, results that are kept beneath a message lie among its keys. Of those we wrote,
 * the record tells. Of others, the id does: keys that it was not made of are none. */
#include "names.h"
#include "reader.h"

#include <stddef.h>
#include <stdlib.h>

struct gathered {
    struct cairn_pair field;
    bool link; /* it may be a result */
};

struct gathering {
    struct gathered *items;
    size_t count, capacity;
};

static bool make_room(struct gathering *all) {
    if (all->count < all->capacity)
        return true;
    size_t capacity = all->capacity ? all->capacity * 2 : 32;
    struct gathered *items = realloc(all->items, capacity * sizeof *items);
    if (!items)
        return false;
    all->items = items;
    all->capacity = capacity;
    return true;
}

/* Path of a child, in the reading's arena: it is looked at for circles later. */
static enum cairn_status child_path(struct reader *reader, const struct level *level,
                                    struct cairn_slice name, struct cairn_slice *out,
                                    struct cairn_error *error) {
    struct cairn_path path;
    enum cairn_status status = cairn_path_join(level->path, name, &path, error);
    if (status)
        return status;
    return cairn_arena_copy(&reader->reading->arena, path.text, out)
               ? CAIRN_OK
               : reader_no_memory(error);
}

static enum cairn_status read_item(struct reader *reader, const struct level *level,
                                   const struct cairn_list_item *item,
                                   struct cairn_pair *field,
                                   struct cairn_error *error) {
    struct cairn_arena *arena = &reader->reading->arena;
    struct cairn_slice name, target;
    if (!cairn_arena_copy(arena, item->name, &name) ||
        !name_unescape(name, arena, &field->key))
        return reader_no_memory(error);
    reader->typed |= cairn_slice_equal(field->key, cairn_slice_of("ao-types"));
    enum cairn_status status = reader_take(reader, 1, item->value.size, error);
    if (status)
        return status;
    if (item->kind == CAIRN_RAW) {
        field->value = (struct cairn_value){.type = CAIRN_VALUE_BYTES};
        return cairn_arena_copy(arena, item->value, &field->value.as.bytes)
                   ? CAIRN_OK
                   : reader_no_memory(error);
    }
    status = item->kind == CAIRN_LINK ? (cairn_arena_copy(arena, item->value, &target)
                                             ? CAIRN_OK
                                             : reader_no_memory(error))
                                      : child_path(reader, level, name, &target, error);
    return status ? status
                  : reader_get(reader, target, level, &field->value, NULL, error);
}

/* Is there a record of a result at this child? */
static enum cairn_status is_result(struct reader *reader, const struct level *level,
                                   struct cairn_slice name, bool *out,
                                   struct cairn_error *error) {
    struct hashpath hashpath;
    struct cairn_path record;
    enum cairn_kind kind;
    *out = false;
    if (hashpath_of(reader->cache->options.hashpath, level->path, name, &hashpath,
                    NULL))
        return CAIRN_OK;
    hashpath_record(&hashpath, &record);
    enum cairn_status status = cairn_chain_type(reader->cache->chain, reader->context,
                                                record.text, &kind, NULL, error);
    *out = status == CAIRN_OK;
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static enum cairn_status has_results(struct reader *reader, const struct level *level,
                                     bool *out, struct cairn_error *error) {
    struct cairn_path group;
    enum cairn_kind kind;
    *out = false;
    if (!cairn_is_id(level->path))
        return CAIRN_OK;
    enum cairn_status status =
        cairn_path_join(cairn_slice_of("~results"), level->path, &group, error);
    if (status)
        return status;
    status = cairn_chain_type(reader->cache->chain, reader->context, group.text, &kind,
                              NULL, error);
    *out = status == CAIRN_OK;
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static enum cairn_status gather_item(struct reader *reader, const struct level *level,
                                     const struct cairn_list_item *item, bool results,
                                     struct gathering *all, struct cairn_error *error) {
    bool is_link = item->kind == CAIRN_LINK, result = false;
    enum cairn_status status =
        results && is_link ? is_result(reader, level, item->name, &result, error)
                           : CAIRN_OK;
    if (status || result)
        return status;
    if (!make_room(all))
        return reader_no_memory(error);
    struct gathered *gathered = &all->items[all->count];
    status = read_item(reader, level, item, &gathered->field, error);
    if (status == CAIRN_NOT_FOUND && cairn_is_id(item->name)) /* of a result once */
        return CAIRN_OK;
    if (status == CAIRN_NOT_FOUND)
        return cairn_fail_at(error, CAIRN_CORRUPT,
                             "a message refers to what is not there with its key",
                             item->name);
    gathered->link = is_link;
    all->count++;
    return status;
}

static enum cairn_status gather(struct reader *reader, const struct level *level,
                                struct gathering *all, struct cairn_error *error) {
    const struct cairn_list_options options = {.values = true};
    struct cairn_list *list;
    struct cairn_list_item item;
    bool results;
    enum cairn_status status = has_results(reader, level, &results, error);
    if (status ||
        (status = cairn_chain_list(reader->cache->chain, reader->context, level->path,
                                   &options, &list, NULL, error)))
        return status;
    while (!(status = cairn_list_next(list, &item, error)) &&
           !(status = gather_item(reader, level, &item, results, all, error)))
        continue;
    cairn_list_close(list);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

/* -- Which of them the id was made of ------------------------------------------------
 */

static bool makes_id(struct cairn_pair *fields, size_t count, struct cairn_slice id) {
    struct cairn_value map = {.type = CAIRN_VALUE_MESSAGE, .count = count};
    struct cairn_id own;
    map.as.fields = fields;
    for (int ids = CAIRN_IDS_SAFE; ids <= CAIRN_IDS_REFERENCE; ids++)
        if (!cairn_id_of_message(&map, (enum cairn_ids)ids, &own, NULL) &&
            cairn_slice_equal(cairn_id_slice(&own), id))
            return true;
    return false;
}

enum { NONE = -1, IDS = -2 }; /* or the index of the one to leave out */

static size_t fields_without(const struct gathering *all, ptrdiff_t left_out,
                             struct cairn_pair *out) {
    size_t count = 0;
    for (size_t i = 0; i < all->count; i++) {
        const struct gathered *item = &all->items[i];
        bool drop = left_out == IDS ? item->link && cairn_is_id(item->field.key)
                                    : (ptrdiff_t)i == left_out;
        if (!drop)
            out[count++] = item->field;
    }
    return count;
}

/* All of them; those that are no results by their name; all but one result whose name
 * is a path. If none of these makes the id, what is there is what can be said. */
static size_t choose(const struct gathering *all, struct cairn_slice id,
                     struct cairn_pair *out) {
    enum { ONE_BY_ONE = 64 };
    size_t count = fields_without(all, NONE, out);
    if (!cairn_is_id(id) || makes_id(out, count, id))
        return count;
    count = fields_without(all, IDS, out);
    if (count < all->count && makes_id(out, count, id))
        return count;
    for (size_t i = 0; i < all->count && all->count <= ONE_BY_ONE; i++) {
        if (!all->items[i].link)
            continue;
        count = fields_without(all, (ptrdiff_t)i, out);
        if (makes_id(out, count, id))
            return count;
    }
    return fields_without(all, NONE, out);
}

static int by_key(const void *a, const void *b) {
    const struct gathered *left = a, *right = b;
    return cairn_slice_compare(left->field.key, right->field.key);
}

static enum cairn_status settle(struct reader *reader, const struct level *level,
                                struct gathering *all, struct cairn_value *out,
                                struct cairn_error *error) {
    struct cairn_pair *fields =
        cairn_arena_take(&reader->reading->arena, all->count * sizeof *fields + 1);
    if (!fields)
        return reader_no_memory(error);
    if (all->count)
        qsort(all->items, all->count, sizeof *all->items, by_key);
    *out = (struct cairn_value){.type = CAIRN_VALUE_MESSAGE};
    out->as.fields = fields;
    out->count = choose(all, level->path, fields);
    enum cairn_status status = reader_sort(out, error); /* no key comes twice */
    if (status)
        return status;
    /* A group that only results made is not the empty message. */
    if (out->count == 0 && cairn_is_id(level->path) &&
        !makes_id(fields, 0, level->path))
        return cairn_fail_at(error, CAIRN_NOT_FOUND, "no message is at", level->path);
    return CAIRN_OK;
}

enum cairn_status reader_list(struct reader *reader, const struct level *level,
                              struct cairn_value *out, struct cairn_error *error) {
    struct gathering all = {0};
    enum cairn_status status = gather(reader, level, &all, error);
    if (!status)
        status = settle(reader, level, &all, out, error);
    free(all.items);
    return status;
}
