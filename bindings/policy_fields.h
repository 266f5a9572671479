/* policy_fields.h -- reading a Lua table into a struct, field by field.
 *
 * Tables come from scripts and from callers: every field is checked, unknown ones are
 * refused by name. Reading is raw and allocates nothing in Lua, so that it can not
 * raise: it needs no protection, whatever the state. Strings are copied into the arena:
 * a script may throw its tables away while its strings are still used. */
#ifndef CAIRN_POLICY_FIELDS_H
#define CAIRN_POLICY_FIELDS_H

#include <lua.h>

#include "cairn/arena.h"
#include "cairn/status.h"

enum { POLICY_STACK = 24 }; /* slots that reading needs */

/* Longer spans are CAIRN_FOREVER: times can be added without a thought of overflow. */
#define POLICY_SPAN_MAX (INT64_C(1) << 53)

struct policy_reader {
    lua_State *L;
    struct cairn_arena *arena; /* NULL where no field needs one */
    const void *about;         /* what field readers may need to know besides */
    const char *what;          /* "decision", "context": begins every message */
    const char *name;          /* of the field that is read */
    const char *outer;         /* of the one that it is in; NULL: of none */
    struct cairn_error *error;
};

/* One field: reads the value at the top of the stack, which stays, into `into`. */
struct policy_field {
    const char *name;
    enum cairn_status (*read)(struct policy_reader *reader, void *into);
    size_t offset; /* of `into` in the struct */
    bool late;     /* read after those that are not */
};

/* Reads the table at `index`; the list ends with a NULL name. */
enum cairn_status policy_fields_read(struct policy_reader *reader, int index,
                                     const struct policy_field *fields, void *into);

/* "decision.accept.max_age: ...": CAIRN_POLICY_ERROR. */
__attribute__((format(printf, 2, 3))) enum cairn_status
policy_field_fail(struct policy_reader *reader, const char *format, ...);

/* "decision.order: a list of names expected, got 'x'": the value is at the top of the
 * stack. */
enum cairn_status policy_field_wrong(struct policy_reader *reader,
                                     const char *expected);

/* Nobody has memory for it. */
enum cairn_status policy_field_no_memory(struct policy_reader *reader);

/* Readers of common kinds, and what they read into. */
enum cairn_status policy_read_boolean(struct policy_reader *reader, void *into);
/* int64_t, 0 to CAIRN_FOREVER */
enum cairn_status policy_read_span(struct policy_reader *reader, void *into);
/* int64_t, any */
enum cairn_status policy_read_integer(struct policy_reader *reader, void *into);
/* uint64_t */
enum cairn_status policy_read_size(struct policy_reader *reader, void *into);
/* unsigned */
enum cairn_status policy_read_count(struct policy_reader *reader, void *into);
/* The same from 1: where 0 would mean that there is no bound at all. */
enum cairn_status policy_read_some_span(struct policy_reader *reader, void *into);
enum cairn_status policy_read_some_size(struct policy_reader *reader, void *into);
enum cairn_status policy_read_some_count(struct policy_reader *reader, void *into);
/* double, finite */
enum cairn_status policy_read_number(struct policy_reader *reader, void *into);
/* struct cairn_slice, copied */
enum cairn_status policy_read_bytes(struct policy_reader *reader, void *into);
/* const char *, copied, not empty and without NUL */
enum cairn_status policy_read_name(struct policy_reader *reader, void *into);

/* How many items the table at the top of the stack has, if it is a list (keys 1 to n
 * and no others); policy_field_wrong otherwise. */
enum cairn_status policy_list_count(struct policy_reader *reader, const char *expected,
                                    size_t *count);

/* The string at the top of the stack; false if it is none. */
bool policy_to_slice(lua_State *L, struct cairn_slice *out);

/* The position of `word` in a NULL-terminated list; -1 if it is not there. */
int policy_word_index(const char *const words[], struct cairn_slice word);

#endif
