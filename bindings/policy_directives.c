/* policy_directives.c -- `no-store, max-age=60` and { ["no-store"] = true,
 * ["max-age"] = 60 }.
 *
 * Names are lower-cased. Of two of one name the first counts. An argument of digits is
 * an integer, whether it was quoted or not; what is larger than SECONDS_MAX is that, so
 * that a script can multiply by 1,000 without a thought. */
#include "policy_directives.h"

#include <lauxlib.h>
#include <stdio.h>

#define SECONDS_MAX (INT64_C(1) << 53)

enum { NAME_ROOM = 64 };

static char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_lower(struct cairn_slice name) {
    size_t i = 0;
    while (i < name.size && to_lower(name.data[i]) == name.data[i])
        i++;
    return i == name.size;
}

static void push_lower(lua_State *L, struct cairn_slice name) {
    char room[NAME_ROOM];
    luaL_Buffer buffer;
    char *lower = room;
    if (is_lower(name)) { /* as most are written */
        lua_pushlstring(L, name.data, name.size);
        return;
    }
    if (name.size > sizeof room)
        lower = luaL_buffinitsize(L, &buffer, name.size);
    for (size_t i = 0; i < name.size; i++)
        lower[i] = to_lower(name.data[i]);
    if (name.size > sizeof room)
        luaL_pushresultsize(&buffer, name.size);
    else
        lua_pushlstring(L, room, name.size);
}

static bool to_number(struct cairn_slice digits, int64_t *out) {
    *out = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
        if (*out < SECONDS_MAX)
            *out = *out * 10 + (digits.data[i] - '0');
    }
    if (*out > SECONDS_MAX)
        *out = SECONDS_MAX;
    return digits.size > 0;
}

/* Without the backslashes. */
static void push_unescaped(lua_State *L, struct cairn_slice text) {
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\\' && i + 1 < text.size)
            i++;
        luaL_addchar(&buffer, text.data[i]);
    }
    luaL_pushresult(&buffer);
}

static void push_argument(lua_State *L, const struct cairn_directive *directive) {
    int64_t number;
    if (to_number(directive->argument, &number))
        lua_pushinteger(L, number);
    else if (directive->quoted &&
             memchr(directive->argument.data, '\\', directive->argument.size))
        push_unescaped(L, directive->argument);
    else if (directive->quoted || directive->argument.size)
        lua_pushlstring(L, directive->argument.data, directive->argument.size);
    else
        lua_pushboolean(L, true);
}

/* Sets the directive unless the table has one of that name. */
static void set_directive(lua_State *L, const struct cairn_directive *directive) {
    push_lower(L, directive->name);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
        lua_pop(L, 1);
        push_argument(L, directive);
        lua_rawset(L, -3);
    } else {
        lua_pop(L, 2);
    }
}

/* Whether no earlier directive of the line can have that name: none that begins alike
 * is as long. */
static bool is_first(struct cairn_slice name, uint64_t *seen) {
    uint64_t bit = UINT64_C(1)
                   << (((unsigned char)name.data[0] & 31) + 11 * name.size) % 64;
    bool first = !(*seen & bit);
    *seen |= bit;
    return first;
}

static void push_line(lua_State *L, struct cairn_slice line) {
    struct cairn_directive directive;
    uint64_t seen = 0;
    size_t at = 0;
    lua_createtable(L, 0, 4);
    while (cairn_directive_next(line, &at, &directive)) {
        if (!is_first(directive.name, &seen)) {
            set_directive(L, &directive);
            continue;
        }
        push_lower(L, directive.name);
        push_argument(L, &directive);
        lua_rawset(L, -3);
    }
}

void policy_directives_set(lua_State *L, const char *name,
                           const struct cairn_directives *given) {
    if (!given->given)
        return;
    lua_pushstring(L, name);
    push_line(L, given->line);
    lua_rawset(L, -3);
}

/* -- The way back ------------------------------------------------------------------ */

/* A line that is put together. `ok` is false once there was no memory. */
struct line {
    struct cairn_bytes bytes;
    bool ok;
};

static void add(struct line *line, struct cairn_slice text) {
    line->ok = line->ok && cairn_bytes_append(&line->bytes, text);
}

static void separate(struct line *line) {
    if (line->bytes.size)
        add(line, cairn_slice_of(", "));
}

static void add_quoted(struct line *line, struct cairn_slice text) {
    add(line, cairn_slice_of("=\""));
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            add(line, cairn_slice_of("\\"));
        add(line, cairn_slice_sub(text, i, 1));
    }
    add(line, cairn_slice_of("\""));
}

static bool is_name(struct cairn_slice text) {
    struct cairn_directive directive;
    size_t at = 0;
    return cairn_directive_next(text, &at, &directive) &&
           directive.name.size == text.size;
}

/* The key below the top of the stack and the value at it. */
static bool add_entry(lua_State *L, struct line *line) {
    struct cairn_slice text;
    char digits[32];
    if (lua_type(L, -2) != LUA_TSTRING)
        return false;
    text.data = lua_tolstring(L, -2, &text.size);
    if (!is_name(text))
        return false;
    separate(line);
    add(line, text);
    if (lua_isinteger(L, -1)) {
        snprintf(digits, sizeof digits, "=%lld", (long long)lua_tointeger(L, -1));
        add(line, cairn_slice_of(digits));
    } else if (policy_to_slice(L, &text)) {
        add_quoted(line, text);
    } else {
        return lua_isboolean(L, -1) && lua_toboolean(L, -1);
    }
    return true;
}

static bool add_table(lua_State *L, struct line *line) {
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (!add_entry(L, line)) {
            lua_pop(L, 2);
            return false;
        }
    }
    return true;
}

static bool add_list(lua_State *L, struct line *line) {
    struct cairn_slice text;
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    bool ok = true;
    for (lua_Integer i = 1; i <= count && ok; i++) {
        lua_rawgeti(L, -1, i);
        ok = policy_to_slice(L, &text);
        if (ok) {
            separate(line);
            add(line, text);
        }
        lua_pop(L, 1);
    }
    return ok;
}

static bool add_value(lua_State *L, struct line *line) {
    struct cairn_slice text;
    if (policy_to_slice(L, &text)) {
        add(line, text);
        return true;
    }
    if (lua_type(L, -1) != LUA_TTABLE)
        return false;
    return lua_rawlen(L, -1) ? add_list(L, line) : add_table(L, line);
}

enum cairn_status policy_read_directives(struct policy_reader *reader, void *into) {
    struct cairn_directives *out = into;
    struct line line = {{0}, true};
    bool sense = add_value(reader->L, &line);
    bool kept = line.ok && cairn_arena_copy(reader->arena,
                                            cairn_bytes_slice(&line.bytes), &out->line);
    cairn_bytes_free(&line.bytes);
    out->given = true;
    if (!sense)
        return policy_field_wrong(reader,
                                  "a header line, a list of such, or a table of "
                                  "directives");
    return kept ? CAIRN_OK : policy_field_no_memory(reader);
}
