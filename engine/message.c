/* message.c -- finding and comparing. */
#include "cairn/message.h"

const struct cairn_value *cairn_message_find(const struct cairn_value *message,
                                             struct cairn_slice key) {
    size_t low = 0, high = message->type == CAIRN_VALUE_MESSAGE ? message->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct cairn_pair *field = &message->as.fields[middle];
        int order = cairn_slice_compare(field->key, key);
        if (order == 0)
            return &field->value;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool is_sorted(const struct cairn_value *message) {
    for (size_t i = 1; i < message->count; i++)
        if (cairn_slice_compare(message->as.fields[i - 1].key,
                                message->as.fields[i].key) >= 0)
            return false;
    return true;
}

static const struct cairn_value *find_unsorted(const struct cairn_value *message,
                                               struct cairn_slice key) {
    for (size_t i = 0; i < message->count; i++)
        if (cairn_slice_equal(message->as.fields[i].key, key))
            return &message->as.fields[i].value;
    return NULL;
}

static bool equal_messages(const struct cairn_value *a, const struct cairn_value *b) {
    bool sorted = is_sorted(b);
    for (size_t i = 0; i < a->count; i++) {
        const struct cairn_pair *field = &a->as.fields[i], *other = &b->as.fields[i];
        const struct cairn_value *value = &other->value;
        if (!cairn_slice_equal(field->key, other->key))
            value = sorted ? cairn_message_find(b, field->key)
                           : find_unsorted(b, field->key);
        if (!value || !cairn_value_equal(&field->value, value))
            return false;
    }
    return true;
}

bool cairn_value_equal(const struct cairn_value *a, const struct cairn_value *b) {
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case CAIRN_VALUE_BYTES:
    case CAIRN_VALUE_ATOM:
        return cairn_slice_equal(a->as.bytes, b->as.bytes);
    case CAIRN_VALUE_INTEGER:
        return a->as.integer == b->as.integer;
    case CAIRN_VALUE_FLOAT: /* 0.0 and -0.0 are written differently */
        return memcmp(&a->as.number, &b->as.number, sizeof a->as.number) == 0;
    case CAIRN_VALUE_LIST:
        for (size_t i = 0; i < a->count && i < b->count; i++)
            if (!cairn_value_equal(&a->as.items[i], &b->as.items[i]))
                return false;
        return a->count == b->count;
    case CAIRN_VALUE_MESSAGE:
        return a->count == b->count && equal_messages(a, b);
    }
    return false;
}
