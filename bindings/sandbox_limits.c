/* sandbox_limits.c -- the hook, the allocator, and what becomes of a breach.
 *
 * A breach is noted wherever it is found, but raised only where Lua can say in which
 * line: in the hook and in functions that charge. The allocator can not raise, and must
 * not look at a state that is just being changed. So it grants the request that is too
 * much (up to twice the limit) and lets the hook come at the next instruction. */
#include "sandbox_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    INTERVAL = 1000,          /* instructions between two looks of the hook */
    INTERVAL_COROUTINE = 100, /* fewer: each coroutine has its own remainder */
    INTERVAL_LARGE = 100,     /* while one may take microseconds */
    INTERVAL_HUGE = 20,       /* ... or milliseconds */
    CLOCK_STEPS = 1000,       /* steps between two looks at the clock */
    LEVELS_MAX = 1000,        /* of a stack that is searched for a line */
    STUCK_NS = 2000000,       /* of an instruction in which the stack grows */
    STUCK_LONG_NS = 50000000, /* ... where it may be a thousand instructions */
};

static int64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t sandbox_clock_ns(void) {
    return now_ns(CLOCK_MONOTONIC);
}

int sandbox_interval(const struct sandbox *sandbox, const lua_State *L) {
    if (sandbox->breach)
        return 1;
    if (sandbox->large)
        return sandbox->huge ? INTERVAL_HUGE : INTERVAL_LARGE;
    if (sandbox->slice.interval)
        return sandbox->slice.interval;
    return L == sandbox->own.L ? INTERVAL : INTERVAL_COROUTINE;
}

/* Counting takes a third of the time: it is left out where steps have no limit, until
 * something else was breached and must be raised. Turns have slices, so they count. */
void sandbox_watch(lua_State *L) {
    const struct sandbox *sandbox = sandbox_of(L);
    bool counts =
        sandbox->limits.steps != UINT64_MAX || sandbox->breach || sandbox->is_trusted;
    int mask = (counts ? LUA_MASKCOUNT : 0) | (sandbox->chunk ? LUA_MASKRET : 0);
    lua_sethook(L, mask ? sandbox_hook : NULL, mask, sandbox_interval(sandbox, L));
}

/* -- Breaches --------------------------------------------------------------------- */

/* The first one counts. lua_sethook may be called at any time, also from within the
 * allocator. */
static void note(struct sandbox *sandbox, enum sandbox_breach breach) {
    if (sandbox->breach)
        return;
    sandbox->breach = breach;
    sandbox_watch(sandbox->running->L);
}

/* A call whose steps are not counted has its time from the first look: most end before
 * there is one, and to look at a clock is a part of what they take. */
static bool is_late(struct sandbox *sandbox) {
    if (!sandbox->deadline_ns)
        sandbox->deadline_ns = sandbox_deadline_ns(sandbox);
    return sandbox_clock_ns() > sandbox->deadline_ns;
}

static void look_at_clock(struct sandbox *sandbox) {
    sandbox->unseen = 0;
    if (sandbox->slice.is_open)
        sandbox_look_at_slice(sandbox);
    else if (is_late(sandbox))
        note(sandbox, BREACH_TIME);
}

static uint64_t sum(uint64_t a, uint64_t b) {
    return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

static void spend(struct sandbox *sandbox, uint64_t steps) {
    sandbox->used = sum(sandbox->used, steps);
    sandbox->unseen = sum(sandbox->unseen, steps);
    if (sandbox->used > sandbox->limits.steps)
        note(sandbox, sandbox->used - sandbox->squeezed > sandbox->limits.steps
                          ? BREACH_STEPS
                          : BREACH_MEMORY);
    else if (sandbox->unseen >= CLOCK_STEPS || sandbox->large)
        look_at_clock(sandbox);
}

/* Work that there would not be with more memory: if that is too much, it is the memory
 * that was. */
static void spend_squeezed(struct sandbox *sandbox, uint64_t steps) {
    sandbox->squeezed = sum(sandbox->squeezed, steps);
    spend(sandbox, steps);
}

/* The innermost line of Lua in this thread; of a trusted state's own chunks, which are
 * no files, nobody wants to know. */
static bool find_line(lua_State *L, struct sandbox *sandbox) {
    lua_Debug at;
    for (int level = 0; level < LEVELS_MAX && lua_getstack(L, level, &at); level++) {
        lua_getinfo(L, "Sl", &at);
        bool is_own = sandbox->is_trusted && *at.source == '=';
        if (at.currentline > 0 && !is_own) {
            snprintf(sandbox->where, sizeof sandbox->where, "%s:%d", at.short_src,
                     at.currentline);
            return true;
        }
    }
    return false;
}

void sandbox_locate(struct sandbox *sandbox) {
    const struct sandbox_running *thread = sandbox->running;
    while (thread && !find_line(thread->L, sandbox))
        thread = thread->resumer;
}

/* The value that is thrown says nothing: the message is made when the call is over.
 * Returns only where the hook leaves a turn. */
static void raise_breach(lua_State *L, struct sandbox *sandbox) {
    if (!*sandbox->where)
        sandbox_locate(sandbox);
    sandbox_watch(L);
    if (sandbox_leave(L, LEAVES_FOR_GOOD))
        return;
    lua_pushlightuserdata(L, sandbox);
    lua_error(L);
}

void sandbox_check(lua_State *L) {
    struct sandbox *sandbox = sandbox_of(L);
    if (sandbox->limited && sandbox->breach)
        raise_breach(L, sandbox);
}

void sandbox_charge(lua_State *L, uint64_t steps) {
    struct sandbox *sandbox = sandbox_of(L);
    if (!sandbox->limited)
        return;
    sandbox->progress++;
    spend(sandbox, steps);
    if (sandbox->breach)
        raise_breach(L, sandbox);
}

void sandbox_need(lua_State *L, size_t bytes) {
    struct sandbox *sandbox = sandbox_of(L);
    if (sandbox->limited && bytes > sandbox->bound_bytes)
        note(sandbox, BREACH_MEMORY);
    sandbox_check(L);
}

/* -- The hook --------------------------------------------------------------------- */

static void note_line(lua_State *L, lua_Debug *event, struct sandbox *sandbox) {
    lua_getinfo(L, "Sl", event);
    if (event->source == sandbox->chunk)
        sandbox->line = event->currentline;
}

/* lua_sethook visits each call that is under way. In a deep recursion that takes longer
 * than what is run in between, and must not pass for it. */
static void change_interval(lua_State *L, struct sandbox *sandbox) {
    sandbox_watch(L);
    if (sandbox->slice.seen_ns)
        sandbox->slice.seen_ns = sandbox_clock_ns();
}

void sandbox_hook(lua_State *L, lua_Debug *event) {
    struct sandbox *sandbox = sandbox_of(L);
    if (!sandbox->limited)
        return;
    if (event->event != LUA_HOOKCOUNT) {
        note_line(L, event, sandbox);
        return;
    }
    int passed = lua_gethookcount(L);
    sandbox->progress++;
    sandbox->slice.is_in_hook = true;
    spend(sandbox, (uint64_t)passed);
    if (!sandbox->breach && (!sandbox->slice.is_open || sandbox->slice.interval))
        look_at_clock(sandbox);
    sandbox->slice.is_in_hook = false;
    if (sandbox->breach) {
        raise_breach(L, sandbox);
        return;
    }
    if (passed != sandbox_interval(sandbox, L))
        change_interval(L, sandbox);
    sandbox_end_slice(L);
}

/* -- The allocator ---------------------------------------------------------------- */

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Lua collects after the first refusal: that is work too, in proportion to what there
 * is. Whether this is the first is told by the request. */
static bool is_repeated(struct sandbox *sandbox,
                        const struct sandbox_refused *request) {
    struct sandbox_refused *refused = &sandbox->refused;
    bool same = refused->block == request->block && refused->had == request->had &&
                refused->wants == request->wants;
    *refused = *request;
    if (!same)
        spend_squeezed(sandbox, sandbox->held / 16);
    return same;
}

/* A vector, which may be the stack; otherwise a new object, whose type `had` is. */
static bool is_vector(const struct sandbox_refused *request) {
    return request->block || request->had == 0;
}

/* Whether a vector grows for the second time in one instruction, long after the first.
 * It is the stack, then, of a call to a table whose __call is a table whose __call ...:
 * each step moves all arguments, and no hook comes. */
static bool is_stuck(struct sandbox *sandbox, const struct sandbox_refused *request) {
    if (!is_vector(request) || request->wants < HUGE_BYTES)
        return false;
    struct sandbox_growth last = sandbox->growth;
    sandbox->growth = (struct sandbox_growth){
        sandbox->progress, now_ns(CLOCK_THREAD_CPUTIME_ID), request->wants};
    return last.progress == sandbox->progress &&
           request->wants >= last.bytes + last.bytes / 2 &&
           sandbox->growth.cpu_ns - last.cpu_ns >
               (sandbox->is_trusted ? STUCK_LONG_NS : STUCK_NS);
}

/* A breach that is found in here is not raised yet, so the request is granted. After
 * that small requests are granted still: to refuse them would only mean a full
 * collection for each step of the way out. */
static bool admit_limited(struct sandbox *sandbox,
                          const struct sandbox_refused *request, size_t more) {
    const size_t limit = sandbox->ceiling, most = sandbox->most;
    bool is_over = sandbox->breach != BREACH_NONE && more >= HUGE_BYTES;
    bool fits = more <= limit - smaller(sandbox->held, limit);
    if (fits)
        spend(sandbox, 1 + more / 16);
    else
        spend_squeezed(sandbox, 1 + more / 16);
    if (is_stuck(sandbox, request)) {
        note(sandbox, BREACH_STUCK);
        is_over = true;
    }
    if (more >
        sandbox->slice.crowded_at - smaller(sandbox->held, sandbox->slice.crowded_at))
        sandbox_crowd(sandbox);
    if (request->wants >= HUGE_BYTES && sandbox->slice.is_open)
        sandbox_slow_down(sandbox);
    if (fits)
        sandbox->refused = (struct sandbox_refused){NULL, 0, 0};
    else if (!sandbox->breach && !is_repeated(sandbox, request))
        return false;
    else
        note(sandbox, BREACH_MEMORY);
    if (!is_over && more <= most - smaller(sandbox->held, most))
        return true;
    /* New objects are made where the state is in order; the stack can not be looked at
     * while it is what grows. */
    if (!is_vector(request) && !*sandbox->where)
        sandbox_locate(sandbox);
    return false;
}

/* Nothing is scarce, as nearly always: what is left to do is to charge. */
static bool is_easy(const struct sandbox *sandbox, size_t wants, size_t more) {
    size_t held = sandbox->held + more; /* of small blocks: no overflow */
    return wants < LARGE_BYTES && !sandbox->breach && held <= sandbox->ceiling &&
           held <= sandbox->slice.crowded_at;
}

static bool admit(struct sandbox *sandbox, const struct sandbox_refused *request) {
    size_t had = request->block ? request->had : 0;
    if (request->wants <= had)
        return true;
    size_t more = request->wants - had;
    if (sandbox->limited && is_easy(sandbox, request->wants, more)) {
        sandbox->refused.wants = 0;
        spend(sandbox, 1 + more / 16);
        return true;
    }
    if (sandbox->limited)
        return admit_limited(sandbox, request, more);
    const size_t limit = sandbox->limits.memory_bytes;
    return more <= limit - smaller(sandbox->held, limit);
}

/* When the hook has to come more often, it does at once. What it had counted until now
 * is not known. */
static void count(struct sandbox *sandbox, size_t old, size_t wants) {
    bool was_large = sandbox->large != 0, was_huge = sandbox->huge != 0;
    sandbox->held += wants - old;
    if (sandbox->is_trusted || (wants < LARGE_BYTES && old < LARGE_BYTES))
        return;
    sandbox->large += (size_t)(wants >= LARGE_BYTES) - (size_t)(old >= LARGE_BYTES);
    sandbox->huge += (size_t)(wants >= HUGE_BYTES) - (size_t)(old >= HUGE_BYTES);
    bool sooner = sandbox->large && (!was_large || (sandbox->huge && !was_huge));
    if (sooner && sandbox->limited) {
        spend(sandbox, was_large ? INTERVAL_LARGE : INTERVAL);
        sandbox_watch(sandbox->running->L);
    }
}

/* Of a new object `had` is its type. */
void *sandbox_allocate(void *arg, void *block, size_t had, size_t wants) {
    struct sandbox *sandbox = arg;
    struct sandbox_refused request = {block, had, wants};
    size_t old = block ? had : 0;
    void *fresh = NULL;
    if (wants == 0) {
        if (block)
            sandbox_pool_give(&sandbox->pool, block, old);
    } else {
        if (!admit(sandbox, &request))
            return NULL;
        fresh = block ? sandbox_pool_change(&sandbox->pool, block, old, wants)
                      : sandbox_pool_take(&sandbox->pool, wants);
        if (!fresh)
            return wants <= old ? block : NULL;
    }
    count(sandbox, old, wants);
    return fresh;
}

/* -- Text ------------------------------------------------------------------------- */

void sandbox_text_begin(lua_State *L, struct sandbox_text *text) {
    text->L = L;
    text->data = text->first;
    text->size = 0;
    text->capacity = sizeof text->first;
    lua_pushnil(L);
    text->slot = lua_gettop(L);
}

/* Lua's own buffers do not collect when memory is short, so this is none of them. */
static void move(struct sandbox_text *text, size_t size) {
    size_t wanted = text->size + size, capacity = text->capacity * 2;
    if (capacity < wanted)
        capacity = wanted;
    char *data = lua_newuserdatauv(text->L, capacity, 0);
    memcpy(data, text->data, text->size);
    lua_replace(text->L, text->slot);
    text->data = data;
    text->capacity = capacity;
}

char *sandbox_text_room(struct sandbox_text *text, size_t size) {
    if (size > (size_t)PTRDIFF_MAX / 4 - text->size)
        luaL_error(text->L, "resulting string too large");
    sandbox_charge_bytes(text->L, size);
    if (size > text->capacity - text->size)
        move(text, size);
    return text->data + text->size;
}

void sandbox_text_add(struct sandbox_text *text, const char *data, size_t size) {
    if (size)
        memcpy(sandbox_text_room(text, size), data, size);
    text->size += size;
}

void sandbox_text_end(struct sandbox_text *text) {
    lua_pushlstring(text->L, text->data, text->size);
}
