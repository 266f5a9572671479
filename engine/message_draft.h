/* message_draft.h -- a message on its way to its stored form: its entries under normal
 * keys, in order, with the types that its own `ao-types` says they have. */
#ifndef CAIRN_MESSAGE_DRAFT_H
#define CAIRN_MESSAGE_DRAFT_H

#include "message_types.h"

enum { FEW = 24 }; /* up to as many are sorted by insertion */

struct storing {
    struct cairn_arena *arena;
    struct cairn_error *error;
    size_t size; /* keys and values so far */
    size_t depth;
};

/* One message on its way: its fields in order, then what they become. */
struct draft {
    struct entry {
        struct cairn_slice key; /* normal */
        const struct cairn_value *value;
    } * entries;
    size_t entry_count;
    struct cairn_pair *fields;
    size_t count;
    struct note *notes; /* of what was not bytes, in order */
    size_t note_count;
    const struct cairn_value *given; /* an `ao-types` that was there; NULL: none */
    struct note *absent;             /* given ones of values that are not there */
    size_t absent_count;
};

static inline bool is_notes(struct cairn_slice key) {
    return cairn_slice_equal(key, cairn_slice_of("ao-types"));
}

enum cairn_status draft_no_memory(struct storing *s);
enum cairn_status draft_too_deep(struct storing *s);

/* Fills `entries` and `given`, then makes true of the entries what is given: a value
 * that is noted gets its type, an empty one is made. What others wrote in another way
 * than this code is thus written anew, and read back with the id it was written with.
 * CAIRN_INVALID_ARGUMENT, naming the key, for two values at one key and for a note that
 * cannot be true. */
enum cairn_status draft_begin(struct storing *s, const struct cairn_value *message,
                              struct draft *draft);

#endif
