/* policy_fields.c -- reading tables field by field. */
#include "policy_fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static enum cairn_status fail_at(struct policy_reader *reader, enum cairn_status status,
                                 const char *what) {
    bool within = reader->outer != NULL;
    return cairn_fail(reader->error, status, "%s%s%s.%s: %s", reader->what,
                      within ? "." : "", within ? reader->outer : "", reader->name,
                      what);
}

enum cairn_status policy_field_fail(struct policy_reader *reader, const char *format,
                                    ...) {
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return fail_at(reader, CAIRN_POLICY_ERROR, what);
}

enum cairn_status policy_field_wrong(struct policy_reader *reader,
                                     const char *expected) {
    lua_State *L = reader->L;
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        return policy_field_fail(reader, "%s expected, got '%.60s'", expected,
                                 lua_tostring(L, -1));
    case LUA_TNUMBER:
        return policy_field_fail(reader, "%s expected, got %.14g", expected,
                                 lua_tonumber(L, -1));
    case LUA_TBOOLEAN:
        return policy_field_fail(reader, "%s expected, got %s", expected,
                                 lua_toboolean(L, -1) ? "true" : "false");
    default:
        return policy_field_fail(reader, "%s expected, got a %s", expected,
                                 lua_typename(L, lua_type(L, -1)));
    }
}

enum cairn_status policy_field_no_memory(struct policy_reader *reader) {
    return fail_at(reader, CAIRN_NO_MEMORY, "no memory for it");
}

bool policy_to_slice(lua_State *L, struct cairn_slice *out) {
    if (lua_type(L, -1) != LUA_TSTRING)
        return false;
    out->data = lua_tolstring(L, -1, &out->size);
    return true;
}

int policy_word_index(const char *const words[], struct cairn_slice word) {
    for (int i = 0; words[i]; i++)
        if (cairn_slice_equal(cairn_slice_of(words[i]), word))
            return i;
    return -1;
}

/* Names of Lua have a terminator, but may hold others before it. */
static bool is_name(const char *field, struct cairn_slice name) {
    size_t i = 0;
    while (field[i] && field[i] == name.data[i])
        i++;
    return field[i] == '\0' && i == name.size;
}

/* Compared in place: every decision comes by here. */
static const struct policy_field *find(const struct policy_field *fields,
                                       struct cairn_slice name) {
    for (; fields->name; fields++)
        if (is_name(fields->name, name))
            return fields;
    return NULL;
}

/* Of the table, not of one of its fields. */
static void fail_within(struct policy_reader *reader, const char *what,
                        struct cairn_slice name, const char *end) {
    bool within = reader->outer != NULL;
    cairn_fail(reader->error, CAIRN_POLICY_ERROR, "%s%s%s: %s%.*s%s", reader->what,
               within ? "." : "", within ? reader->outer : "", what,
               name.size > 64 ? 64 : (int)name.size, name.data, end);
}

/* The field that the key below the top of the stack names; NULL fills the error. */
static const struct policy_field *field_at(struct policy_reader *reader,
                                           const struct policy_field *fields) {
    if (lua_type(reader->L, -2) != LUA_TSTRING) {
        const char *type = lua_typename(reader->L, lua_type(reader->L, -2));
        fail_within(reader, "fields have names, not a ", cairn_slice_of(type), "");
        return NULL;
    }
    struct cairn_slice name;
    name.data = lua_tolstring(reader->L, -2, &name.size);
    const struct policy_field *field = find(fields, name);
    if (!field)
        fail_within(reader, "there is no field '", name, "'");
    return field;
}

/* One walk over the table: the fields that are (not) late. */
static enum cairn_status walk(struct policy_reader *reader, int index,
                              const struct policy_field *fields, bool late, void *into,
                              bool *more) {
    lua_State *L = reader->L;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        const struct policy_field *field = field_at(reader, fields);
        enum cairn_status status = field ? CAIRN_OK : CAIRN_POLICY_ERROR;
        *more = *more || (field && field->late);
        if (field && field->late == late) {
            reader->name = field->name;
            status = field->read(reader, (char *)into + field->offset);
        }
        if (status) {
            lua_pop(L, 2);
            return status;
        }
    }
    return CAIRN_OK;
}

enum cairn_status policy_fields_read(struct policy_reader *reader, int index,
                                     const struct policy_field *fields, void *into) {
    const char *name = reader->name, *outer = reader->outer;
    bool more = false;
    reader->outer = name;
    index = lua_absindex(reader->L, index);
    enum cairn_status status = walk(reader, index, fields, false, into, &more);
    if (!status && more)
        status = walk(reader, index, fields, true, into, &more);
    reader->name = name;
    reader->outer = outer;
    return status;
}

/* -- Readers ----------------------------------------------------------------------- */

enum cairn_status policy_read_boolean(struct policy_reader *reader, void *into) {
    if (!lua_isboolean(reader->L, -1))
        return policy_field_wrong(reader, "boolean");
    *(bool *)into = lua_toboolean(reader->L, -1);
    return CAIRN_OK;
}

enum cairn_status policy_read_integer(struct policy_reader *reader, void *into) {
    int is_integer = 0;
    lua_Integer value = 0;
    if (lua_type(reader->L, -1) == LUA_TNUMBER)
        value = lua_tointegerx(reader->L, -1, &is_integer);
    if (!is_integer)
        return policy_field_wrong(reader, "a whole number");
    *(int64_t *)into = value;
    return CAIRN_OK;
}

enum { COUNT_MAX = 1000000 };

static enum cairn_status read_bounded(struct policy_reader *reader, int64_t least,
                                      int64_t most, int64_t *out) {
    enum cairn_status status = policy_read_integer(reader, out);
    if (!status && (*out < least || *out > most))
        status = policy_field_fail(reader, "%lld is not from %lld to %lld",
                                   (long long)*out, (long long)least, (long long)most);
    return status;
}

static enum cairn_status read_span(struct policy_reader *reader, int64_t least,
                                   int64_t *out) {
    int64_t value;
    enum cairn_status status = read_bounded(reader, least, INT64_MAX, &value);
    if (!status)
        *out = value > POLICY_SPAN_MAX ? INT64_MAX : value;
    return status;
}

static enum cairn_status read_size(struct policy_reader *reader, int64_t least,
                                   uint64_t *out) {
    int64_t value;
    enum cairn_status status = read_bounded(reader, least, INT64_MAX, &value);
    if (!status)
        *out = (uint64_t)value;
    return status;
}

static enum cairn_status read_count(struct policy_reader *reader, int64_t least,
                                    unsigned *out) {
    int64_t value;
    enum cairn_status status = read_bounded(reader, least, COUNT_MAX, &value);
    if (!status)
        *out = (unsigned)value;
    return status;
}

enum cairn_status policy_read_span(struct policy_reader *reader, void *into) {
    return read_span(reader, 0, into);
}

enum cairn_status policy_read_size(struct policy_reader *reader, void *into) {
    return read_size(reader, 0, into);
}

enum cairn_status policy_read_count(struct policy_reader *reader, void *into) {
    return read_count(reader, 0, into);
}

enum cairn_status policy_read_some_span(struct policy_reader *reader, void *into) {
    return read_span(reader, 1, into);
}

enum cairn_status policy_read_some_size(struct policy_reader *reader, void *into) {
    return read_size(reader, 1, into);
}

enum cairn_status policy_read_some_count(struct policy_reader *reader, void *into) {
    return read_count(reader, 1, into);
}

enum cairn_status policy_read_number(struct policy_reader *reader, void *into) {
    if (lua_type(reader->L, -1) != LUA_TNUMBER)
        return policy_field_wrong(reader, "number");
    double value = lua_tonumber(reader->L, -1);
    if (!isfinite(value))
        return policy_field_fail(reader, "it is not a finite number");
    *(double *)into = value;
    return CAIRN_OK;
}

enum cairn_status policy_read_bytes(struct policy_reader *reader, void *into) {
    struct cairn_slice bytes;
    if (!policy_to_slice(reader->L, &bytes))
        return policy_field_wrong(reader, "string");
    if (!cairn_arena_copy(reader->arena, bytes, into))
        return policy_field_no_memory(reader);
    return CAIRN_OK;
}

enum cairn_status policy_read_name(struct policy_reader *reader, void *into) {
    struct cairn_slice name;
    if (!policy_to_slice(reader->L, &name) || name.size == 0 ||
        memchr(name.data, '\0', name.size))
        return policy_field_wrong(reader, "a name");
    char *copy = cairn_arena_take(reader->arena, name.size + 1);
    if (!copy)
        return policy_field_no_memory(reader);
    memcpy(copy, name.data, name.size + 1);
    *(const char **)into = copy;
    return CAIRN_OK;
}

enum cairn_status policy_list_count(struct policy_reader *reader, const char *expected,
                                    size_t *count) {
    lua_State *L = reader->L;
    *count = 0;
    if (lua_type(L, -1) != LUA_TTABLE)
        return policy_field_wrong(reader, expected);
    size_t length = lua_rawlen(L, -1);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        bool within = lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 &&
                      (lua_Unsigned)lua_tointeger(L, -2) <= length;
        if (!within) {
            lua_pop(L, 2);
            return policy_field_wrong(reader, expected);
        }
        ++*count;
    }
    return *count == length ? CAIRN_OK : policy_field_wrong(reader, expected);
}
