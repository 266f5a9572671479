/* lua_resolving.c -- what a call of cache:resolve works with.
 *
 * A call that is answered at once uses what its cache object has for that. One that
 * computes, waits or leaves its loop takes this along, in a guard on its stack, and the
 * next call makes its own: it may be suspended there, in a worker or in a coroutine of
 * the program. The guard's slot is to be closed, so however the call ends, nobody waits
 * for it in vain. */
#include "lua_resolve_inner.h"

#include <stdlib.h>

#define GUARD_TYPE "cairn.cache.resolving"

struct guard {
    struct lua_resolving *resolving; /* owned; NULL: over */
    struct cache_box *box;           /* kept by the user value */
};

/* -- What a call works with -------------------------------------------------------- */

static void let_go(struct cairn_parcel **parcel) {
    if (*parcel)
        cairn_parcel_release(*parcel);
    *parcel = NULL;
}

void resolving_clear(struct lua_resolving *resolving) {
    cache_work_clear(&resolving->work);
    resolving->work.busy = false;
    let_go(&resolving->parcels[0]);
    let_go(&resolving->parcels[1]);
    let_go(&resolving->landing.parcel);
}

void resolving_drop_arguments(struct lua_resolving *resolving) {
    cairn_arena_free(&resolving->work.arena);
    cairn_arena_init(&resolving->work.arena);
    let_go(&resolving->parcels[0]);
    let_go(&resolving->parcels[1]);
}

static void resolving_free(struct lua_resolving *resolving) {
    resolving_clear(resolving);
    cairn_resolution_free(resolving->resolution);
    cairn_lua_release_cache(resolving->ref);
    free(resolving);
}

static struct lua_resolving *resolving_new(lua_State *L, const struct cache_box *box) {
    struct cairn_error error;
    struct lua_resolving *resolving = calloc(1, sizeof *resolving);
    if (resolving && cairn_resolution_new(box->cache, &resolving->resolution, &error)) {
        free(resolving);
        resolving = NULL;
    }
    if (!resolving)
        luaL_error(L, "not enough memory");
    cairn_arena_init(&resolving->work.arena);
    resolving->ref = box->ref;
    cairn_lua_retain_cache(resolving->ref);
    return resolving;
}

void cache_drop_resolving(struct lua_resolving *resolving) {
    if (!resolving)
        return;
    if (resolving->work.busy)
        resolving->is_orphan = true;
    else
        resolving_free(resolving);
}

/* -- Guards ------------------------------------------------------------------------ */

static void guard_end(struct guard *guard, const char *why) {
    struct lua_resolving *resolving = guard->resolving;
    struct cache_box *box = guard->box;
    if (!resolving)
        return;
    guard->resolving = NULL;
    if (resolving->timer.place) /* it was told, and killed before it heard of it */
        cairn_loop_clear_timer(resolving->loop, &resolving->timer);
    lua_lead_end(&resolving->lead);
    cairn_resolution_abandon(resolving->resolution, why);
    resolving_clear(resolving);
    if (resolving->is_closed)
        box->calls--;
    resolving->is_closed = false;
    if (box->cache && !box->resolving)
        box->resolving = resolving;
    else
        resolving_free(resolving);
}

static int guard_gc(lua_State *L) {
    guard_end(luaL_checkudata(L, 1, GUARD_TYPE), "it was collected");
    return 0;
}

static int guard_close(lua_State *L) {
    struct guard *guard = luaL_checkudata(L, 1, GUARD_TYPE);
    const char *why = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "it ended";
    guard_end(guard, why);
    return 0;
}

/* Pushes one that is empty. */
static struct guard *push_guard(lua_State *L, struct cache_box *box) {
    struct guard *guard = lua_newuserdatauv(L, sizeof *guard, 1);
    *guard = (struct guard){.box = box};
    luaL_setmetatable(L, GUARD_TYPE);
    lua_pushvalue(L, CACHE);
    lua_setiuservalue(L, -2, 1);
    return guard;
}

struct lua_resolving *resolving_take(lua_State *L, struct cache_box *box) {
    if (!box->resolving)
        box->resolving = resolving_new(L, box);
    struct lua_resolving *resolving = box->resolving;
    if (!resolving->work.busy) {
        resolving_clear(resolving); /* what a call that raised left behind */
        return resolving;
    }
    struct guard *guard = push_guard(L, box);
    lua_replace(L, GUARD);
    (void)opened(L, box);
    return guard->resolving = resolving_new(L, box);
}

void resolving_take_along(lua_State *L, struct lua_resolving *resolving) {
    struct cache_box *box = lua_touserdata(L, CACHE);
    if (lua_isnil(L, GUARD)) {
        resolving->work.busy = true;
        struct guard *guard = push_guard(L, box);
        guard->resolving = resolving;
        if (box->resolving == resolving)
            box->resolving = NULL;
        resolving->is_orphan = false;
        lua_replace(L, GUARD);
    }
    if (resolving->is_closed)
        return;
    lua_toclose(L, GUARD);
    resolving->is_closed = true;
    box->calls++;
}

void resolving_put_back(lua_State *L, struct lua_resolving *resolving) {
    struct guard *guard = lua_touserdata(L, GUARD);
    if (guard)
        guard_end(guard, "it ended");
    else if (resolving->is_orphan)
        resolving_free(resolving);
    else
        resolving_clear(resolving);
}

void cache_init_resolve(lua_State *L) {
    static const luaL_Reg metamethods[] = {
        {"__close", guard_close}, {"__gc", guard_gc}, {NULL, NULL}};
    if (luaL_newmetatable(L, GUARD_TYPE))
        luaL_setfuncs(L, metamethods, 0);
    lua_pop(L, 1);
}
