/* lua_wait.h -- calls that take their time: in a worker they suspend it, elsewhere they
 * block.
 *
 * A binding that may wait does so as its last step: what it needs lies in a userdata on
 * its stack, and what comes after is a continuation. A worker that is killed meanwhile
 * keeps its stack until nothing of it is used any more. */
#ifndef CAIRN_LUA_WAIT_H
#define CAIRN_LUA_WAIT_H

#include "cairn/worker.h"
#include "lua_support.h"

/* First in the userdata of what is waited for; zeroed before its first use. */
struct lua_wait {
    struct cairn_worker *worker; /* retained while it waits */
    atomic_bool is_over;
    /* Stops waiting from outside: true, it will not be over any more; false: it will
     * be.
     */
    bool (*leave)(struct lua_wait *wait);
};

/* Whether this call is a worker's, who can be suspended here. */
bool lua_wait_can(lua_State *L);
/* Raises if this is a loop's thread, where nobody may block: within a metamethod, the
 * comparison of table.sort, an iterator in C. `what` the caller is about to wait for.
 */
void lua_wait_check(lua_State *L, const char *what);

/* In a worker that can be suspended: before something is begun that calls
 * lua_wait_over; then suspending it until that was called. `k` gets `context`. */
void lua_wait_begin(lua_State *L, struct lua_wait *wait);
int lua_wait_suspend(lua_State *L, struct lua_wait *wait, lua_KContext context,
                     lua_KFunction k);
/* What was begun is not to be waited for: it failed at once. */
void lua_wait_abandon(struct lua_wait *wait);
/* Any thread, once: the worker goes on. */
void lua_wait_over(struct lua_wait *wait);

/* A call into the engine that may block, in a userdata that stays on the stack. */
struct lua_job {
    struct lua_wait wait;
    struct cairn_offload offload;
    void (*run)(struct lua_job *job); /* touches no Lua */
};

static inline bool lua_job_is_away(lua_State *L, bool is_slow) {
    return is_slow && lua_wait_can(L);
}

/* Runs it on a thread that may block, while the worker is suspended. */
int lua_job_run_away(lua_State *L, struct lua_job *job, lua_KContext context,
                     lua_KFunction k);

/* Runs it: on a thread that may block, while the worker is suspended, if `is_slow` and
 * there is a worker that can be; else here. Then `k`, as by lua_callk. What `run` reads
 * of Lua's strings must stay on the stack; tables may be changed by others meanwhile,
 * so a message is copied before (cairn_parcel_new), if lua_job_is_away says so. */
static inline int lua_job_run(lua_State *L, struct lua_job *job, bool is_slow,
                              lua_KContext context, lua_KFunction k) {
    if (lua_job_is_away(L, is_slow))
        return lua_job_run_away(L, job, context, k);
    job->run(job);
    return k(L, LUA_OK, context);
}

int cairn_lua_sleep(lua_State *L); /* cairn.sleep(ms) */

#endif
