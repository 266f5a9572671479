/* parcel.c -- copies of values, each in one block: the parcel, then all values and
 * fields, then all bytes. It is measured before anything is allocated. */
#include "cairn/parcel.h"

#include <stdlib.h>

/* What a copy needs: of values and fields, and of keys, bytes and names. */
struct room {
    size_t nodes, bytes;
};

/* -- Measuring --------------------------------------------------------------------- */

static enum cairn_status too_large(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_LIMIT, "a value of more than 256 MiB");
}

static enum cairn_status add(size_t *total, size_t count, size_t size,
                             struct cairn_error *error) {
    if (count > (CAIRN_MESSAGE_MAX - *total) / size)
        return too_large(error);
    *total += count * size;
    return CAIRN_OK;
}

/* `depth`: of levels around the value. */
static enum cairn_status measure(const struct cairn_value *value, size_t depth,
                                 struct room *room, struct cairn_error *error) {
    bool is_list = value->type == CAIRN_VALUE_LIST;
    enum cairn_status status = CAIRN_OK;
    if (value->type == CAIRN_VALUE_BYTES || value->type == CAIRN_VALUE_ATOM)
        return add(&room->bytes, value->as.bytes.size, 1, error);
    if (!is_list && value->type != CAIRN_VALUE_MESSAGE)
        return CAIRN_OK;
    if (depth == CAIRN_MESSAGE_DEPTH)
        return cairn_fail(error, CAIRN_LIMIT, "a value of more than %d levels",
                          CAIRN_MESSAGE_DEPTH);
    status =
        add(&room->nodes, value->count,
            is_list ? sizeof(struct cairn_value) : sizeof(struct cairn_pair), error);
    for (size_t i = 0; !status && i < value->count; i++) {
        if (!is_list)
            status = add(&room->bytes, value->as.fields[i].key.size, 1, error);
        if (!status)
            status = measure(is_list ? &value->as.items[i] : &value->as.fields[i].value,
                             depth + 1, room, error);
    }
    return status;
}

/* -- Copying ----------------------------------------------------------------------- */

/* Where the next node and the next byte go. */
struct copying {
    char *nodes, *bytes;
};

static void *take_nodes(struct copying *c, size_t size) {
    void *nodes = c->nodes;
    c->nodes += size;
    return nodes;
}

static struct cairn_slice copy_bytes(struct copying *c, struct cairn_slice bytes) {
    struct cairn_slice copy = {c->bytes, bytes.size};
    if (bytes.size)
        memcpy(c->bytes, bytes.data, bytes.size);
    c->bytes += bytes.size;
    return copy;
}

static void copy_value(struct copying *c, const struct cairn_value *value,
                       struct cairn_value *out) {
    *out = *value;
    switch (value->type) {
    case CAIRN_VALUE_BYTES:
    case CAIRN_VALUE_ATOM:
        out->as.bytes = copy_bytes(c, value->as.bytes);
        return;
    case CAIRN_VALUE_INTEGER:
    case CAIRN_VALUE_FLOAT:
        return;
    case CAIRN_VALUE_LIST:
        out->as.items = take_nodes(c, value->count * sizeof *out->as.items);
        for (size_t i = 0; i < value->count; i++)
            copy_value(c, &value->as.items[i], &out->as.items[i]);
        return;
    case CAIRN_VALUE_MESSAGE:
        out->as.fields = take_nodes(c, value->count * sizeof *out->as.fields);
        for (size_t i = 0; i < value->count; i++) {
            out->as.fields[i].key = copy_bytes(c, value->as.fields[i].key);
            copy_value(c, &value->as.fields[i].value, &out->as.fields[i].value);
        }
        return;
    }
}

enum cairn_status cairn_parcel_new(const struct cairn_value *value,
                                   struct cairn_parcel **out,
                                   struct cairn_error *error) {
    _Static_assert(sizeof(struct cairn_parcel) % _Alignof(struct cairn_pair) == 0,
                   "nodes follow the parcel");
    struct room room = {0};
    enum cairn_status status = measure(value, 0, &room, error);
    if (status)
        return status;
    size_t size = sizeof(struct cairn_parcel) + room.nodes + room.bytes;
    struct cairn_parcel *parcel = malloc(size);
    if (!parcel)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to copy %zu bytes", size);
    char *nodes = (char *)(parcel + 1);
    parcel->size_bytes = size;
    atomic_init(&parcel->users, 1);
    copy_value(&(struct copying){nodes, nodes + room.nodes}, value, &parcel->value);
    *out = parcel;
    return CAIRN_OK;
}

struct cairn_parcel *cairn_parcel_retain(struct cairn_parcel *parcel) {
    if (parcel)
        atomic_fetch_add_explicit(&parcel->users, 1, memory_order_relaxed);
    return parcel;
}

void cairn_parcel_release(struct cairn_parcel *parcel) {
    if (parcel &&
        atomic_fetch_sub_explicit(&parcel->users, 1, memory_order_acq_rel) == 1)
        free(parcel);
}
