/* lua_resolve_compute.c -- the function of a call of cache:resolve is run, and may be
 * suspended; what it came to is ended. */
#include "lua_resolve_inner.h"

#include <string.h>

/* -- Steps away from the loop ------------------------------------------------------ */

bool resolve_copy(struct lua_resolving *resolving, size_t at,
                  const struct cairn_value *value) {
    resolving->status =
        cairn_parcel_new(value, &resolving->parcels[at], &resolving->error);
    return !resolving->status;
}

static void run(struct lua_job *job) {
    struct lua_resolving *resolving = (struct lua_resolving *)job;
    cairn_actor before = cairn_actor_enter(resolving->self);
    resolving->make(resolving);
    cairn_actor_enter(before);
}

int resolve_go_away(lua_State *L, struct lua_resolving *resolving,
                    void (*step)(struct lua_resolving *resolving), lua_KFunction k) {
    resolving->job.run = run;
    resolving->make = step;
    resolving->self = cairn_actor_self();
    resolving->is_away = true;
    return lua_job_run(L, &resolving->job, true, (lua_KContext)resolving, k);
}

bool resolve_is_far(lua_State *L, const struct lua_resolving *resolving) {
    return lua_job_is_away(L, chain_is_far(resolving->ref->chain, resolving->context));
}

/* -- Computing --------------------------------------------------------------------- */

static void push_party(lua_State *L, struct cairn_party party) {
    if (party.message)
        cairn_lua_push_value(L, party.message);
    else
        cairn_lua_push(L, party.id);
}

/* nil, message, code: what the function says of its failure. */
static enum cairn_status refused(lua_State *L, struct cairn_error *error) {
    const char *message =
        lua_isstring(L, RESULT + 1) ? lua_tostring(L, RESULT + 1) : NULL;
    const char *word = lua_isstring(L, RESULT + 2) ? lua_tostring(L, RESULT + 2) : NULL;
    return cairn_fail(error, cairn_lua_status(word), "%s",
                      message ? message
                              : "the computation gave nothing, and no reason");
}

/* Raised again by resolve, unless something stale helps. Who waits hears of it. */
static enum cairn_status raised(lua_State *L, struct lua_resolving *resolving) {
    const char *what =
        lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error";
    lua_copy(L, -1, RESULT);
    resolving->raised = true;
    return cairn_fail(&resolving->error, CAIRN_LEADER_DIED,
                      "the computation raised: %s", what);
}

/* Runs protected: resolving, the value. */
static int to_tree(lua_State *L) {
    struct lua_resolving *resolving = lua_touserdata(L, 1);
    int type = lua_type(L, 2);
    if (type != LUA_TTABLE && type != LUA_TSTRING)
        return luaL_error(L, "compute: returned a %s; a message or a string expected",
                          luaL_typename(L, 2));
    resolving->work.reading.value = cairn_lua_to_value(L, 2, "what compute returned",
                                                       &resolving->work.reading.arena);
    return 0;
}

/* What the function came to. */
static enum cairn_status take_result(lua_State *L, struct lua_resolving *resolving,
                                     bool failed) {
    if (failed)
        return raised(L, resolving);
    if (lua_isnil(L, RESULT))
        return refused(L, &resolving->error);
    lua_pushcfunction(L, to_tree);
    lua_pushlightuserdata(L, resolving);
    lua_pushvalue(L, RESULT);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        return raised(L, resolving);
    resolving->computed = true;
    return CAIRN_OK;
}

static void end(struct lua_resolving *resolving) {
    resolving->status = cairn_resolution_end(resolving->resolution, resolving->status,
                                             &resolving->work.reading, &resolving->info,
                                             &resolving->error);
}

static int ended(lua_State *L, int status, lua_KContext context) {
    struct lua_resolving *resolving = (struct lua_resolving *)context;
    (void)status;
    resolving->is_away = false;
    return resolve_finish(L, resolving);
}

static int computed(lua_State *L, int status, lua_KContext context) {
    struct lua_resolving *resolving = (struct lua_resolving *)context;
    struct cairn_value *result = &resolving->work.reading.value;
    resolving->status =
        take_result(L, resolving, status != LUA_OK && status != LUA_YIELD);
    lua_settop(L, RESULT);
    if (!resolving->status && resolve_is_far(L, resolving)) {
        if (resolve_copy(resolving, 0, result)) {
            *result = resolving->parcels[0]->value;
            return resolve_go_away(L, resolving, end, ended);
        }
        resolving->computed = false;
    }
    end(resolving);
    return resolve_finish(L, resolving);
}

/* The worker that computes is ending. Nobody is told what is not known yet: a step that
 * is made away from the loop lands by itself. */
static void abandon(struct lua_lead *lead, const char *why) {
    struct lua_resolving *resolving =
        (struct lua_resolving *)((char *)lead - offsetof(struct lua_resolving, lead));
    if (!resolving->is_away)
        cairn_resolution_abandon(resolving->resolution, why);
}

int resolve_compute(lua_State *L, struct lua_resolving *resolving) {
    resolving_take_along(L, resolving);
    lua_settop(L, CALL);
    resolving->lead.abandon = abandon;
    lua_lead_begin(&resolving->lead);
    lua_pushvalue(L, COMPUTE);
    push_party(L, cairn_resolution_base(resolving->resolution));
    push_party(L, cairn_resolution_request(resolving->resolution));
    resolving_drop_arguments(resolving);
    int status = lua_pcallk(L, 2, 3, 0, (lua_KContext)resolving, computed);
    return computed(L, status, (lua_KContext)resolving);
}
