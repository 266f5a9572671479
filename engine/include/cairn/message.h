/* message.h -- what a message is: a map from keys to values, typed or stored.
 *
 * A *typed* message has bytes, integers, floats, atoms, lists and messages as values.
 * Its *stored* form (TABM: type-annotated binary message) has only bytes and maps; what
 * was something else is noted in the key `ao-types`, an RFC 9651 dictionary. Stored
 * messages are what ids are made of and what stores keep.
 *
 * Values are trees of borrowed bytes: a function that makes one takes an arena, in
 * which all that is new lies; slices of what was given may be shared. In a stored or
 * normalised message the fields of every map are in byte order of their keys, each key
 * once.
 *
 * Limits: CAIRN_MESSAGE_DEPTH levels of nesting, CAIRN_MESSAGE_MAX bytes of keys and
 * values together; beyond them CAIRN_LIMIT, before anything is allocated for it.
 *
 * Threads: pure functions, any thread. */
#ifndef CAIRN_MESSAGE_H
#define CAIRN_MESSAGE_H

#include <stdint.h>

#include "cairn/arena.h"
#include "cairn/status.h"

#define CAIRN_MESSAGE_DEPTH 64
#define CAIRN_MESSAGE_MAX ((size_t)256 << 20)

enum cairn_value_type {
    CAIRN_VALUE_BYTES,
    CAIRN_VALUE_INTEGER,
    CAIRN_VALUE_FLOAT,
    CAIRN_VALUE_ATOM, /* a name; `true`, `false` and `null` are atoms */
    CAIRN_VALUE_LIST,
    CAIRN_VALUE_MESSAGE,
};

struct cairn_pair;

struct cairn_value {
    enum cairn_value_type type;
    size_t count; /* of items or fields */
    union {
        struct cairn_slice bytes; /* of bytes; the name of an atom */
        int64_t integer;
        double number;
        struct cairn_value *items; /* of a list */
        struct cairn_pair *fields; /* of a message */
    } as;
};

struct cairn_pair {
    struct cairn_slice key;
    struct cairn_value value;
};

/* The value at `key` of a map whose fields are sorted; NULL if there is none. */
const struct cairn_value *cairn_message_find(const struct cairn_value *message,
                                             struct cairn_slice key);

/* From a typed message to its stored form: keys lower-cased (not those that are ids),
 * `priv*`, `unsigned_id` and a given `content-digest` left out, what is not bytes
 * turned into bytes and noted in `ao-types`. The fields may come in any order. A stored
 * message is its own stored form. What a given `ao-types` notes is written as it would
 * have been from the typed value, the notes too; those of keys that are left out go
 * with them, and one of another value that is not there stays.
 *
 * CAIRN_INVALID_ARGUMENT, naming the key: two keys that are one when lower-cased and
 * differ in value, a `device` that is a map with something in it, a float that is not
 * finite, an `ao-types` that says what the value beside it cannot be: of a map, a list
 * whose keys are not 1, 2, ... without a gap.
 * CAIRN_LIMIT: too deep, too large. */
enum cairn_status cairn_message_store(const struct cairn_value *message,
                                      struct cairn_arena *arena,
                                      struct cairn_value *out,
                                      struct cairn_error *error);

/* The way back: what `ao-types` notes gets its type again, and `ao-types` vanishes; a
 * note of a value that is not there says nothing. CAIRN_CORRUPT for notes that make no
 * sense of the value. */
enum cairn_status cairn_message_type(const struct cairn_value *stored,
                                     struct cairn_arena *arena, struct cairn_value *out,
                                     struct cairn_error *error);

/* Equal as messages: same types, same bytes, order of fields ignored. */
bool cairn_value_equal(const struct cairn_value *a, const struct cairn_value *b);

/* JSON (RFC 8259). A string is bytes, a number an integer (without fraction and
 * exponent) or a float, true, false and null are atoms. What JSON lacks is written as
 * an object with one key that begins with `$`: {"$base64": "AP8="} bytes that are not
 * UTF-8 or hold a NUL, {"$atom": "name"}, {"$integer": "..."} beyond 2^53; a message
 * with one such key itself is {"$message": {...}}; one with keys that are not UTF-8 or
 * hold a NUL {"$pairs": [[key, value], ...]}. What is read is sorted by key.
 * CAIRN_INVALID_ARGUMENT with line and column for text that is no JSON, with the keys
 * that lead there for what is no value; so is a key that comes twice, and a number of
 * more than 64 bits. CAIRN_LIMIT: too deep, too large. */
enum cairn_status cairn_value_from_json(struct cairn_slice text,
                                        struct cairn_arena *arena,
                                        struct cairn_value *out,
                                        struct cairn_error *error);
/* Appends, nothing unless it succeeds; keys in byte order. With `indent` > 0 over
 * several lines. Floats are written so that they are read back equal, as floats; one
 * that is not finite is CAIRN_INVALID_ARGUMENT. */
enum cairn_status cairn_value_to_json(const struct cairn_value *value, unsigned indent,
                                      struct cairn_bytes *out,
                                      struct cairn_error *error);

#endif
