/* sandbox_string.c -- the string library but for patterns, formats and packing, and
 * what makes "10" + 1 eleven. Letters are those of ASCII, whatever the locale. */
#include <limits.h>

#include "sandbox_limits.h"

static struct cairn_slice check_string(lua_State *L, int index) {
    struct cairn_slice string;
    string.data = luaL_checklstring(L, index, &string.size);
    return string;
}

/* Positions count from 1, or from the end when negative. Before the beginning: 1. */
static size_t first_position(lua_Integer at, size_t size) {
    if (at > 0)
        return (size_t)at;
    return at == 0 || at < -(lua_Integer)size ? 1 : size + (size_t)at + 1;
}

static size_t last_position(lua_Integer at, size_t size) {
    if (at > (lua_Integer)size)
        return size;
    if (at >= 0)
        return (size_t)at;
    return at < -(lua_Integer)size ? 0 : size + (size_t)at + 1;
}

static int string_len(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)check_string(L, 1).size);
    return 1;
}

static int string_sub(lua_State *L) {
    struct cairn_slice string = check_string(L, 1);
    size_t from = first_position(luaL_checkinteger(L, 2), string.size);
    size_t last = last_position(luaL_optinteger(L, 3, -1), string.size);
    size_t size = from > last ? 0 : last - from + 1;
    sandbox_charge_bytes(L, size);
    lua_pushlstring(L, size ? string.data + from - 1 : "", size);
    return 1;
}

static int string_byte(lua_State *L) {
    struct cairn_slice string = check_string(L, 1);
    lua_Integer at = luaL_optinteger(L, 2, 1);
    size_t from = first_position(at, string.size);
    size_t last = last_position(luaL_optinteger(L, 3, at), string.size);
    if (from > last)
        return 0;
    size_t count = last - from + 1;
    sandbox_charge(L, count);
    if (count >= INT_MAX || !lua_checkstack(L, (int)count)) {
        sandbox_check(L);
        return luaL_error(L, "string slice too long");
    }
    for (size_t i = 0; i < count; i++)
        lua_pushinteger(L, (unsigned char)string.data[from - 1 + i]);
    return (int)count;
}

static int string_char(lua_State *L) {
    int count = lua_gettop(L);
    struct sandbox_text text;
    sandbox_charge(L, 1 + (uint64_t)count);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    sandbox_text_begin(L, &text);
    for (int i = 1; i <= count; i++) {
        lua_Unsigned code = (lua_Unsigned)luaL_checkinteger(L, i);
        luaL_argcheck(L, code <= UCHAR_MAX, i, "value out of range");
        char byte = (char)(unsigned char)code;
        sandbox_text_add(&text, &byte, 1);
    }
    sandbox_text_end(&text);
    return 1;
}

/* The bytes of a string of `size`, made by `make` from those of the argument. */
static int mapped(lua_State *L, void (*make)(char *to, struct cairn_slice from)) {
    struct cairn_slice string = check_string(L, 1);
    struct sandbox_text text;
    sandbox_charge(L, 1 + string.size / 4);
    sandbox_text_begin(L, &text);
    make(sandbox_text_room(&text, string.size), string);
    text.size = string.size;
    sandbox_text_end(&text);
    return 1;
}

static void make_lower(char *to, struct cairn_slice from) {
    for (size_t i = 0; i < from.size; i++) {
        char c = from.data[i];
        to[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
}

static void make_upper(char *to, struct cairn_slice from) {
    for (size_t i = 0; i < from.size; i++) {
        char c = from.data[i];
        to[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
}

static void make_reverse(char *to, struct cairn_slice from) {
    for (size_t i = 0; i < from.size; i++)
        to[i] = from.data[from.size - 1 - i];
}

static int string_lower(lua_State *L) {
    return mapped(L, make_lower);
}

static int string_upper(lua_State *L) {
    return mapped(L, make_upper);
}

static int string_reverse(lua_State *L) {
    return mapped(L, make_reverse);
}

/* Doubles what is there already: ("x"):rep(n) takes log n copies. */
static void fill(char *data, size_t unit, size_t size) {
    for (size_t done = unit; done < size;) {
        size_t more = done < size - done ? done : size - done;
        memcpy(data + done, data, more);
        done += more;
    }
}

/* Nothing repeated is nothing, however often. */
static int string_rep(lua_State *L) {
    struct cairn_slice string = check_string(L, 1), separator;
    lua_Integer count = luaL_checkinteger(L, 2);
    separator.data = luaL_optlstring(L, 3, "", &separator.size);
    size_t unit = string.size + separator.size;
    struct sandbox_text text;
    sandbox_charge(L, 1);
    if (count <= 0 || unit == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (unit > (size_t)PTRDIFF_MAX / (size_t)count)
        return luaL_error(L, "resulting string too large");
    size_t size = unit * (size_t)count - separator.size;
    sandbox_text_begin(L, &text);
    char *room = sandbox_text_room(&text, size);
    memcpy(room, string.data, string.size);
    if (size > string.size) {
        memcpy(room + string.size, separator.data, separator.size);
        fill(room, unit, size);
    }
    text.size = size;
    sandbox_text_end(&text);
    return 1;
}

/* -- Arithmetic on strings that are numbers -----------------------------------------
 */

/* Pushes the number; false if it is none. */
static bool push_number(lua_State *L, int index) {
    if (lua_type(L, index) == LUA_TNUMBER) {
        lua_pushvalue(L, index);
        return true;
    }
    size_t size;
    const char *text = lua_tolstring(L, index, &size);
    if (!text)
        return false;
    sandbox_charge(L, 1 + size / 4);
    return lua_stringtonumber(L, text) == size + 1;
}

/* The second operand may know better. */
static int not_arithmetic(lua_State *L, const char *event) {
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TSTRING || !luaL_getmetafield(L, 2, event))
        return luaL_error(L, "attempt to %s a '%s' with a '%s'", event + 2,
                          luaL_typename(L, 1), luaL_typename(L, 2));
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

static int arithmetic(lua_State *L, int operation, const char *event) {
    if (!push_number(L, 1) || !push_number(L, 2))
        return not_arithmetic(L, event);
    lua_arith(L, operation);
    return 1;
}

static int string_add(lua_State *L) {
    return arithmetic(L, LUA_OPADD, "__add");
}

static int string_subtract(lua_State *L) {
    return arithmetic(L, LUA_OPSUB, "__sub");
}

static int string_multiply(lua_State *L) {
    return arithmetic(L, LUA_OPMUL, "__mul");
}

static int string_divide(lua_State *L) {
    return arithmetic(L, LUA_OPDIV, "__div");
}

static int string_modulo(lua_State *L) {
    return arithmetic(L, LUA_OPMOD, "__mod");
}

static int string_power(lua_State *L) {
    return arithmetic(L, LUA_OPPOW, "__pow");
}

static int string_floor_divide(lua_State *L) {
    return arithmetic(L, LUA_OPIDIV, "__idiv");
}

static int string_negate(lua_State *L) {
    return arithmetic(L, LUA_OPUNM, "__unm");
}

void sandbox_set_arithmetic(lua_State *L) {
    static const luaL_Reg events[] = {
        {"__add", string_add},
        {"__div", string_divide},
        {"__idiv", string_floor_divide},
        {"__mod", string_modulo},
        {"__mul", string_multiply},
        {"__pow", string_power},
        {"__sub", string_subtract},
        {"__unm", string_negate},
        {NULL, NULL},
    };
    luaL_setfuncs(L, events, 0);
}

static const luaL_Reg functions[] = {
    {"byte", string_byte},
    {"char", string_char},
    {"find", sandbox_string_find},
    {"format", sandbox_string_format},
    {"gmatch", sandbox_string_gmatch},
    {"gsub", sandbox_string_gsub},
    {"len", string_len},
    {"lower", string_lower},
    {"match", sandbox_string_match},
    {"pack", sandbox_string_pack},
    {"packsize", sandbox_string_packsize},
    {"rep", string_rep},
    {"reverse", string_reverse},
    {"sub", string_sub},
    {"unpack", sandbox_string_unpack},
    {"upper", string_upper},
    {NULL, NULL},
};

void sandbox_push_string(lua_State *L) {
    luaL_newlib(L, functions);
}
