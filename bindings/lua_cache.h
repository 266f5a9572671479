/* lua_cache.h -- `cairn.cache`. */
#ifndef CAIRN_LUA_CACHE_H
#define CAIRN_LUA_CACHE_H

#include "lua_support.h"

struct cairn_cache;

/* An open cache with what it needs, shared by objects in any number of Lua states:
 * closed when the last lets go. Counted atomically. */
struct cache_ref;

/* The cache at `index`; raises if it is none, or closed. */
struct cache_ref *cairn_lua_checkcache(lua_State *L, int index);
void cairn_lua_retain_cache(struct cache_ref *ref);
void cairn_lua_release_cache(struct cache_ref *ref); /* NULL is fine */
/* Pushes an object for it, in this state; retains. */
void cairn_lua_push_cache(lua_State *L, struct cache_ref *ref);

/* What a call works with: parsed arguments, and what it read. One lies in each cache
 * object, for most calls do not nest; a call within a call (from a computation, or a
 * finalizer) makes its own. */
struct lua_work;

/* Makes the metatable, and cairn.cache in the module at the top of the stack. */
void cairn_lua_init_cache(lua_State *L);

#endif
