/* sandbox_coroutine.c -- coroutines that cannot outlive what they did.
 *
 * A breach in a coroutine kills it; whoever resumed it raises the breach again. A
 * coroutine belongs to the call that made it: one that was killed would close its
 * variables without the hook, which Lua does not give back to the dead, and pure
 * functions have no use for one that remembers.
 *
 * In a trusted state they live on. There the extra space marks those which nobody may
 * resume or close: requests that were left in them go on themselves. */
#include "sandbox_limits.h"

/* Closing does not count C calls (Lua 5.4.4), so the stack itself is looked at. */
#define STACK_MAX ((ptrdiff_t)256 << 10)

enum {
    CREATE_STEPS = 100, /* what it may run before its hook comes for the first time */
    RESUME_STEPS = 16,
};

static lua_State *check_coroutine(lua_State *L, int index) {
    lua_State *co = lua_tothread(L, index);
    const struct sandbox *sandbox = sandbox_of(L);
    luaL_argexpected(L, co, index, "coroutine");
    if (!sandbox->is_trusted && *sandbox_mark(co) != sandbox->serial)
        luaL_error(L, "a coroutine of an earlier call");
    return co;
}

static bool is_left(lua_State *co) {
    return *sandbox_mark(co) == SANDBOX_MARK_LEFT;
}

static void check_stack(lua_State *L) {
    const char *here = __builtin_frame_address(0);
    ptrdiff_t used = sandbox_of(L)->stack - here;
    if (used > STACK_MAX || used < -STACK_MAX)
        luaL_error(L, "C stack overflow");
}

/* Whatever runs in `co` is known to be running, and hooked as often as it must be. */
static struct sandbox_running enter(struct sandbox *sandbox, lua_State *L,
                                    lua_State *co) {
    if (lua_gethookcount(co) != sandbox_interval(sandbox, co))
        sandbox_watch(co);
    return (struct sandbox_running){co, sandbox->running, sandbox->running->L != L};
}

/* -- Resuming --------------------------------------------------------------------- */

/* Returns how many results lie on top of the stack, or -1: an error does. When the
 * request is left it is left here, too, and goes on with `again`. */
static int resume(lua_State *L, lua_State *co, int arguments, lua_KFunction again) {
    struct sandbox *sandbox = sandbox_of(L);
    int results;
    sandbox_charge(L, RESUME_STEPS);
    check_stack(L);
    if (is_left(co)) {
        lua_pushliteral(L, "cannot resume non-suspended coroutine");
        return -1;
    }
    if (!lua_checkstack(co, arguments)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, co, arguments);
    struct sandbox_running inside = enter(sandbox, L, co);
    sandbox->running = &inside;
    int status = lua_resume(co, L, arguments, &results);
    sandbox->running = inside.resumer;
    if (status == LUA_YIELD && sandbox->slice.leaves) {
        *sandbox_mark(co) = SANDBOX_MARK_LEFT;
        return lua_yieldk(L, 0, 0, again);
    }
    if (sandbox->is_trusted && sandbox->breach)
        *sandbox_mark(co) = SANDBOX_MARK_ENDED;
    sandbox_check(L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        sandbox_check(L);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

static int coroutine_resume(lua_State *L);

static int coroutine_resume_again(lua_State *L, int status, lua_KContext unused) {
    (void)status, (void)unused;
    *sandbox_mark(lua_tothread(L, 1)) = 0;
    return coroutine_resume(L);
}

static int coroutine_resume(lua_State *L) {
    lua_State *co = check_coroutine(L, 1);
    int results = resume(L, co, lua_gettop(L) - 1, coroutine_resume_again);
    lua_pushboolean(L, results >= 0);
    lua_insert(L, results >= 0 ? -results - 1 : -2);
    return results >= 0 ? results + 1 : 2;
}

/* Runs what the coroutine has still to close; false: an error lies on its stack. */
static bool finish(lua_State *L, lua_State *co) {
    struct sandbox *sandbox = sandbox_of(L);
    check_stack(L);
    struct sandbox_running inside = enter(sandbox, L, co);
    sandbox->running = &inside;
#if LUA_VERSION_RELEASE_NUM >= 50406
    int status = lua_closethread(co, L);
#else
    int status = lua_resetthread(co);
#endif
    sandbox->running = inside.resumer;
    sandbox_check(L);
    return status == LUA_OK;
}

static int resume_wrapped(lua_State *L);

static int resume_wrapped_again(lua_State *L, int status, lua_KContext unused) {
    (void)status, (void)unused;
    *sandbox_mark(lua_tothread(L, 1)) = 0;
    return resume_wrapped(L);
}

static int resume_wrapped(lua_State *L) {
    lua_State *co = check_coroutine(L, 1);
    int results = resume(L, co, lua_gettop(L) - 1, resume_wrapped_again);
    if (results >= 0)
        return results;
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) { /* it died of the error */
        lua_xmove(L, co, 1);
        finish(L, co);
        lua_xmove(co, L, 1);
    }
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int wrapped(lua_State *L) {
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    return resume_wrapped(L);
}

/* -- The rest --------------------------------------------------------------------- */

static int coroutine_create(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    sandbox_charge(L, CREATE_STEPS);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int coroutine_wrap(lua_State *L) {
    coroutine_create(L);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

/* The outermost of a turn yields to nobody who could resume it with something. */
static bool is_outermost(lua_State *L) {
    const struct sandbox *sandbox = sandbox_of(L);
    return sandbox->is_trusted && L == sandbox->own.L;
}

static int coroutine_yield(lua_State *L) {
    sandbox_charge(L, 1);
    if (is_outermost(L))
        return luaL_error(L, "attempt to yield from outside a coroutine");
    return lua_yield(L, lua_gettop(L));
}

static const char *status_of(lua_State *L, lua_State *co) {
    lua_Debug frame;
    if (co == L)
        return "running";
    if (is_left(co))
        return "normal"; /* a request is in it, or it is a request's */
    if (lua_status(co) == LUA_YIELD)
        return "suspended";
    if (lua_status(co) != LUA_OK)
        return "dead";
    if (lua_getstack(co, 0, &frame))
        return "normal"; /* it has resumed another one */
    return lua_gettop(co) ? "suspended" : "dead";
}

static int coroutine_status(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    lua_pushstring(L, status_of(L, co));
    return 1;
}

static int coroutine_close(lua_State *L) {
    lua_State *co = check_coroutine(L, 1);
    const char *status = status_of(L, co);
    sandbox_charge(L, 1);
    if (strcmp(status, "dead") != 0 && strcmp(status, "suspended") != 0)
        return luaL_error(L, "cannot close a %s coroutine", status);
    if (*sandbox_mark(co) == SANDBOX_MARK_ENDED) {
        lua_pushboolean(L, 0);
        lua_pushliteral(L, "ended by a limit");
        return 2;
    }
    bool closed = finish(L, co);
    lua_pushboolean(L, closed);
    if (closed)
        return 1;
    lua_xmove(co, L, 1);
    return 2;
}

static int coroutine_isyieldable(lua_State *L) {
    lua_State *co = lua_isnone(L, 1) ? L : lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    lua_pushboolean(L, lua_isyieldable(co) && !is_outermost(co));
    return 1;
}

static int coroutine_running(lua_State *L) {
    bool is_main = lua_pushthread(L) || is_outermost(L);
    lua_pushboolean(L, is_main);
    return 2;
}

static const luaL_Reg functions[] = {
    {"close", coroutine_close},
    {"create", coroutine_create},
    {"isyieldable", coroutine_isyieldable},
    {"resume", coroutine_resume},
    {"running", coroutine_running},
    {"status", coroutine_status},
    {"wrap", coroutine_wrap},
    {"yield", coroutine_yield},
    {NULL, NULL},
};

void sandbox_push_coroutine(lua_State *L) {
    luaL_newlib(L, functions);
}
