/* message_types.h -- values as bytes beside the name of their type, and back.
 *
 * A *note* says what the value at a key is: an entry of `ao-types`, an RFC 9651
 * dictionary of strings whose keys are percent-escaped. Lists are quoted strings, those
 * of other things written `"(ao-type-integer) 1"`.
 *
 * Both are read here and not with structured.h because they are laxer: any byte may
 * stand in a string and, but for those that mean something, in a key, which may be
 * empty; and because they are stricter: of two notes of one key the last one wins by
 * RFC 9651, while here they may not differ. It is also faster: 0.6 us for ten keys,
 * where that parser takes 0.8. */
#ifndef CAIRN_MESSAGE_TYPES_H
#define CAIRN_MESSAGE_TYPES_H

#include "cairn/message.h"

enum note_type {
    NOTE_NONE, /* bytes, or a message */
    NOTE_INTEGER,
    NOTE_FLOAT,
    NOTE_ATOM,
    NOTE_LIST,
    NOTE_EMPTY_BINARY, /* these three: there is no value beside the note */
    NOTE_EMPTY_LIST,
    NOTE_EMPTY_MESSAGE,
};

struct note {
    struct cairn_slice key;
    enum note_type type;
};

const char *note_name(enum note_type type);
enum note_type note_named(struct cairn_slice name); /* NOTE_NONE: nothing's name */
struct cairn_value note_empty_value(enum note_type note); /* of the last three */

/* Keys of a message: 32, 42 or 43 bytes are taken for an id, which keeps its case. */
static inline bool is_id_sized(struct cairn_slice key) {
    return key.size == 43 || key.size == 42 || key.size == 32;
}

/* Keys that are in no stored message: what is private, and what is made anew. */
bool key_is_left_out(struct cairn_slice key);

/* The key in lower case, itself where it is; false without memory. */
bool key_normalize(struct cairn_slice key, struct cairn_arena *arena,
                   struct cairn_slice *out);

/* The place of an item among `count`, from its key in a map; 0 if it has none. */
size_t item_place(struct cairn_slice key, size_t count);

/* The notes of an `ao-types`, in byte order of their keys, each once.
 * CAIRN_CORRUPT for what is no dictionary of known types, or says two things. */
enum cairn_status notes_parse(struct cairn_slice text, struct cairn_arena *arena,
                              struct note **out, size_t *count,
                              struct cairn_error *error);

/* Notes in the order of their keys. */
enum cairn_status notes_write(const struct note *notes, size_t count,
                              struct cairn_arena *arena, struct cairn_slice *out,
                              struct cairn_error *error);

/* True for a list that is written in one value; others become a map of their items. */
bool list_is_flat(const struct cairn_value *list);

/* An integer, a float, an atom or a flat list as bytes. CAIRN_INVALID_ARGUMENT for a
 * float that is not finite. */
enum cairn_status value_write(const struct cairn_value *value,
                              struct cairn_arena *arena, struct cairn_slice *out,
                              struct cairn_error *error);

/* The way back. CAIRN_CORRUPT if the bytes are none of this type. */
enum cairn_status value_read(struct cairn_slice bytes, enum note_type type,
                             struct cairn_arena *arena, struct cairn_value *out,
                             struct cairn_error *error);

#endif
