/* lua_cache.h -- `cairn.cache`. */
#ifndef CAIRN_LUA_CACHE_H
#define CAIRN_LUA_CACHE_H

#include "lua_support.h"

/* What a call works with: parsed arguments, and what it read. One lies in each cache
 * object, for most calls do not nest; a call within a call (from a computation, or a
 * finalizer) makes its own. */
struct lua_work;

/* Makes the metatable, and cairn.cache in the module at the top of the stack. */
void cairn_lua_init_cache(lua_State *L);

#endif
