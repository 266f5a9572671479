/* lua_wait.c -- suspending workers, and what they wait for. */
#include "lua_wait.h"

#include <time.h>

#include "lua_worker.h"

/* -- Suspending -------------------------------------------------------------------- */

bool lua_wait_can(lua_State *L) {
    const struct worker_state *state = worker_state_current();
    return state && state->current && sandbox_can_suspend(L);
}

void lua_wait_check(lua_State *L, const char *what) {
    if (cairn_loop_current() && !lua_wait_can(L))
        luaL_error(L,
                   "cannot wait for %s here: no worker can be suspended within a "
                   "metamethod, an iterator or a comparison that C calls",
                   what);
}

void lua_wait_begin(lua_State *L, struct lua_wait *wait) {
    (void)L;
    wait->worker = cairn_worker_retain(worker_state_current()->current);
    atomic_store_explicit(&wait->is_over, false, memory_order_relaxed);
}

int lua_wait_suspend(lua_State *L, struct lua_wait *wait, lua_KContext context,
                     lua_KFunction k) {
    struct lua_worker *own = cairn_worker_room(worker_state_current()->current);
    own->wait = wait;
    return sandbox_suspend(L, context, k);
}

void lua_wait_abandon(struct lua_wait *wait) {
    cairn_worker_release(wait->worker);
    wait->worker = NULL;
}

/* Once it is said to be over, the worker may go on by itself and free what we are in.
 */
void lua_wait_over(struct lua_wait *wait) {
    struct cairn_worker *worker = wait->worker;
    atomic_store_explicit(&wait->is_over, true, memory_order_release);
    cairn_worker_wake(worker);
    cairn_worker_release(worker);
}

/* -- Calls that block -------------------------------------------------------------- */

static struct lua_job *job_of(struct cairn_offload *offload) {
    return (struct lua_job *)((char *)offload - offsetof(struct lua_job, offload));
}

static void run_away(struct cairn_offload *offload) {
    struct lua_job *job = job_of(offload);
    job->run(job);
}

static void come_back(struct cairn_offload *offload, struct cairn_loop *loop) {
    (void)loop;
    lua_wait_over(&job_of(offload)->wait);
}

int lua_job_run_away(lua_State *L, struct lua_job *job, lua_KContext context,
                     lua_KFunction k) {
    job->offload = (struct cairn_offload){.run = run_away, .done = come_back};
    job->wait.leave = NULL;
    lua_wait_begin(L, &job->wait);
    cairn_loop_offload(cairn_loop_current(), &job->offload);
    return lua_wait_suspend(L, &job->wait, context, k);
}

/* -- Sleeping ---------------------------------------------------------------------- */

struct sleeping {
    struct lua_wait wait;
    struct cairn_timer timer;
};

static struct sleeping *sleeping_of(struct cairn_timer *timer) {
    return (struct sleeping *)((char *)timer - offsetof(struct sleeping, timer));
}

static void wake_up(struct cairn_timer *timer, struct cairn_loop *loop) {
    (void)loop;
    lua_wait_over(&sleeping_of(timer)->wait);
}

/* On the loop, as whoever gives a worker up. */
static bool leave_bed(struct lua_wait *wait) {
    struct sleeping *sleeping = (struct sleeping *)wait;
    cairn_loop_clear_timer(cairn_loop_current(), &sleeping->timer);
    return true;
}

static int slept(lua_State *L, int status, lua_KContext context) {
    (void)L, (void)status, (void)context;
    return 0;
}

static int sleep_suspended(lua_State *L, int64_t ms) {
    struct cairn_loop *loop = cairn_loop_current();
    struct cairn_error error;
    struct sleeping *sleeping = lua_newuserdatauv(L, sizeof *sleeping, 0);
    *sleeping = (struct sleeping){.wait.leave = leave_bed, .timer.fire = wake_up};
    int64_t now = cairn_loop_now_ms(loop);
    int64_t until = ms > INT64_MAX - now ? INT64_MAX : now + ms;
    lua_wait_begin(L, &sleeping->wait);
    if (cairn_loop_set_timer(loop, &sleeping->timer, until, &error)) {
        lua_wait_abandon(&sleeping->wait);
        return luaL_error(L, "cairn.sleep: %s", error.message);
    }
    return lua_wait_suspend(L, &sleeping->wait, 0, slept);
}

int cairn_lua_sleep(lua_State *L) {
    int64_t ms = cairn_lua_count(L, 1, "ms", INT64_MAX);
    lua_wait_check(L, "time to pass");
    if (lua_wait_can(L))
        return sleep_suspended(L, ms);
    struct timespec rest = {.tv_sec = (time_t)(ms / 1000),
                            .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&rest, &rest) != 0)
        ;
    return 0;
}
