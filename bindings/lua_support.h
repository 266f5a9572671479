/* lua_support.h -- what every binding needs: checkers, failures, boxes.
 *
 * A mistake in a call raises, naming the argument; an expected failure returns nil,
 * message, code. Lua may jump over C at every call that allocates: whatever C owns lies
 * in a box (a userdata with __gc) before that can happen. Everything else a binding
 * hands to the engine lies in Lua's own strings, kept on the stack during the call.
 *
 * Arguments are read raw: no metamethod runs. But whatever allocates may run
 * finalizers, and those may do anything: close the store, fill the very table that is
 * being read. So whether an object is open is looked at after the last allocation
 * before it is used, and a table that was counted is read no further than that. */
#ifndef CAIRN_LUA_SUPPORT_H
#define CAIRN_LUA_SUPPORT_H

#include <lauxlib.h>
#include <lua.h>

#include "cairn/cairn.h"

/* Pushes nil, message, code; returns 3. */
int cairn_lua_fail(lua_State *L, enum cairn_status status,
                   const struct cairn_error *error);

/* The status that a word is; CAIRN_UNAVAILABLE for NULL and what is none. */
enum cairn_status cairn_lua_status(const char *word);

/* What Lua calls it: "simple", "composite", "link". */
const char *cairn_lua_kind(enum cairn_kind kind);

/* A string and nothing that converts to one. */
struct cairn_slice cairn_lua_bytes(lua_State *L, int index, const char *name);

/* Other arguments, by name. */
void cairn_lua_function(lua_State *L, int index, const char *name);
void cairn_lua_table(lua_State *L, int index, const char *name);
int64_t cairn_lua_count(lua_State *L, int index, const char *name, int64_t most);

/* A path: a string, or a list of paths, which is replaced at `index` by one string. */
struct cairn_slice cairn_lua_path(lua_State *L, int index, const char *name);
/* The same for a path that lies at `slot` and came in the argument at `index`. */
struct cairn_slice cairn_lua_path_in(lua_State *L, int slot, int index,
                                     const char *name);

/* An empty cairn_bytes that Lua frees; pushed. */
struct cairn_bytes *cairn_lua_newbytes(lua_State *L);

/* Pushes table[name], raw; returns its type. */
int cairn_lua_field(lua_State *L, int table, const char *name);

/* Raises unless `index` is a table (or nothing: then false is returned) whose keys are
 * all in `known`, a NULL-terminated list. */
bool cairn_lua_options(lua_State *L, int index, const char *const known[]);

/* Fields of an options table: what is not there leaves `*out` alone. */
void cairn_lua_boolean(lua_State *L, int index, const char *name, bool *out);
void cairn_lua_integer(lua_State *L, int index, const char *name, int64_t *out);
/* Pushes the string (nil if it is not there), so that it stays. */
bool cairn_lua_string(lua_State *L, int index, const char *name,
                      struct cairn_slice *out);

/* Metadata: from the table at `index` to its encoding, pushed as a string; and back. */
struct cairn_slice cairn_lua_to_metadata(lua_State *L, int index);
/* Pushes a table; CAIRN_CORRUPT (nothing pushed) if the bytes are no metadata. */
enum cairn_status cairn_lua_push_metadata(lua_State *L, struct cairn_slice metadata,
                                          struct cairn_error *error);

/* Makes a metatable from methods and metamethods, with __index and __name set. It is
 * upvalue 1 of every method, see cairn_lua_self. */
void cairn_lua_class(lua_State *L, const char *name, const luaL_Reg *methods,
                     const luaL_Reg *metamethods);

/* The object that a method was called on: luaL_checkudata(L, 1, name) without looking
 * the name up in the registry, which a hot method would spend a tenth of its time on.
 */
static inline void *cairn_lua_self(lua_State *L, const char *name) {
    if (lua_getmetatable(L, 1)) {
        int same = lua_rawequal(L, -1, lua_upvalueindex(1));
        lua_pop(L, 1);
        if (same)
            return lua_touserdata(L, 1);
    }
    return luaL_checkudata(L, 1, name); /* says what is wrong */
}

static inline void cairn_lua_push(lua_State *L, struct cairn_slice bytes) {
    lua_pushlstring(L, bytes.size ? bytes.data : "", bytes.size);
}

#endif
