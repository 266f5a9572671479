/* lua_resolve_wait.c -- a call of cache:resolve waits for who computes the same: a
 * worker is suspended, elsewhere the thread blocks. */
#include "lua_resolve_inner.h"

static int landed(lua_State *L, struct lua_resolving *resolving) {
    resolving->status = cairn_resolution_landed(
        resolving->resolution, &resolving->landing, &resolving->work.reading,
        &resolving->info, &resolving->step, &resolving->error);
    cairn_parcel_release(resolving->landing.parcel);
    resolving->landing.parcel = NULL;
    return resolving->step == CAIRN_STEP_AGAIN ? resolve_start_again(L, resolving)
                                               : resolve_finish(L, resolving);
}

/* It cannot wait, or no longer. */
static void land_here(struct lua_resolving *resolving, enum cairn_status status) {
    resolving->landing.status = status;
    resolving->landing.parcel = NULL;
    resolving->landing.detail = 0;
}

static struct lua_resolving *resolving_of(struct cairn_waiter *waiter) {
    return (struct lua_resolving *)((char *)waiter -
                                    offsetof(struct lua_resolving, waiter));
}

static void be_told(struct cairn_waiter *waiter, const struct cairn_landing *landing) {
    struct lua_resolving *resolving = resolving_of(waiter);
    resolving->landing = *landing;
    cairn_parcel_retain(landing->parcel);
    lua_wait_over(&resolving->wait);
}

static bool leave(struct lua_wait *wait) {
    struct lua_resolving *resolving =
        (struct lua_resolving *)((char *)wait - offsetof(struct lua_resolving, wait));
    cairn_loop_clear_timer(resolving->loop, &resolving->timer);
    return cairn_flight_leave(cairn_resolution_flight(resolving->resolution),
                              &resolving->waiter);
}

/* Who cannot leave any more is being told. */
static void be_late(struct cairn_timer *timer, struct cairn_loop *loop) {
    struct lua_resolving *resolving =
        (struct lua_resolving *)((char *)timer - offsetof(struct lua_resolving, timer));
    struct cairn_flight *flight = cairn_resolution_flight(resolving->resolution);
    (void)loop;
    if (!cairn_flight_leave(flight, &resolving->waiter))
        return;
    land_here(resolving, cairn_fail(&resolving->landing.error, CAIRN_TIMEOUT,
                                    "who computes it has not come to an end in time"));
    lua_wait_over(&resolving->wait);
}

/* Without memory for a timer it waits all the same. */
static void set_timer(struct lua_resolving *resolving) {
    const struct cairn_context *context = resolving->context;
    if (!context || !context->deadline_ms)
        return;
    int64_t left = context->deadline_ms - cairn_context_now(context);
    int64_t now = cairn_loop_now_ms(resolving->loop);
    if (left < INT64_MAX - now)
        (void)cairn_loop_set_timer(resolving->loop, &resolving->timer,
                                   now + (left > 0 ? left : 0), NULL);
}

static int told(lua_State *L, int status, lua_KContext context) {
    struct lua_resolving *resolving = (struct lua_resolving *)context;
    (void)status;
    cairn_loop_clear_timer(resolving->loop, &resolving->timer);
    return landed(L, resolving);
}

static size_t waiters_most(const struct lua_resolving *resolving) {
    size_t most = resolving->options.waiters_most;
    return most ? most : CAIRN_WAITERS_MOST;
}

static int wait_suspended(lua_State *L, struct lua_resolving *resolving) {
    resolving_take_along(L, resolving);
    lua_settop(L, CALL);
    resolving->wait.leave = leave;
    resolving->waiter = (struct cairn_waiter){.landed = be_told};
    resolving->timer = (struct cairn_timer){.fire = be_late};
    resolving->loop = cairn_loop_current();
    lua_wait_begin(L, &resolving->wait);
    enum cairn_status status = cairn_flight_wait(
        cairn_resolution_flight(resolving->resolution), &resolving->waiter,
        cairn_actor_self(), waiters_most(resolving), &resolving->landing.error);
    if (status) {
        lua_wait_abandon(&resolving->wait);
        land_here(resolving, status);
        return landed(L, resolving);
    }
    set_timer(resolving);
    return lua_wait_suspend(L, &resolving->wait, (lua_KContext)resolving, told);
}

int resolve_wait(lua_State *L, struct lua_resolving *resolving) {
    struct cairn_landing *landing = &resolving->landing;
    if (lua_wait_can(L))
        return wait_suspended(L, resolving);
    lua_wait_check(L, "a computation");
    enum cairn_status status = cairn_flight_await(
        cairn_resolution_flight(resolving->resolution), resolving->context,
        cairn_actor_self(), waiters_most(resolving), landing, &landing->error);
    if (status)
        land_here(resolving, status);
    return landed(L, resolving);
}
