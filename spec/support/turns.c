/* turns.c -- a Lua module that drives requests in a trusted state, for turns_spec.lua.
 *
 *     local state = turns.new(memory_bytes)             nil: no memory for it
 *     state:load(source, name)   runs it; true, or nil, message, code
 *     local thread = state:thread()                     an integer
 *     state:start(thread, bounds, name, ...)            the global function of that
 * name state:go_on(thread, bounds, ...) "done", results...; "waits"; "preempted"; or
 * "failed", message, code state:close(thread) state:account(thread)      steps, bytes
 *     state:memory() state:free()
 *     turns.compare(count)       nanoseconds of a turn, and of a bare lua_resume
 *
 * Bounds are { steps = , memory = , slice_us = }. Scripts find wait(...), which returns
 * what the request goes on with behind its arguments, and can_wait(). Values cross as
 * copies; what is no string, number or boolean as its type's name. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <time.h>

#include "sandbox_turn.h"

#define STATE_TYPE "turns"

enum { THREADS_MAX = 20000 };

struct thread {
    lua_State *co;
    struct sandbox_account account;
};

struct state {
    struct sandbox *sandbox; /* NULL once freed */
    int count;
    struct thread threads[THREADS_MAX];
};

static struct state *check_state(lua_State *L) {
    struct state *state = luaL_checkudata(L, 1, STATE_TYPE);
    luaL_argcheck(L, state->sandbox, 1, "freed");
    return state;
}

static struct thread *check_thread(lua_State *L, struct state *state) {
    lua_Integer at = luaL_checkinteger(L, 2);
    luaL_argcheck(L, at >= 1 && at <= state->count, 2, "no such thread");
    return &state->threads[at - 1];
}

static int fail(lua_State *L, enum cairn_status status,
                const struct cairn_error *error) {
    lua_pushnil(L);
    lua_pushstring(L, error->message);
    lua_pushstring(L, cairn_status_word(status));
    return 3;
}

/* -- What scripts find ------------------------------------------------------------ */

static int went_on(lua_State *L, int status, lua_KContext context) {
    (void)status, (void)context;
    return lua_gettop(L);
}

static int script_wait(lua_State *L) {
    return sandbox_suspend(L, 0, went_on);
}

static int script_can_wait(lua_State *L) {
    lua_pushboolean(L, sandbox_can_suspend(L));
    return 1;
}

static int add_functions(lua_State *L) {
    lua_pushcfunction(L, script_wait);
    lua_setglobal(L, "wait");
    lua_pushcfunction(L, script_can_wait);
    lua_setglobal(L, "can_wait");
    return 0;
}

/* -- States ----------------------------------------------------------------------- */

static int new (lua_State *L) {
    size_t bytes = (size_t)luaL_checkinteger(L, 1);
    struct state *state = lua_newuserdatauv(L, sizeof *state, 0);
    state->sandbox = NULL;
    state->count = 0;
    luaL_setmetatable(L, STATE_TYPE);
    state->sandbox = sandbox_new_trusted(bytes);
    if (!state->sandbox ||
        sandbox_protect(state->sandbox, add_functions, NULL, 0, NULL) != CAIRN_OK)
        lua_pushnil(L);
    return 1;
}

static int state_free(lua_State *L) {
    struct state *state = luaL_checkudata(L, 1, STATE_TYPE);
    sandbox_free(state->sandbox);
    state->sandbox = NULL;
    return 0;
}

static int state_load(lua_State *L) {
    struct state *state = check_state(L);
    struct cairn_slice source;
    struct cairn_error error;
    source.data = luaL_checklstring(L, 2, &source.size);
    const char *name = luaL_optstring(L, 3, "script.lua");
    enum cairn_status status = sandbox_load(state->sandbox, source, name, &error);
    if (!status)
        status = sandbox_call(state->sandbox, 0, 0, NULL, &error);
    if (status)
        return fail(L, status, &error);
    lua_pushboolean(L, 1);
    return 1;
}

static int make_thread(lua_State *inside) {
    struct thread *thread = lua_touserdata(inside, 1);
    thread->co = lua_newthread(inside);
    luaL_ref(inside, LUA_REGISTRYINDEX);
    return 0;
}

static int state_thread(lua_State *L) {
    struct state *state = check_state(L);
    struct thread *thread = &state->threads[state->count];
    luaL_argcheck(L, state->count < THREADS_MAX, 1, "too many threads");
    *thread = (struct thread){0};
    struct cairn_error error;
    enum cairn_status status =
        sandbox_protect(state->sandbox, make_thread, thread, 0, &error);
    if (status)
        return fail(L, status, &error);
    lua_pushinteger(L, ++state->count);
    return 1;
}

/* -- Turns ------------------------------------------------------------------------ */

static void copy(lua_State *from, int index, lua_State *to) {
    size_t size;
    const char *data;
    switch (lua_type(from, index)) {
    case LUA_TNIL:
        lua_pushnil(to);
        break;
    case LUA_TBOOLEAN:
        lua_pushboolean(to, lua_toboolean(from, index));
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(from, index))
            lua_pushinteger(to, lua_tointeger(from, index));
        else
            lua_pushnumber(to, lua_tonumber(from, index));
        break;
    case LUA_TSTRING:
        data = lua_tolstring(from, index, &size);
        lua_pushlstring(to, data, size);
        break;
    default:
        lua_pushstring(to, luaL_typename(from, index));
    }
}

struct push {
    lua_State *from, *to;
    int first;
    bool is_start;
};

/* The global function that `first` names, or nothing; then the values behind it. */
static int push_values(lua_State *inside) {
    const struct push *push = lua_touserdata(inside, 1);
    int last = lua_gettop(push->from), first = push->first;
    luaL_checkstack(inside, last + 4, "arguments");
    luaL_checkstack(push->to, last + 4, "arguments");
    if (push->is_start) {
        lua_getglobal(inside, lua_tostring(push->from, first++));
        lua_xmove(inside, push->to, 1);
    }
    for (; first <= last; first++) {
        copy(push->from, first, inside);
        lua_xmove(inside, push->to, 1);
    }
    return 0;
}

static lua_Integer field(lua_State *L, const char *name, lua_Integer otherwise) {
    lua_getfield(L, 3, name);
    lua_Integer value = luaL_optinteger(L, -1, otherwise);
    lua_pop(L, 1);
    return value;
}

static struct sandbox_bounds check_bounds(lua_State *L) {
    luaL_checktype(L, 3, LUA_TTABLE);
    return (struct sandbox_bounds){
        .steps = (uint64_t)field(L, "steps", -1),
        .memory_bytes = (size_t)field(L, "memory", PTRDIFF_MAX),
        .slice_ns = field(L, "slice_us", 0) * 1000,
    };
}

static int push_results(lua_State *L, lua_State *co, int results) {
    luaL_checkstack(L, results + 1, "results");
    lua_pushliteral(L, "done");
    for (int i = 1; i <= results; i++)
        copy(co, lua_gettop(co) - results + i, L);
    lua_pop(co, results);
    return results + 1;
}

static int turn(lua_State *L, bool is_start) {
    struct state *state = check_state(L);
    struct thread *thread = check_thread(L, state);
    struct sandbox_bounds bounds = check_bounds(L);
    struct push push = {L, thread->co, 4, is_start};
    struct cairn_error error;
    int results, arguments = lua_gettop(L) - 3;
    if (is_start) {
        luaL_checkstring(L, 4);
        thread->account = (struct sandbox_account){0};
        arguments--;
    }
    enum cairn_status status =
        sandbox_protect(state->sandbox, push_values, &push, 0, &error);
    if (status)
        return fail(L, status, &error);
    switch (sandbox_turn(state->sandbox, thread->co, arguments, &bounds,
                         &thread->account, &results, &status, &error)) {
    case SANDBOX_DONE:
        return push_results(L, thread->co, results);
    case SANDBOX_WAITS:
        lua_pushliteral(L, "waits");
        return 1;
    case SANDBOX_PREEMPTED:
        lua_pushliteral(L, "preempted");
        return 1;
    default:
        fail(L, status, &error);
        lua_pushliteral(L, "failed");
        lua_replace(L, -4);
        return 3;
    }
}

static int state_start(lua_State *L) {
    return turn(L, true);
}

static int state_go_on(lua_State *L) {
    return turn(L, false);
}

static int state_close(lua_State *L) {
    struct state *state = check_state(L);
    sandbox_close_thread(state->sandbox, check_thread(L, state)->co);
    return 0;
}

static int state_account(lua_State *L) {
    const struct thread *thread = check_thread(L, check_state(L));
    lua_pushinteger(L, (lua_Integer)thread->account.steps);
    lua_pushinteger(L, (lua_Integer)thread->account.bytes);
    return 2;
}

static int state_memory(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)sandbox_memory(check_state(L)->sandbox));
    return 1;
}

/* -- What a turn costs ------------------------------------------------------------ */

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int compare(lua_State *L) {
    lua_Integer count = luaL_checkinteger(L, 1);
    struct sandbox *sandbox = sandbox_new_trusted(64 << 20);
    if (!sandbox)
        return luaL_error(L, "no memory");
    lua_State *main = sandbox_state(sandbox), *co = lua_newthread(main);
    struct sandbox_bounds bounds = {1000000, 1 << 20, 1000000};
    const char source[] = "return function() end";
    int results;
    luaL_dostring(main, source);
    int64_t start = now_ns();
    for (lua_Integer i = 0; i < count; i++) {
        struct sandbox_account account = {0};
        enum cairn_status status;
        lua_pushvalue(main, -1);
        lua_xmove(main, co, 1);
        sandbox_turn(sandbox, co, 0, &bounds, &account, &results, &status, NULL);
        lua_pop(co, results);
    }
    int64_t middle = now_ns();
    lua_sethook(co, NULL, 0, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_pushvalue(main, -1);
        lua_xmove(main, co, 1);
        lua_resume(co, main, 0, &results);
        lua_pop(co, results);
    }
    int64_t end = now_ns();
    sandbox_free(sandbox);
    lua_pushnumber(L, (double)(middle - start) / (double)count);
    lua_pushnumber(L, (double)(end - middle) / (double)count);
    return 2;
}

static const luaL_Reg methods[] = {
    {"account", state_account}, {"close", state_close},   {"free", state_free},
    {"go_on", state_go_on},     {"load", state_load},     {"memory", state_memory},
    {"start", state_start},     {"thread", state_thread}, {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"compare", compare},
    {"new", new},
    {NULL, NULL},
};

int luaopen_turns(lua_State *L);

int luaopen_turns(lua_State *L) {
    luaL_newmetatable(L, STATE_TYPE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, state_free);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, functions);
    return 1;
}
