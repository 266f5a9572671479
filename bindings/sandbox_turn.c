/* sandbox_turn.c -- requests that take turns in a trusted state.
 *
 * What ends or suspends a request yields it from where it is: out of the hook, or out
 * of a C function. Each resume of a script's coroutine that this comes through yields
 * on (sandbox_coroutine.c), with a continuation that resumes again, until it arrives
 * here. What is to happen next lies in the slice.
 *
 * The clock is looked at by the hook, so that a turn that is over within a thousand
 * instructions costs no system call; a slice begins when it is looked at first. */
#include "sandbox_turn.h"

#include <inttypes.h>

#include "sandbox_limits.h"

enum {
    CLOSE_STEPS = 20000, /* for all variables of a request that was ended */
    CLOSE_BYTES = 1 << 20,
    CLOSE_NS = 10000000,
    INTERVAL_SLOW = 20,   /* of the hook, where instructions may take long */
    INTERVAL_USUAL = 100, /* from here it is left to itself */
    LONG_NS = 500000,     /* of what lies between two looks at the clock */
    SHORT_NS = 30000,
    STEP_NS = 1000, /* of long instructions counts as one */
    CYCLES = 2, /* of the collector: one may be under way, and have seen what is dead */
    HEAP_SHARE = 8, /* of the heap that may be garbage before that is looked at */
};

/* -- Making a state --------------------------------------------------------------- */

static int open_trusted(lua_State *L) {
    sandbox_of(L)->is_trusted = true;
    sandbox_open_trusted(L);
    return 0;
}

struct sandbox *sandbox_new_trusted(size_t memory_bytes) {
    struct sandbox_limits limits = {UINT64_MAX, memory_bytes, INT64_MAX};
    return sandbox_make(&limits, open_trusted);
}

/* -- Leaving a request ------------------------------------------------------------ */

bool sandbox_can_suspend(lua_State *L) {
    const struct sandbox *sandbox = sandbox_of(L);
    const struct sandbox_running *at = sandbox->running;
    if (!sandbox->slice.is_open || at->L != L)
        return false;
    for (; at; at = at->resumer)
        if (at->is_apart || !lua_isyieldable(at->L))
            return false;
    return true;
}

bool sandbox_leave(lua_State *L, enum sandbox_leaves why) {
    if (!sandbox_can_suspend(L))
        return false;
    sandbox_of(L)->slice.leaves = why;
    lua_yield(L, 0);
    return true;
}

int sandbox_suspend(lua_State *L, lua_KContext context, lua_KFunction k) {
    if (!sandbox_can_suspend(L))
        return luaL_error(L, "cannot wait within a C call, or outside of a request");
    sandbox_of(L)->slice.leaves = LEAVES_TO_WAIT;
    return lua_yieldk(L, 0, context, k);
}

/* The hook comes at the next instruction. */
static void hurry(struct sandbox *sandbox) {
    lua_sethook(sandbox->running->L, sandbox_hook, LUA_MASKCOUNT, 1);
}

/* Between two looks lie a thousand instructions or one interval. When they took long
 * the next are fewer; when those do, too, so much time counts as steps. Once says
 * nothing: the system may have run somebody else. */
static void adapt(struct sandbox *sandbox, int64_t now) {
    struct sandbox_slice *slice = &sandbox->slice;
    int64_t took = slice->seen_ns ? now - slice->seen_ns : 0;
    slice->seen_ns = now;
    if (took > LONG_NS) {
        if (slice->interval)
            sandbox->used += (uint64_t)took / STEP_NS;
        slice->interval = slice->interval ? 1 + slice->interval / 8 : INTERVAL_SLOW;
    } else if (slice->interval && took < SHORT_NS) {
        slice->interval = slice->interval < INTERVAL_USUAL ? slice->interval * 2 : 0;
    }
}

void sandbox_slow_down(struct sandbox *sandbox) {
    if (sandbox->slice.interval)
        return;
    sandbox->slice.interval = INTERVAL_SLOW;
    sandbox_watch(sandbox->running->L);
}

/* Where it cannot be left the hook comes as seldom as ever, until somebody looks at the
 * clock again. */
void sandbox_look_at_slice(struct sandbox *sandbox) {
    struct sandbox_slice *slice = &sandbox->slice;
    int64_t now = sandbox_clock_ns();
    adapt(sandbox, now);
    if (slice->length_ns == 0)
        return;
    if (slice->end_ns == 0)
        slice->end_ns =
            slice->length_ns > INT64_MAX - now ? INT64_MAX : now + slice->length_ns;
    if (now < slice->end_ns)
        return;
    slice->is_used = true;
    if (!slice->is_in_hook)
        hurry(sandbox);
}

void sandbox_crowd(struct sandbox *sandbox) {
    if (!sandbox->slice.is_crowded)
        hurry(sandbox);
    sandbox->slice.is_crowded = true;
}

void sandbox_end_slice(lua_State *L) {
    const struct sandbox_slice *slice = &sandbox_of(L)->slice;
    if (slice->is_crowded)
        sandbox_leave(L, LEAVES_TO_COLLECT);
    else if (slice->is_used)
        sandbox_leave(L, LEAVES_FOR_OTHERS);
}

/* -- A turn ----------------------------------------------------------------------- */

struct turn {
    struct sandbox *sandbox;
    lua_State *co;
    const struct sandbox_bounds *bounds;
    struct sandbox_account *account;
    enum cairn_status *status;
    struct cairn_error *error;
    int64_t slice_ends_ns; /* 0: nobody has looked at the clock yet */
};

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t plus(size_t a, size_t b) {
    return b > SIZE_MAX - a ? SIZE_MAX : a + b;
}

static size_t bound_of(const struct turn *turn) {
    return smaller(turn->bounds->memory_bytes, turn->sandbox->limits.memory_bytes);
}

/* What there would be without the request. */
static size_t held_before(const struct turn *turn) {
    int64_t bytes = turn->account->bytes, held = (int64_t)turn->sandbox->held;
    return bytes > held ? 0 : (size_t)(held - bytes);
}

/* A new one is judged when it has outgrown its bound by a part of the heap; one that
 * was, when it has grown by as much again. */
static void set_ceilings(const struct turn *turn) {
    struct sandbox *sandbox = turn->sandbox;
    size_t most = sandbox->limits.memory_bytes, before = held_before(turn);
    size_t bound = bound_of(turn);
    size_t grown = plus(bound, before / HEAP_SHARE);
    if (turn->account->judged_at > (int64_t)grown)
        grown = (size_t)turn->account->judged_at;
    sandbox->bound_bytes = bound;
    sandbox->slice.crowded_at = smaller(plus(before, grown), most);
    sandbox->ceiling =
        smaller(plus(plus(before, plus(grown, grown)), HUGE_BYTES), most);
    sandbox->most = plus(plus(sandbox->ceiling, bound), HUGE_BYTES);
}

/* Whatever is said of a place is said of this coroutine. */
static void enter(struct sandbox *sandbox, lua_State *co) {
    sandbox->own.L = co;
    sandbox->running = &sandbox->own;
    *sandbox->where = '\0';
}

static void begin(const struct turn *turn) {
    struct sandbox *sandbox = turn->sandbox;
    sandbox->limits.steps = turn->bounds->steps;
    sandbox->used = turn->account->steps;
    sandbox->unseen = sandbox->squeezed = 0;
    sandbox->breach = BREACH_NONE;
    sandbox->refused = (struct sandbox_refused){NULL, 0, 0};
    sandbox->progress++; /* a vector that grew in another turn is not this one's */
    sandbox->stack = __builtin_frame_address(0);
    sandbox->chunk = NULL;
    enter(sandbox, turn->co);
    sandbox->slice = (struct sandbox_slice){.is_open = true,
                                            .length_ns = turn->bounds->slice_ns,
                                            .end_ns = turn->slice_ends_ns,
                                            .interval = turn->account->interval};
    set_ceilings(turn);
    sandbox->limited = true;
}

static void end(struct turn *turn, size_t held) {
    struct sandbox *sandbox = turn->sandbox;
    struct sandbox_account *account = turn->account;
    int64_t least = -(int64_t)sandbox->bound_bytes;
    sandbox->limited = sandbox->slice.is_open = false;
    sandbox->limits.steps = UINT64_MAX;
    sandbox->own.L = sandbox->L;
    sandbox->running = &sandbox->own;
    turn->slice_ends_ns = sandbox->slice.end_ns;
    account->steps = sandbox->used;
    account->interval = sandbox->slice.interval;
    account->bytes += (int64_t)sandbox->held - (int64_t)held;
    if (account->bytes < least)
        account->bytes = least;
}

/* -- What a coroutine runs -------------------------------------------------------- */

enum { HANDLER = 1, FUNCTION, BELOW_CALL = FUNCTION };

/* Where the function begins is the best there is to say when memory ran out in the
 * middle of an instruction. */
static int called(lua_State *L, int code, lua_KContext unused) {
    (void)unused;
    struct sandbox *sandbox = sandbox_of(L);
    if (!*sandbox->where && (sandbox->breach || code == LUA_ERRMEM))
        sandbox_place_of(sandbox, L, FUNCTION);
    sandbox_check(L);
    if (code != LUA_OK && code != LUA_YIELD)
        sandbox->slice.failure = code;
    return lua_gettop(L) - BELOW_CALL;
}

/* An error ends here, where variables are closed under the hook and the coroutine stays
 * alive. */
static int call(lua_State *L) {
    int arguments = lua_gettop(L) - BELOW_CALL;
    lua_pushvalue(L, FUNCTION);
    lua_insert(L, BELOW_CALL + 1);
    int code = lua_pcallk(L, arguments, LUA_MULTRET, HANDLER, 0, called);
    return called(L, code, 0);
}

/* call, handler, function, arguments. */
static bool prepare(lua_State *co, int arguments) {
    if (!lua_checkstack(co, LUA_MINSTACK))
        return false;
    lua_pushcfunction(co, call);
    lua_pushcfunction(co, sandbox_keep_place);
    lua_rotate(co, -arguments - 3, 2);
    *sandbox_mark(co) = SANDBOX_MARK_LEFT;
    sandbox_watch(co);
    return true;
}

/* -- Closing ---------------------------------------------------------------------- */

static void reset(lua_State *co) {
#if LUA_VERSION_RELEASE_NUM >= 50406
    lua_closethread(co, sandbox_of(co)->L);
#else
    lua_resetthread(co);
#endif
    lua_settop(co, 0);
}

void sandbox_close_thread(struct sandbox *sandbox, lua_State *co) {
    struct sandbox_bounds bounds = {CLOSE_STEPS, CLOSE_BYTES, 0};
    struct sandbox_account account = {0};
    struct turn turn = {
        .sandbox = sandbox, .co = co, .bounds = &bounds, .account = &account};
    size_t held = sandbox->held;
    begin(&turn);
    sandbox->slice.is_open = false;
    sandbox->slice.crowded_at = SIZE_MAX;
    sandbox->deadline_ns = sandbox_clock_ns() + CLOSE_NS;
    sandbox_watch(co);
    reset(co);
    end(&turn, held);
}

/* -- Judging memory --------------------------------------------------------------- */

static bool is_time_over(struct turn *turn) {
    int64_t length = turn->bounds->slice_ns;
    if (length == 0)
        return false;
    int64_t now = sandbox_clock_ns();
    if (turn->slice_ends_ns == 0)
        turn->slice_ends_ns = length > INT64_MAX - now ? INT64_MAX : now + length;
    return now >= turn->slice_ends_ns;
}

/* False: the slice is used, there is more to do. */
static bool collect(struct turn *turn) {
    struct sandbox *sandbox = turn->sandbox;
    struct sandbox_account *account = turn->account;
    while (account->cycles > 0) {
        if (is_time_over(turn))
            return false;
        size_t held = sandbox->held;
        bool is_cycle = lua_gc(sandbox->L, LUA_GCSTEP, 0);
        account->bytes += (int64_t)sandbox->held - (int64_t)held;
        if (!is_cycle)
            continue;
        account->cycles--;
        if (account->bytes <= (int64_t)bound_of(turn))
            account->cycles = 0;
    }
    account->judged_at = account->bytes + (int64_t)(sandbox->held / HEAP_SHARE);
    return true;
}

/* -- Turns ------------------------------------------------------------------------ */

static enum sandbox_turn failed(struct turn *turn, int code) {
    struct sandbox *sandbox = turn->sandbox;
    sandbox->limits.steps = turn->bounds->steps; /* for the message */
    if (sandbox->breach)
        *turn->status = sandbox_breached(sandbox, turn->error);
    else
        *turn->status = sandbox_failed(sandbox, turn->co, code, turn->error);
    sandbox->limits.steps = UINT64_MAX;
    if (lua_status(turn->co) == LUA_OK)
        lua_settop(turn->co, 0);
    else
        sandbox_close_thread(sandbox, turn->co);
    return SANDBOX_FAILED;
}

/* Somebody else's function yielded, past all that could resume it. */
static enum sandbox_turn stray(struct turn *turn) {
    *turn->status = cairn_fail(turn->error, CAIRN_POLICY_ERROR,
                               "%s: attempt to yield from outside a coroutine",
                               turn->sandbox->where);
    sandbox_close_thread(turn->sandbox, turn->co);
    return SANDBOX_FAILED;
}

static enum sandbox_turn outcome(struct turn *turn, int code) {
    const struct sandbox_slice *slice = &turn->sandbox->slice;
    if (turn->sandbox->breach || slice->failure)
        return failed(turn, slice->failure);
    if (code == LUA_OK)
        return SANDBOX_DONE;
    if (code != LUA_YIELD)
        return failed(turn, code);
    if (slice->leaves == LEAVES_TO_WAIT)
        return SANDBOX_WAITS;
    if (slice->leaves == LEAVES_TO_COLLECT)
        turn->account->cycles = CYCLES;
    return slice->leaves ? SANDBOX_PREEMPTED : stray(turn);
}

/* An error has been located where it was raised. */
static enum sandbox_turn resume(struct turn *turn, int arguments, int *results) {
    struct sandbox *sandbox = turn->sandbox;
    size_t held = sandbox->held;
    begin(turn);
    bool is_ready = lua_status(turn->co) != LUA_OK || prepare(turn->co, arguments);
    if (is_ready) {
        int more = lua_status(turn->co) == LUA_OK ? 2 : 0;
        int code = lua_resume(turn->co, sandbox->L, arguments + more, results);
        if (code != LUA_OK && !sandbox->slice.leaves)
            sandbox_locate(sandbox);
        end(turn, held);
        return outcome(turn, code);
    }
    end(turn, held);
    lua_settop(turn->co, 0);
    *turn->status = cairn_fail(turn->error, CAIRN_NO_MEMORY, "no memory for a request");
    return SANDBOX_FAILED;
}

/* With what it has kept after all garbage is gone. */
static bool is_too_large(const struct turn *turn) {
    return turn->account->bytes > (int64_t)bound_of(turn);
}

/* Others have had turns since it was seen to be. */
static enum sandbox_turn too_large(struct turn *turn) {
    struct sandbox *sandbox = turn->sandbox;
    enter(sandbox, turn->co);
    sandbox_locate(sandbox);
    sandbox->own.L = sandbox->L;
    sandbox->bound_bytes = bound_of(turn);
    sandbox->breach = BREACH_MEMORY;
    turn->account->cycles = 0;
    return failed(turn, LUA_OK);
}

enum sandbox_turn sandbox_turn(struct sandbox *sandbox, lua_State *co, int arguments,
                               const struct sandbox_bounds *bounds,
                               struct sandbox_account *account, int *results,
                               enum cairn_status *status, struct cairn_error *error) {
    struct turn turn = {sandbox, co, bounds, account, status, error, 0};
    for (;;) {
        if (account->cycles) {
            if (!collect(&turn))
                return SANDBOX_PREEMPTED;
            if (is_too_large(&turn))
                return too_large(&turn);
        }
        enum sandbox_turn what = resume(&turn, arguments, results);
        if (what != SANDBOX_PREEMPTED || !account->cycles)
            return what;
        arguments = 0;
    }
}
