/* lua_value.c -- messages as Lua tables, and back; `cairn.atom`, `list`, `kind`.
 *
 * A table is read in two passes, one that counts and one that fills: the fields lie in
 * one piece of the arena, and between the passes nothing can change the table, for
 * nothing in here allocates in Lua. Metatables are found by the address of a variable,
 * which spares hashing their names. */
#include "lua_value.h"

#include <string.h>

/* Their addresses are keys of the registry. */
static const char arena_key, atom_key, atoms_key, list_key, spare_key;

/* -- Arenas ----------------------------------------------------------------------- */

static int arena_gc(lua_State *L) {
    cairn_arena_free(lua_touserdata(L, 1));
    return 0;
}

struct cairn_arena *cairn_lua_newarena(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &spare_key) == LUA_TUSERDATA) {
        lua_pushboolean(L, false);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &spare_key);
        return lua_touserdata(L, -1);
    }
    lua_pop(L, 1);
    struct cairn_arena *arena = lua_newuserdatauv(L, sizeof *arena, 0);
    cairn_arena_init(arena);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &arena_key);
    lua_setmetatable(L, -2);
    return arena;
}

void cairn_lua_freearena(lua_State *L, int index) {
    cairn_arena_free(lua_touserdata(L, index));
    lua_pushvalue(L, index);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &spare_key);
}

/* -- Atoms and lists -------------------------------------------------------------- */

struct atom {
    size_t size;
    char name[];
};

/* True if the value at `index` has the metatable kept at `key`. */
static bool is_marked(lua_State *L, int index, const char *key) {
    if (!lua_getmetatable(L, index))
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, key);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

static struct cairn_slice atom_name(lua_State *L, int index) {
    const struct atom *atom = lua_touserdata(L, index);
    return (struct cairn_slice){atom->name, atom->size};
}

/* Pushes the one atom of this name, or the boolean that it is. */
static void push_atom(lua_State *L, struct cairn_slice name) {
    if (cairn_slice_equal(name, cairn_slice_of("true")) ||
        cairn_slice_equal(name, cairn_slice_of("false"))) {
        lua_pushboolean(L, name.size == 4);
        return;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &atoms_key);
    cairn_lua_push(L, name);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
        lua_pop(L, 1);
        struct atom *atom = lua_newuserdatauv(L, sizeof *atom + name.size, 0);
        atom->size = name.size;
        if (name.size)
            memcpy(atom->name, name.data, name.size);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &atom_key);
        lua_setmetatable(L, -2);
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -5);
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
}

static int atom(lua_State *L) {
    struct cairn_slice name = cairn_lua_bytes(L, 1, "name");
    push_atom(L, name);
    return 1;
}

static int atom_tostring(lua_State *L) {
    luaL_argcheck(L, is_marked(L, 1, &atom_key), 1, "an atom expected");
    cairn_lua_push(L, atom_name(L, 1));
    return 1;
}

static int list(lua_State *L) {
    lua_settop(L, 1);
    if (lua_isnil(L, 1)) {
        lua_newtable(L);
        lua_replace(L, 1);
    }
    cairn_lua_table(L, 1, "items");
    if (lua_getmetatable(L, 1)) {
        lua_pop(L, 1);
        luaL_argcheck(L, is_marked(L, 1, &list_key), 1,
                      "items: a table without a metatable expected");
        return 1;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key);
    lua_setmetatable(L, 1);
    return 1;
}

/* -- From Lua --------------------------------------------------------------------- */

/* Where a conversion is: the chain of tables from the outermost in, for messages. */
struct frame {
    const struct frame *parent;
    const void *table;
    struct cairn_slice key; /* in the parent; of a list's item its place */
    size_t place;           /* 0: a key */
};

struct conversion {
    lua_State *L;
    struct cairn_arena *arena;
    const char *name; /* of the argument */
    size_t depth;
    size_t size; /* so far: keys, values, and what each takes up */
};

/* Appends "argument.key[1].key" to the buffer. */
static void add_place(luaL_Buffer *buffer, const char *name,
                      const struct frame *frame) {
    if (!frame->parent) {
        luaL_addstring(buffer, name);
        return;
    }
    add_place(buffer, name, frame->parent);
    if (frame->place) {
        lua_pushfstring(buffer->L, "[%I]", (LUAI_UACINT)frame->place);
        luaL_addvalue(buffer);
    } else {
        luaL_addchar(buffer, '.');
        luaL_addlstring(buffer, frame->key.data, frame->key.size);
    }
}

/* Raises "argument.key: what". */
static int refuse(const struct conversion *c, const struct frame *frame,
                  const char *what) {
    luaL_Buffer buffer;
    luaL_buffinit(c->L, &buffer);
    add_place(&buffer, c->name, frame);
    luaL_addstring(&buffer, ": ");
    luaL_addstring(&buffer, what);
    luaL_pushresult(&buffer);
    luaL_where(c->L, 1);
    lua_insert(c->L, -2);
    lua_concat(c->L, 2);
    return lua_error(c->L);
}

static int refuse_key(const struct conversion *c, const struct frame *frame) {
    lua_State *L = c->L;
    const char *what =
        lua_type(L, -1) == LUA_TNUMBER
            ? lua_pushfstring(L,
                              "the key %f is a number: a message has strings as keys",
                              (LUAI_UACNUMBER)lua_tonumber(L, -1))
            : lua_pushfstring(L, "a key is a %s: a message has strings as keys",
                              luaL_typename(L, -1));
    return refuse(c, frame, what);
}

static void charge(struct conversion *c, const struct frame *frame, size_t size) {
    c->size += size;
    if (c->size > CAIRN_MESSAGE_MAX)
        refuse(c, frame, "a message of more than 256 MiB");
}

static void *take(struct conversion *c, const struct frame *frame, size_t count,
                  size_t size) {
    if (count > CAIRN_MESSAGE_MAX / size)
        refuse(c, frame, "a message of more than 256 MiB");
    charge(c, frame, count * size);
    void *room = cairn_arena_take(c->arena, count * size + 1);
    if (!room)
        luaL_error(c->L, "not enough memory");
    return room;
}

static void convert(struct conversion *c, const struct frame *frame, int index,
                    struct cairn_value *out);

/* A table is one of the two; which, and of how many, is known before it is filled. */
struct shape {
    bool is_list;
    size_t count;
};

static struct shape shape_of(const struct conversion *c, const struct frame *frame,
                             int index) {
    lua_State *L = c->L;
    size_t length = lua_rawlen(L, index), names = 0, count = 0;
    bool is_list = length || is_marked(L, index, &list_key);
    lua_pushnil(L);
    for (; lua_next(L, index); count++) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING)
            names++;
        else if (!is_list)
            refuse_key(c, frame);
    }
    if (is_list && names)
        refuse(c, frame,
               "a table with items and with names is neither list nor message");
    if (is_list && count != length)
        refuse(c, frame, "the keys of a list are 1 to its length, without a gap");
    return (struct shape){is_list, count};
}

static void convert_list(struct conversion *c, const struct frame *frame, int index,
                         struct cairn_value *out) {
    lua_State *L = c->L;
    struct cairn_value *items = take(c, frame, out->count, sizeof *items);
    out->as.items = items;
    for (size_t i = 0; i < out->count; i++) {
        struct frame inner = {.parent = frame, .place = i + 1};
        if (lua_rawgeti(L, index, (lua_Integer)i + 1) == LUA_TNIL)
            refuse(c, frame, "the keys of a list are 1 to its length, without a gap");
        convert(c, &inner, lua_gettop(L), &items[i]);
        lua_pop(L, 1);
    }
}

static void convert_message(struct conversion *c, const struct frame *frame, int index,
                            struct cairn_value *out) {
    lua_State *L = c->L;
    struct cairn_pair *field = take(c, frame, out->count, sizeof *field);
    out->as.fields = field;
    lua_pushnil(L);
    for (; lua_next(L, index); field++) {
        field->key.data = lua_tolstring(L, -2, &field->key.size);
        struct frame inner = {.parent = frame, .key = field->key};
        charge(c, &inner, field->key.size);
        convert(c, &inner, lua_gettop(L), &field->value);
        lua_pop(L, 1);
    }
}

static int refuse_depth(const struct conversion *c, const struct frame *frame,
                        const void *table) {
    const struct frame *first = NULL; /* the outermost place of a table met again */
    for (const struct frame *outer = frame->parent; outer; outer = outer->parent)
        if (outer->table == table)
            first = outer;
    return refuse(c, first ? first : frame,
                  first ? "this table holds itself" : "more than 64 levels of nesting");
}

static void convert_table(struct conversion *c, const struct frame *frame, int index,
                          struct cairn_value *out) {
    struct frame table = *frame;
    table.table = lua_topointer(c->L, index);
    if (++c->depth > CAIRN_MESSAGE_DEPTH)
        refuse_depth(c, &table, table.table);
    luaL_checkstack(c->L, LUA_MINSTACK, "a nested message");
    struct shape shape = shape_of(c, &table, index);
    out->count = shape.count;
    out->type = shape.is_list ? CAIRN_VALUE_LIST : CAIRN_VALUE_MESSAGE;
    if (shape.is_list)
        convert_list(c, &table, index, out);
    else
        convert_message(c, &table, index, out);
    c->depth--;
}

static void convert_number(lua_State *L, int index, struct cairn_value *out) {
    if (lua_isinteger(L, index)) {
        out->type = CAIRN_VALUE_INTEGER;
        out->as.integer = lua_tointeger(L, index);
    } else {
        out->type = CAIRN_VALUE_FLOAT;
        out->as.number = lua_tonumber(L, index);
    }
}

static void convert(struct conversion *c, const struct frame *frame, int index,
                    struct cairn_value *out) {
    lua_State *L = c->L;
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        out->type = CAIRN_VALUE_BYTES;
        out->as.bytes.data = lua_tolstring(L, index, &out->as.bytes.size);
        charge(c, frame, out->as.bytes.size);
        return;
    case LUA_TNUMBER:
        convert_number(L, index, out);
        return;
    case LUA_TBOOLEAN:
        out->type = CAIRN_VALUE_ATOM;
        out->as.bytes = cairn_slice_of(lua_toboolean(L, index) ? "true" : "false");
        return;
    case LUA_TTABLE:
        convert_table(c, frame, index, out);
        return;
    case LUA_TUSERDATA:
        if (is_marked(L, index, &atom_key)) {
            out->type = CAIRN_VALUE_ATOM;
            out->as.bytes = atom_name(L, index);
            return;
        }
    }
    refuse(
        c, frame,
        lua_pushfstring(L, "a %s is no value of a message", luaL_typename(L, index)));
}

struct cairn_value cairn_lua_to_value(lua_State *L, int index, const char *name,
                                      struct cairn_arena *arena) {
    struct conversion c = {.L = L, .arena = arena, .name = name};
    struct frame outermost = {0};
    struct cairn_value value = {0};
    luaL_checkstack(L, LUA_MINSTACK, "a message");
    convert(&c, &outermost, lua_absindex(L, index), &value);
    return value;
}

/* -- To Lua ----------------------------------------------------------------------- */

static void push_list(lua_State *L, const struct cairn_value *value) {
    lua_createtable(L, (int)value->count, 0);
    for (size_t i = 0; i < value->count; i++) {
        cairn_lua_push_value(L, &value->as.items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key);
    lua_setmetatable(L, -2);
}

static void push_message(lua_State *L, const struct cairn_value *value) {
    lua_createtable(L, 0, (int)value->count);
    for (size_t i = 0; i < value->count; i++) {
        const struct cairn_pair *field = &value->as.fields[i];
        cairn_lua_push(L, field->key);
        cairn_lua_push_value(L, &field->value);
        lua_rawset(L, -3);
    }
}

void cairn_lua_push_value(lua_State *L, const struct cairn_value *value) {
    switch (value->type) {
    case CAIRN_VALUE_BYTES:
        cairn_lua_push(L, value->as.bytes);
        return;
    case CAIRN_VALUE_INTEGER:
        lua_pushinteger(L, value->as.integer);
        return;
    case CAIRN_VALUE_FLOAT:
        lua_pushnumber(L, value->as.number);
        return;
    case CAIRN_VALUE_ATOM:
        luaL_checkstack(L, 8, "an atom in a nested message");
        push_atom(L, value->as.bytes);
        return;
    case CAIRN_VALUE_LIST:
        luaL_checkstack(L, 8, "a nested message");
        push_list(L, value);
        return;
    case CAIRN_VALUE_MESSAGE:
        luaL_checkstack(L, 8, "a nested message");
        push_message(L, value);
        return;
    }
}

/* -- The module ------------------------------------------------------------------- */

static const char *kind_of_table(lua_State *L, int index) {
    struct conversion c = {.L = L, .name = "value"};
    struct frame outermost = {0};
    return shape_of(&c, &outermost, index).is_list ? "list" : "message";
}

static int kind(lua_State *L) {
    const char *word = NULL;
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    switch (lua_type(L, 1)) {
    case LUA_TSTRING:
        word = "bytes";
        break;
    case LUA_TNUMBER:
        word = lua_isinteger(L, 1) ? "integer" : "float";
        break;
    case LUA_TBOOLEAN:
        word = "boolean";
        break;
    case LUA_TTABLE:
        word = kind_of_table(L, 1);
        break;
    case LUA_TUSERDATA:
        word = is_marked(L, 1, &atom_key) ? "atom" : NULL;
    }
    if (!word)
        return luaL_argerror(
            L, 1,
            lua_pushfstring(L, "a %s is no value of a message", luaL_typename(L, 1)));
    lua_pushstring(L, word);
    return 1;
}

/* Keeps a metatable at `key`, with a name and one metamethod. */
static void new_mark(lua_State *L, const char *key, const char *name,
                     const char *metamethod, lua_CFunction function) {
    lua_newtable(L);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    if (function) {
        lua_pushcfunction(L, function);
        lua_setfield(L, -2, metamethod);
    }
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

static const luaL_Reg functions[] = {
    {"atom", atom},
    {"kind", kind},
    {"list", list},
    {NULL, NULL},
};

void cairn_lua_init_value(lua_State *L) {
    new_mark(L, &arena_key, "cairn.arena", "__gc", arena_gc);
    new_mark(L, &atom_key, "cairn.atom", "__tostring", atom_tostring);
    new_mark(L, &list_key, "cairn.list", NULL, NULL);
    lua_newtable(L); /* atoms by name, as long as somebody holds them */
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &atoms_key);
    luaL_setfuncs(L, functions, 0);
    push_atom(L, cairn_slice_of("null"));
    lua_setfield(L, -2, "null");
}
