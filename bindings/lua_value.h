/* lua_value.h -- messages as Lua tables, and back. */
#ifndef CAIRN_LUA_VALUE_H
#define CAIRN_LUA_VALUE_H

#include "cairn/message.h"
#include "lua_support.h"

/* An arena that Lua frees; pushed. */
struct cairn_arena *cairn_lua_newarena(lua_State *L);

/* Empties the arena at `index`, which is not used again, and keeps it for the next
 * call: a fresh one costs as much as the id of a small message. */
void cairn_lua_freearena(lua_State *L, int index);

/* The value at `index` as a tree. Raises for what is no value (a function, a key that
 * is not a string, a table that is both list and message, more than CAIRN_MESSAGE_DEPTH
 * levels, a cycle), naming the key. Strings are borrowed: the value at `index` must
 * stay and must not be changed. */
struct cairn_value cairn_lua_to_value(lua_State *L, int index, const char *name,
                                      struct cairn_arena *arena);

/* Pushes the value. Lists are marked as cairn.list does. */
void cairn_lua_push_value(lua_State *L, const struct cairn_value *value);

/* cairn.null, cairn.atom, cairn.list, cairn.kind, and the functions on messages, into
 * the module at the top of the stack. */
void cairn_lua_init_value(lua_State *L);
void cairn_lua_init_message(lua_State *L);

#endif
