/* lua_cache_inner.h -- what the files that make up the class of caches share. */
#ifndef CAIRN_LUA_CACHE_INNER_H
#define CAIRN_LUA_CACHE_INNER_H

#include "cairn/cache.h"
#include "lua_cache.h"
#include "lua_chain.h"
#include "lua_context.h"
#include "lua_value.h"
#include "policy_host.h"

#define CACHE_TYPE "cairn.Cache"

/* User values of a cache object: what belongs to it in Lua, and the clock's object,
 * which keeps the clock whatever a finalizer closes while a call collects its
 * arguments. */
enum { CACHE_OWN = 1, CACHE_CLOCK, CACHE_USER_VALUES = CACHE_CLOCK };

struct cache_ref {
    atomic_uint users;
    struct cairn_cache *cache;
    struct chain_ref *chain;              /* retained */
    struct policy_host *policies;         /* retained; NULL: nobody */
    struct lua_clock *clock;              /* retained; NULL: the system's */
    const char *members[CAIRN_CHAIN_MAX]; /* names; live as long as the chain */
};

struct lua_work {
    struct cairn_arena arena;
    struct cairn_reading reading;
    bool busy, has_reading;
};

struct lua_resolving;

struct cache_box {
    struct cache_ref *ref;     /* retained */
    struct cairn_cache *cache; /* the ref's, as what follows; NULL once closed */
    struct lua_clock *clock;
    const char *const *members;
    unsigned calls;        /* under way: closing waits for none, so it is refused */
    struct lua_work *work; /* owned; apart, for a userdata with user values is not
                              aligned for it */
    struct lua_resolving *resolving; /* owned: the same, of resolve; or NULL */
};

static inline struct cache_box *self(lua_State *L) {
    struct cache_box *box = cairn_lua_self(L, CACHE_TYPE);
    luaL_argcheck(L, box->cache, 1, "the cache is closed");
    return box;
}

/* After the last allocation before the cache is used. */
static inline struct cairn_cache *opened(lua_State *L, const struct cache_box *box) {
    luaL_argcheck(L, box->cache, 1, "the cache is closed");
    return box->cache;
}

/* -- Work -------------------------------------------------------------------------- */

void cache_work_clear(struct lua_work *work);

/* The object's, or one of its own; pushes one value that must stay during the call. */
struct lua_work *cache_take_work(lua_State *L, struct cache_box *box);

/* After a call into the engine that read something: what Lua does from here on must not
 * take the work away. */
static inline void hold_reading(struct lua_work *work) {
    work->has_reading = true;
    work->busy = true;
}

/* What was read, for Lua. */
static inline void push_reading(lua_State *L, struct lua_work *work) {
    cairn_lua_push_value(L, &work->reading.value);
    work->busy = false;
    cache_work_clear(work);
}

/* -- Arguments --------------------------------------------------------------------- */

/* A message, or bytes where those make sense, too. */
struct cairn_value cache_check_value(lua_State *L, int index, const char *name,
                                     struct lua_work *work);

/* A base or a request: a string is an id (or a path), a table a message. */
struct cairn_party cache_check_party(lua_State *L, int index, const char *name,
                                     struct lua_work *work, struct cairn_value *room);

static inline bool flag_of(lua_State *L, int options, const char *name) {
    bool set = false;
    if (lua_istable(L, options))
        cairn_lua_boolean(L, options, name, &set);
    return set;
}

static inline void set_integer(lua_State *L, const char *name, int64_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

/* -- lua_resolve.c ----------------------------------------------------------------- */

/* Directives in the field of an options table: a header line, or a list that becomes
 * one. Pushes one value that must stay. */
struct cairn_directives cache_check_directives(lua_State *L, int options,
                                               const char *name);

int cache_push_resolve(lua_State *L); /* core.resolve(remember, info class) */
void cache_drop_resolving(struct lua_resolving *resolving); /* NULL is fine */
void cache_init_resolve(lua_State *L); /* makes the metatable of guards */

/* -- lua_cache_calls.c ------------------------------------------------------------- */

int cache_delete(lua_State *L);
int cache_flush(lua_State *L);
int cache_link(lua_State *L);
int cache_purge(lua_State *L);
int cache_read(lua_State *L);
int cache_read_resolved(lua_State *L);
int cache_sweep(lua_State *L);
int cache_trim(lua_State *L);
int cache_write(lua_State *L);
int cache_write_binary(lua_State *L);
int cache_write_hashpath(lua_State *L);
void cache_init_calls(lua_State *L); /* makes the metatable of calls */

#endif
