/* lua_context.c -- the circumstances of a call, and clocks that are moved by hand.
 *
 * What happens during a call is told from whatever thread it happens on, so steps are
 * copied into C memory under a lock and become Lua tables when the call is over. */
#include "lua_context.h"

#include <pthread.h>
#include <stdlib.h>

#include "cairn/arena.h"
#include "cairn/policy.h"
#include "cairn/scheduler.h"

#define CLOCK_TYPE "cairn.Clock"
#define CALL_TYPE "cairn.call"

enum { STEPS_MAX = 4096 }; /* of one call; those beyond are only counted */

/* -- Clocks ----------------------------------------------------------------------- */

struct follower {
    struct follower *next;
    struct cairn_scheduler *scheduler;
};

struct lua_clock {
    atomic_uint users;
    _Atomic int64_t ms;
    pthread_mutex_t lock; /* of what follows */
    struct follower *followers;
};

static struct lua_clock *retain(struct lua_clock *clock) {
    atomic_fetch_add_explicit(&clock->users, 1, memory_order_relaxed);
    return clock;
}

void lua_clock_release(struct lua_clock *clock) {
    if (clock && atomic_fetch_sub(&clock->users, 1) == 1) {
        pthread_mutex_destroy(&clock->lock);
        free(clock);
    }
}

void lua_clock_follow(struct lua_clock *clock, struct cairn_scheduler *scheduler) {
    struct follower *follower = malloc(sizeof *follower);
    if (!follower)
        return;
    pthread_mutex_lock(&clock->lock);
    *follower = (struct follower){clock->followers, scheduler};
    clock->followers = follower;
    pthread_mutex_unlock(&clock->lock);
}

void lua_clock_unfollow(struct lua_clock *clock, struct cairn_scheduler *scheduler) {
    struct follower *gone = NULL;
    pthread_mutex_lock(&clock->lock);
    for (struct follower **at = &clock->followers; *at && !gone;) {
        if ((*at)->scheduler == scheduler) {
            gone = *at;
            *at = gone->next;
        } else {
            at = &(*at)->next;
        }
    }
    pthread_mutex_unlock(&clock->lock);
    free(gone);
}

static void tell_followers(struct lua_clock *clock) {
    pthread_mutex_lock(&clock->lock);
    for (struct follower *each = clock->followers; each; each = each->next)
        cairn_scheduler_tick(each->scheduler);
    pthread_mutex_unlock(&clock->lock);
}

static int64_t clock_ms(void *clock) {
    return atomic_load(&((struct lua_clock *)clock)->ms);
}

void lua_clock_set(struct lua_clock *clock, struct cairn_context *context) {
    context->now_ms = clock ? clock_ms : NULL;
    context->clock = clock;
}

struct clock_box {
    struct lua_clock *clock; /* NULL once collected */
};

struct lua_clock *cairn_lua_toclock(lua_State *L, int index, const char *name) {
    if (lua_isnoneornil(L, index))
        return NULL;
    struct clock_box *box = luaL_testudata(L, index, CLOCK_TYPE);
    if (!box || !box->clock)
        luaL_error(L, "%s: a clock (see cairn.clock) expected, got %s", name,
                   box ? "a collected one" : luaL_typename(L, index));
    return retain(box->clock);
}

static struct clock_box *new_box(lua_State *L) {
    struct clock_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->clock = NULL;
    luaL_setmetatable(L, CLOCK_TYPE);
    return box;
}

void cairn_lua_push_clock(lua_State *L, struct lua_clock *clock) {
    if (clock)
        new_box(L)->clock = retain(clock);
    else
        lua_pushnil(L);
}

int cairn_lua_clock(lua_State *L) {
    int64_t ms = lua_isnoneornil(L, 1) ? cairn_context_now(NULL)
                                       : cairn_lua_count(L, 1, "ms", INT64_MAX);
    struct clock_box *box = new_box(L);
    box->clock = malloc(sizeof *box->clock);
    if (!box->clock)
        return luaL_error(L, "not enough memory");
    atomic_init(&box->clock->users, 1);
    atomic_init(&box->clock->ms, ms);
    pthread_mutex_init(&box->clock->lock, NULL);
    box->clock->followers = NULL;
    return 1;
}

static struct lua_clock *self(lua_State *L) {
    struct clock_box *box = cairn_lua_self(L, CLOCK_TYPE);
    luaL_argcheck(L, box->clock, 1, "the clock was collected");
    return box->clock;
}

static int clock_now(lua_State *L) {
    lua_pushinteger(L, clock_ms(self(L)));
    return 1;
}

/* Several threads may advance one clock: each step counts. */
static int clock_advance(lua_State *L) {
    struct lua_clock *clock = self(L);
    int64_t step = cairn_lua_count(L, 2, "ms", INT64_MAX);
    int64_t now = atomic_load(&clock->ms);
    do {
        if (step > INT64_MAX - now)
            return luaL_argerror(L, 2, "ms: the clock would pass its last millisecond");
    } while (!atomic_compare_exchange_weak(&clock->ms, &now, now + step));
    tell_followers(clock);
    lua_pushinteger(L, now + step);
    return 1;
}

static int clock_gc(lua_State *L) {
    struct clock_box *box = luaL_checkudata(L, 1, CLOCK_TYPE);
    lua_clock_release(box->clock);
    box->clock = NULL;
    return 0;
}

/* -- Steps ------------------------------------------------------------------------ */

/* A cairn_trace_event whose text lies in the call's arena. */
struct step {
    struct step *next;
    struct cairn_trace_event event;
    struct cairn_decider decider;
};

struct lua_call {
    struct cairn_context context;
    struct lua_clock *clock; /* retained; NULL: the system's */

    pthread_mutex_t lock; /* of what follows */
    struct cairn_arena arena;
    struct step *first, **last;
    size_t steps, lost; /* lost: for want of memory, or beyond STEPS_MAX */
};

static bool copy_text(struct cairn_arena *arena, const char **text) {
    if (!*text)
        return true;
    size_t size = strlen(*text) + 1;
    char *copy = cairn_arena_take(arena, size);
    if (copy)
        *text = memcpy(copy, *text, size);
    return copy != NULL;
}

static struct step *copy_step(struct cairn_arena *arena,
                              const struct cairn_trace_event *event) {
    struct step *step = cairn_arena_take(arena, sizeof *step);
    if (!step)
        return NULL;
    step->next = NULL;
    step->event = *event;
    if (event->decider) {
        step->decider = *event->decider;
        step->event.decider = &step->decider;
    }
    bool copied =
        copy_text(arena, &step->event.operation) &&
        copy_text(arena, &step->event.store) && copy_text(arena, &step->event.detail) &&
        (!event->path.data || cairn_arena_copy(arena, event->path, &step->event.path));
    return copied ? step : NULL;
}

static void trace(void *arg, const struct cairn_trace_event *event) {
    struct lua_call *call = arg;
    pthread_mutex_lock(&call->lock);
    struct step *step = call->steps < STEPS_MAX ? copy_step(&call->arena, event) : NULL;
    if (step) {
        *call->last = step;
        call->last = &step->next;
        call->steps++;
    } else {
        call->lost++;
    }
    pthread_mutex_unlock(&call->lock);
}

static void set_text(lua_State *L, const char *name, const char *text) {
    if (!text || !*text)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_boolean(lua_State *L, const char *name, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static void push_decider(lua_State *L, const struct cairn_decider *decider) {
    set_text(L, "policy", decider->policy);
    set_text(L, "version", decider->version);
    if (decider->line) {
        lua_pushinteger(L, decider->line);
        lua_setfield(L, -2, "line");
    }
    set_boolean(L, "remembered", decider->remembered);
    set_boolean(L, "canary", decider->canary);
}

static void push_step(lua_State *L, const struct cairn_trace_event *event) {
    lua_createtable(L, 0, 8);
    lua_pushfstring(L, "%s%s", event->decider ? "decide " : "", event->operation);
    lua_setfield(L, -2, "operation");
    set_text(L, "store", event->store);
    set_text(L, "status", cairn_status_word(event->status));
    set_text(L, "detail", event->detail);
    if (event->path.data) {
        cairn_lua_push(L, event->path);
        lua_setfield(L, -2, "path");
    }
    if (event->decider)
        push_decider(L, event->decider);
}

static void push_lost(lua_State *L, size_t lost) {
    lua_createtable(L, 0, 4);
    set_text(L, "operation", "trace");
    set_text(L, "status", cairn_status_word(CAIRN_LIMIT));
    lua_pushfstring(L, "%I more steps were not kept", (LUAI_UACINT)lost);
    lua_setfield(L, -2, "detail");
}

/* The steps leave the call first: if Lua runs out of memory half way, the arena still
 * holds them. */
void cairn_lua_explain(lua_State *L, struct lua_call *call, int index) {
    if (!call || !call->context.trace)
        return;
    pthread_mutex_lock(&call->lock);
    const struct step *step = call->first;
    size_t lost = call->lost;
    call->first = NULL;
    call->last = &call->first;
    call->lost = 0;
    pthread_mutex_unlock(&call->lock);

    luaL_checkstack(L, 8, "explain");
    if (cairn_lua_field(L, index, "explain") == LUA_TTABLE) {
        lua_Integer at = (lua_Integer)lua_rawlen(L, -1);
        for (; step; step = step->next) {
            push_step(L, &step->event);
            lua_rawseti(L, -2, ++at);
        }
        if (lost) {
            push_lost(L, lost);
            lua_rawseti(L, -2, ++at);
        }
    }
    lua_pop(L, 1);
}

/* -- Calls ------------------------------------------------------------------------ */

/* What the options say, before anything is made. */
struct asked {
    int64_t timeout_ms; /* -1: none */
    unsigned scopes;    /* 0: all */
    bool explain, fresh;
};

static unsigned one_scope(lua_State *L, int index) {
    static const struct {
        const char *word;
        enum cairn_scope scope;
    } words[] = {{"local", CAIRN_SCOPE_LOCAL},
                 {"remote", CAIRN_SCOPE_REMOTE},
                 {"cluster", CAIRN_SCOPE_CLUSTER}};
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "options.scopes: scopes are strings, not %s",
                                      luaL_typename(L, -1)));
    const char *word = lua_tostring(L, -1);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].word, word) == 0)
            return words[i].scope;
    luaL_argerror(L, index,
                  lua_pushfstring(L, "options.scopes: there is no scope '%s'", word));
    return 0;
}

static unsigned read_scopes(lua_State *L, int index) {
    unsigned scopes = 0;
    int type = cairn_lua_field(L, index, "scopes");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "options.scopes: list expected, got %s",
                                      luaL_typename(L, -1)));
    lua_Integer count = type == LUA_TTABLE ? (lua_Integer)lua_rawlen(L, -1) : 0;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        scopes |= one_scope(L, index);
        lua_pop(L, 1);
    }
    if (type == LUA_TTABLE && count == 0)
        luaL_argerror(L, index, "options.scopes: an empty list allows no store");
    lua_pop(L, 1);
    return scopes;
}

static struct asked read_options(lua_State *L, int index) {
    struct asked asked = {.timeout_ms = -1};
    if (lua_isnoneornil(L, index))
        return asked;
    cairn_lua_table(L, index, "options");
    int64_t timeout_ms = INT64_MIN;
    cairn_lua_integer(L, index, "timeout", &timeout_ms);
    if (timeout_ms != INT64_MIN && timeout_ms < 0)
        luaL_argerror(L, index, "options.timeout: must not be negative");
    asked.timeout_ms = timeout_ms == INT64_MIN ? -1 : timeout_ms;
    asked.scopes = read_scopes(L, index);
    cairn_lua_boolean(L, index, "fresh", &asked.fresh);
    int type = cairn_lua_field(L, index, "explain");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "options.explain: table expected, got %s",
                                      luaL_typename(L, -1)));
    asked.explain = type == LUA_TTABLE;
    lua_pop(L, 1);
    return asked;
}

/* Clocks begin at 0, where a deadline of 0 would mean none. */
static int64_t deadline(const struct cairn_context *context, int64_t timeout_ms) {
    int64_t now = cairn_context_now(context);
    int64_t at = timeout_ms > INT64_MAX - now ? INT64_MAX : now + timeout_ms;
    return at ? at : -1;
}

static struct lua_call *new_call(lua_State *L) {
    struct lua_call *call = lua_newuserdatauv(L, sizeof *call, 0);
    call->context = (struct cairn_context){.deadline_ms = 0};
    call->clock = NULL;
    pthread_mutex_init(&call->lock, NULL);
    cairn_arena_init(&call->arena);
    call->first = NULL;
    call->last = &call->first;
    call->steps = call->lost = 0;
    luaL_setmetatable(L, CALL_TYPE);
    return call;
}

static int call_gc(lua_State *L) {
    struct lua_call *call = luaL_checkudata(L, 1, CALL_TYPE);
    lua_clock_release(call->clock);
    call->clock = NULL;
    cairn_arena_free(&call->arena);
    pthread_mutex_destroy(&call->lock);
    return 0;
}

struct lua_call *cairn_lua_call(lua_State *L, int index, struct lua_clock *clock,
                                const struct cairn_context **context) {
    struct asked asked = read_options(L, index);
    *context = NULL;
    if (!clock && asked.timeout_ms < 0 && !asked.scopes && !asked.explain &&
        !asked.fresh) {
        lua_pushnil(L);
        return NULL;
    }
    struct lua_call *call = new_call(L);
    call->clock = clock ? retain(clock) : NULL;
    lua_clock_set(clock, &call->context);
    if (asked.timeout_ms >= 0)
        call->context.deadline_ms = deadline(&call->context, asked.timeout_ms);
    call->context.scopes = asked.scopes;
    call->context.fresh = asked.fresh;
    if (asked.explain) {
        call->context.trace = trace;
        call->context.trace_arg = call;
    }
    *context = &call->context;
    return call;
}

static const luaL_Reg clock_methods[] = {
    {"advance", clock_advance},
    {"now", clock_now},
    {NULL, NULL},
};

static const luaL_Reg clock_metamethods[] = {
    {"__gc", clock_gc},
    {NULL, NULL},
};

static const luaL_Reg call_metamethods[] = {
    {"__gc", call_gc},
    {NULL, NULL},
};

void cairn_lua_init_clock(lua_State *L) {
    static const luaL_Reg none[] = {{NULL, NULL}};
    cairn_lua_class(L, CLOCK_TYPE, clock_methods, clock_metamethods);
    cairn_lua_class(L, CALL_TYPE, none, call_metamethods);
}
