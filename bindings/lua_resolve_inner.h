/* lua_resolve_inner.h -- what the files that make up cache:resolve share. */
#ifndef CAIRN_LUA_RESOLVE_INNER_H
#define CAIRN_LUA_RESOLVE_INNER_H

#include "lua_cache_inner.h"
#include "lua_wait.h"
#include "lua_worker.h"

/* What is where on the stack of a call. */
enum {
    CACHE = 1,
    BASE,
    REQUEST,
    COMPUTE,
    OPTIONS,
    GUARD, /* or nil */
    CALL,  /* the circumstances, or nil */
    RESULT /* what the function gave, or raised; before: directives */
};

struct lua_resolving {
    struct lua_job job; /* a step that is made away from the loop */
    void (*make)(struct lua_resolving *resolving);
    struct cache_ref *ref;
    struct cairn_resolution *resolution;

    /* What the call was given. */
    struct lua_call *call;
    const struct cairn_context *context;
    struct cairn_resolve_options options;
    struct cairn_directives node;
    struct cairn_value rooms[2];
    struct cairn_party base, request;
    struct cairn_parcel *parcels[2]; /* of what is used away from the loop */
    struct lua_work work;            /* trees; what was read or computed */
    cairn_actor self;

    /* What came of it. */
    enum cairn_status status;
    enum cairn_step step;
    struct cairn_error error;
    struct cairn_resolved info;
    bool computes;         /* there is a function */
    bool raised, computed; /* what is at RESULT is the error; or the answer */

    bool is_orphan; /* its object was closed while it was in use */
    bool is_closed; /* the guard's slot is to be */
    bool is_away;
    struct lua_lead lead;

    /* Waiting for who computes already. */
    struct lua_wait wait;
    struct cairn_waiter waiter;
    struct cairn_timer timer;
    struct cairn_loop *loop;
    struct cairn_landing landing; /* holds its parcel */
};

/* -- lua_resolving.c: what a call works with --------------------------------------- */

/* The object's, or one of its own, with its guard. */
struct lua_resolving *resolving_take(lua_State *L, struct cache_box *box);
/* From here on the call may be suspended. */
void resolving_take_along(lua_State *L, struct lua_resolving *resolving);
/* What it worked with is free for the next. */
void resolving_put_back(lua_State *L, struct lua_resolving *resolving);
void resolving_clear(struct lua_resolving *resolving);
/* What the call was given is not looked at again. */
void resolving_drop_arguments(struct lua_resolving *resolving);

/* -- lua_resolve.c: the call, and what it tells ------------------------------------ */

int resolve_start_again(lua_State *L, struct lua_resolving *resolving);
int resolve_finish(lua_State *L, struct lua_resolving *resolving);

/* -- lua_resolve_compute.c --------------------------------------------------------- */

/* Whether the chain's members are not all here, and the call can leave its loop. */
bool resolve_is_far(lua_State *L, const struct lua_resolving *resolving);
/* Others may change a message meanwhile: what is used of it is a copy. False: not
 * enough memory, or too large; the status says. */
bool resolve_copy(struct lua_resolving *resolving, size_t at,
                  const struct cairn_value *value);
/* Makes a step on a thread that may block, as whoever asked. */
int resolve_go_away(lua_State *L, struct lua_resolving *resolving,
                    void (*step)(struct lua_resolving *resolving), lua_KFunction k);
int resolve_compute(lua_State *L, struct lua_resolving *resolving);

/* -- lua_resolve_wait.c: for who computes already ---------------------------------- */

int resolve_wait(lua_State *L, struct lua_resolving *resolving);

#endif
