/* worker_run.c -- the kind of worker that runs Lua: each request is a coroutine of its
 * loop's state, which has its turns until it is over.
 *
 * What is handed to the coroutine is a worker as a light userdata; everything that can
 * fail for want of memory, or raise, happens in it. A coroutine that is done is used
 * again. */
#include "lua_worker.h"

#include "lua_value.h"
#include "lua_wait.h"

static struct worker_state *state_of(struct cairn_worker *worker) {
    return cairn_loop_data(cairn_worker_loop(worker));
}

/* -- Coroutines -------------------------------------------------------------------- */

/* Protected: pushes a coroutine that was not used before. */
static int new_thread(lua_State *L) {
    lua_newthread(L);
    lua_pushinteger(L, luaL_ref(L, LUA_REGISTRYINDEX));
    return 1;
}

static bool take_thread(struct worker_state *state, struct lua_worker *own) {
    lua_State *L = state->L;
    if (state->thread_count) {
        own->thread = state->threads[--state->thread_count];
    } else {
        lua_pushcfunction(L, new_thread);
        bool made = lua_pcall(L, 0, 1, 0) == LUA_OK;
        own->thread = made ? (int)lua_tointeger(L, -1) : 0;
        lua_pop(L, 1);
        if (!made)
            return false;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, own->thread);
    own->co = lua_tothread(L, -1);
    lua_pop(L, 1);
    return true;
}

static void drop_thread(struct worker_state *state, struct lua_worker *own,
                        bool is_fit) {
    if (is_fit && state->thread_count < sizeof state->threads / sizeof(int))
        state->threads[state->thread_count++] = own->thread;
    else
        luaL_unref(state->L, LUA_REGISTRYINDEX, own->thread);
    own->thread = 0;
    own->co = NULL;
}

/* -- What the coroutines begin with ------------------------------------------------ */

/* Pushes the worker's table, made for its first turn. */
static void push_own(lua_State *L, struct lua_worker *own) {
    if (own->own) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, own->own);
        return;
    }
    lua_createtable(L, 0, 6);
    lua_pushvalue(L, -1);
    own->own = luaL_ref(L, LUA_REGISTRYINDEX);
}

static int over(lua_State *L, int status, lua_KContext context) {
    (void)L, (void)status, (void)context;
    return 0;
}

/* worker.serve(own, is_outdated, request) */
static int begin_request(lua_State *L) {
    struct cairn_worker *worker = lua_touserdata(L, 1);
    struct lua_worker *own = cairn_worker_room(worker);
    const struct cairn_request *request = cairn_worker_request(worker);
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, state_of(worker)->serve);
    push_own(L, own);
    lua_pushboolean(L, own->serial != handler_serial(own->handler));
    if (request->body)
        cairn_lua_push_value(L, &request->body->value);
    else
        lua_pushnil(L);
    lua_callk(L, 3, 0, 0, over);
    return over(L, LUA_OK, 0);
}

/* worker.stop(own, why) */
static int begin_stop(lua_State *L) {
    struct cairn_worker *worker = lua_touserdata(L, 1);
    struct lua_worker *own = cairn_worker_room(worker);
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, state_of(worker)->stop);
    push_own(L, own);
    lua_pushstring(L, cairn_end_word(own->why));
    lua_callk(L, 2, 0, 0, over);
    return over(L, LUA_OK, 0);
}

/* -- Leading ----------------------------------------------------------------------- */

void lua_lead_begin(struct lua_lead *lead) {
    struct worker_state *state = worker_state_current();
    lead->link = NULL;
    if (!state || !state->current)
        return;
    struct lua_worker *own = cairn_worker_room(state->current);
    lead->next = own->leads;
    lead->link = &own->leads;
    if (lead->next)
        lead->next->link = &lead->next;
    own->leads = lead;
}

void lua_lead_end(struct lua_lead *lead) {
    if (!lead->link)
        return;
    *lead->link = lead->next;
    if (lead->next)
        lead->next->link = lead->link;
    lead->link = NULL;
}

void worker_abandon_leads(struct lua_worker *own, const char *why) {
    while (own->leads) {
        struct lua_lead *lead = own->leads;
        lua_lead_end(lead);
        lead->abandon(lead, why);
    }
}

/* -- Turns ------------------------------------------------------------------------- */

static void account(struct cairn_worker *worker, struct lua_worker *own) {
    own->bytes += own->account.bytes;
    own->account = (struct sandbox_account){0};
    if (own->bytes < 0)
        own->bytes = 0;
    cairn_worker_note_memory(worker, own->bytes);
}

/* Who sends is told nothing, and the end of a worker is news for others than who asked.
 */
static void log_failure(struct cairn_worker *worker, bool ends,
                        const struct cairn_error *error) {
    const struct lua_worker *own = cairn_worker_room(worker);
    const struct cairn_request *request = cairn_worker_request(worker);
    struct cairn_worker_facts facts;
    struct cairn_error told;
    char room[1024];
    if (!ends && request && request->waits)
        return;
    cairn_worker_facts(worker, &facts, room);
    cairn_fail(&told, CAIRN_UNAVAILABLE, "%s (in '%.*s')", error->message,
               (int)facts.group.size, facts.group.data);
    workers_report(own->ref, ends ? "broken" : "failed",
                   handler_name(own->handler).data, "", told.message);
}

static enum cairn_turn fail(struct cairn_worker *worker, enum cairn_status status,
                            const struct cairn_error *error) {
    struct lua_worker *own = cairn_worker_room(worker);
    bool is_breach = status == CAIRN_LIMIT || status == CAIRN_NO_MEMORY;
    bool ends = is_breach || own->gave_up || own->strategy == WORKER_THROW;
    worker_abandon_leads(own, error->message);
    log_failure(worker, ends, error);
    if (ends) {
        cairn_worker_break(worker, own->gave_up ? own->gave_up : CAIRN_LEADER_DIED,
                           error);
        return CAIRN_TURN_ENDS;
    }
    const struct cairn_landing landing = {.status = CAIRN_UNAVAILABLE, .error = *error};
    if (cairn_worker_request(worker))
        cairn_worker_answer(worker, &landing);
    return CAIRN_TURN_OVER;
}

/* Whoever asked is told, also if the handler's own Lua forgot to. */
static enum cairn_turn be_done(struct cairn_worker *worker) {
    const struct cairn_landing nothing = {.status = CAIRN_OK};
    if (cairn_worker_request(worker))
        cairn_worker_answer(worker, &nothing);
    return CAIRN_TURN_OVER;
}

static enum cairn_turn take_turn(struct cairn_worker *worker, int arguments) {
    struct worker_state *state = state_of(worker);
    struct lua_worker *own = cairn_worker_room(worker);
    const struct sandbox_bounds bounds = {own->bounds.steps, own->bounds.memory_bytes,
                                          own->bounds.slice_ns};
    struct cairn_error error;
    enum cairn_status status = CAIRN_OK;
    int results = 0;
    state->current = worker;
    enum sandbox_turn turn = sandbox_turn(state->sandbox, own->co, arguments, &bounds,
                                          &own->account, &results, &status, &error);
    state->current = NULL;
    if (turn == SANDBOX_WAITS)
        return CAIRN_TURN_WAITS;
    if (turn == SANDBOX_PREEMPTED)
        return CAIRN_TURN_USED_UP;
    if (turn == SANDBOX_DONE)
        lua_pop(own->co, results);
    drop_thread(state, own, turn == SANDBOX_DONE);
    account(worker, own);
    return turn == SANDBOX_DONE ? be_done(worker) : fail(worker, status, &error);
}

static enum cairn_turn begin(struct cairn_worker *worker, lua_CFunction function) {
    struct worker_state *state = state_of(worker);
    struct lua_worker *own = cairn_worker_room(worker);
    struct cairn_error error;
    own->account = (struct sandbox_account){0};
    if (!take_thread(state, own) || !lua_checkstack(own->co, 8)) {
        if (own->thread)
            drop_thread(state, own, false);
        return fail(
            worker, CAIRN_NO_MEMORY,
            (cairn_fail(&error, CAIRN_NO_MEMORY, "no memory for a request"), &error));
    }
    lua_pushcfunction(own->co, function);
    lua_pushlightuserdata(own->co, worker);
    return take_turn(worker, 1);
}

static enum cairn_turn serve(struct cairn_worker *worker,
                             struct cairn_request *request) {
    (void)request;
    return begin(worker, begin_request);
}

static enum cairn_turn resume(struct cairn_worker *worker) {
    struct lua_worker *own = cairn_worker_room(worker);
    if (own->wait) {
        if (!atomic_load_explicit(&own->wait->is_over, memory_order_acquire))
            return CAIRN_TURN_WAITS;
        own->wait = NULL;
    }
    if (own->is_renewed)
        account(worker, own);
    own->is_renewed = false;
    return take_turn(worker, 0);
}

/* Nothing is stopped that never began. */
static enum cairn_turn stop(struct cairn_worker *worker, enum cairn_end why) {
    struct lua_worker *own = cairn_worker_room(worker);
    own->why = why;
    return own->has_begun ? begin(worker, begin_stop) : CAIRN_TURN_OVER;
}

/* What a wait lies in is used until it is over, or was left. */
static bool give_up(struct cairn_worker *worker) {
    struct worker_state *state = state_of(worker);
    struct lua_worker *own = cairn_worker_room(worker);
    struct lua_wait *wait = own->wait;
    if (!own->co)
        return true;
    if (wait && !atomic_load_explicit(&wait->is_over, memory_order_acquire)) {
        if (!wait->leave || !wait->leave(wait))
            return false;
        lua_wait_abandon(wait);
    }
    own->wait = NULL;
    worker_abandon_leads(own, "the worker that computed it was ended");
    state->current = worker;
    sandbox_close_thread(state->sandbox, own->co);
    state->current = NULL;
    drop_thread(state, own, false);
    return true;
}

static void free_room(struct cairn_worker *worker) {
    struct lua_worker *own = cairn_worker_room(worker);
    struct worker_state *state = worker_state_current();
    if (state && own->own)
        luaL_unref(state->L, LUA_REGISTRYINDEX, own->own);
    if (state)
        cairn_loop_clear_timer(cairn_loop_current(), &own->timer);
    own->own = 0;
    worker_abandon_leads(own, "the worker that was to compute it has ended");
    handler_release(own->handler);
    cairn_parcel_release(own->message);
    cairn_parcel_release(own->durable);
}

const struct cairn_worker_kind lua_worker_kind = {
    .room = sizeof(struct lua_worker),
    .serve = serve,
    .resume = resume,
    .stop = stop,
    .give_up = give_up,
    .free = free_room,
};
