/* timers.c -- timers for scheduler_spec.lua: on the real clock, on one that is moved by
 * hand, and very many of them. */
#include <stdint.h>
#include <stdlib.h>

#include "cairn/scheduler.h"
#include "module.h"

int timers_real(lua_State *L);
int timers_virtual(lua_State *L);
int timers_heap(lua_State *L);

/* -- Running something on the loop and waiting for it -------------------------------
 */

struct errand {
    struct cairn_task task;
    void (*run)(void *arg, struct cairn_loop *loop);
    void *arg;
    struct latch done;
};

static void run_errand(struct cairn_task *task, struct cairn_loop *loop) {
    struct errand *errand = (struct errand *)task;
    errand->run(errand->arg, loop);
    latch_down(&errand->done);
}

static void on_loop(lua_State *L, struct cairn_loop *loop,
                    void (*run)(void *arg, struct cairn_loop *loop), void *arg) {
    struct errand errand = {.task.run = run_errand, .run = run, .arg = arg};
    latch_init(&errand.done, 1);
    cairn_loop_post(loop, &errand.task);
    if (!latch_await(&errand.done))
        luaL_error(L, "a wake-up was lost");
}

/* -- On the real clock ------------------------------------------------------------- */

enum { CLEARED = 7, MOVED = 5 }; /* every so many */

struct expected {
    struct cairn_timer timer; /* first */
    struct many *many;
    int64_t at_ms;
    bool cleared;
};

struct many {
    struct expected *timers;
    long count;
    uint64_t random;
    int64_t span_ms, last_ms;
    atomic_long fired, wrong, late_ms;
    struct latch over;
};

static void fire(struct cairn_timer *timer, struct cairn_loop *loop) {
    struct expected *expected = (struct expected *)timer;
    struct many *many = expected->many;
    int64_t late_ms = clock_ms() - expected->at_ms;
    many->fired++;
    many->wrong += expected->cleared || timer->place != 0 ||
                   cairn_loop_now_ms(loop) < expected->at_ms ||
                   expected->at_ms < many->last_ms;
    many->last_ms = expected->at_ms;
    if (late_ms > many->late_ms)
        many->late_ms = late_ms;
    latch_down(&many->over);
}

static void set_at(struct many *many, struct expected *expected,
                   struct cairn_loop *loop) {
    expected->at_ms = cairn_loop_now_ms(loop) + 20 +
                      (int64_t)(next_random(&many->random) % (uint64_t)many->span_ms);
    many->wrong += cairn_loop_set_timer(loop, &expected->timer, expected->at_ms, NULL);
}

static void set_many(void *arg, struct cairn_loop *loop) {
    struct many *many = arg;
    for (long i = 0; i < many->count; i++) {
        many->timers[i] = (struct expected){.timer.fire = fire, .many = many};
        set_at(many, &many->timers[i], loop);
    }
    for (long i = 0; i < many->count; i++) {
        struct expected *expected = &many->timers[i];
        if (i % CLEARED == 0) {
            cairn_loop_clear_timer(loop, &expected->timer);
            cairn_loop_clear_timer(loop, &expected->timer); /* which is nothing */
            expected->cleared = true;
            latch_down(&many->over);
        } else if (i % MOVED == 0) {
            set_at(many, expected, loop);
        }
    }
}

static struct cairn_scheduler *open_one(lua_State *L, int64_t (*now_ms)(void *clock),
                                        void *clock) {
    struct cairn_scheduler *scheduler;
    struct cairn_error error;
    struct cairn_scheduler_options options = {
        .loops = 1, .now_ms = now_ms, .clock = clock};
    if (cairn_scheduler_open(&options, &scheduler, &error))
        luaL_error(L, "%s", error.message);
    return scheduler;
}

static void many_init(lua_State *L, struct many *many, long count, int64_t span_ms) {
    *many = (struct many){.count = count, .random = 88172645463325252u};
    many->span_ms = span_ms;
    many->timers = calloc((size_t)count, sizeof *many->timers);
    if (!many->timers)
        luaL_error(L, "no memory");
    latch_init(&many->over, count);
}

static int push_many(lua_State *L, struct many *many) {
    free(many->timers);
    lua_newtable(L);
    set_count(L, "fired", many->fired);
    set_count(L, "wrong", many->wrong);
    set_count(L, "late_ms", many->late_ms);
    set_count(L, "expected", many->count - (many->count + CLEARED - 1) / CLEARED);
    return 1;
}

/* real_timers(count, span_ms): some of them moved, some cleared. */
int timers_real(lua_State *L) {
    struct many many;
    many_init(L, &many, luaL_checkinteger(L, 1), luaL_checkinteger(L, 2));
    struct cairn_scheduler *scheduler = open_one(L, NULL, NULL);
    on_loop(L, cairn_scheduler_loop(scheduler, 0), set_many, &many);
    if (!latch_await(&many.over))
        return luaL_error(L, "timers did not fire");
    sleep_ms(20); /* in which the cleared ones might */
    cairn_scheduler_close(scheduler);
    return push_many(L, &many);
}

/* -- On a clock that is moved by hand ---------------------------------------------- */

enum { NAMED = 16 };

struct hand {
    struct cairn_timer timers[NAMED]; /* 1 to 16 */
    struct cairn_scheduler *scheduler;
    _Atomic int64_t now_ms;
    int64_t seen_ms;
    lua_Integer fired[256];
    size_t count;
    /* What a step wants. */
    lua_Integer timer;
    int64_t at_ms;
};

static int64_t hand_ms(void *clock) {
    return *(_Atomic int64_t *)clock;
}

static void note_fired(struct cairn_timer *timer, struct cairn_loop *loop) {
    struct hand *hand = cairn_loop_data(loop);
    if (hand->count < 256)
        hand->fired[hand->count++] = timer - hand->timers + 1;
}

static void set_one(void *arg, struct cairn_loop *loop) {
    struct hand *hand = arg;
    struct cairn_timer *timer = &hand->timers[hand->timer - 1];
    cairn_loop_set_data(loop, hand);
    timer->fire = note_fired;
    cairn_loop_set_timer(loop, timer, hand->at_ms, NULL);
}

static void clear_one(void *arg, struct cairn_loop *loop) {
    struct hand *hand = arg;
    cairn_loop_clear_timer(loop, &hand->timers[hand->timer - 1]);
}

static void read_clock(void *arg, struct cairn_loop *loop) {
    ((struct hand *)arg)->seen_ms = cairn_loop_now_ms(loop);
}

/* Until the loop has had a turn that believes the new time. */
static void advance(lua_State *L, struct hand *hand, int64_t to_ms) {
    hand->now_ms = to_ms;
    cairn_scheduler_tick(hand->scheduler);
    do {
        on_loop(L, cairn_scheduler_loop(hand->scheduler, 0), read_clock, hand);
    } while (hand->seen_ms != to_ms);
}

static void step(lua_State *L, struct hand *hand) {
    struct cairn_loop *loop = cairn_scheduler_loop(hand->scheduler, 0);
    const char *verb = (lua_rawgeti(L, -1, 1), lua_tostring(L, -1));
    hand->timer = (lua_rawgeti(L, -2, 2), lua_tointeger(L, -1));
    hand->at_ms = (lua_rawgeti(L, -3, 3), lua_tointeger(L, -1));
    if (*verb == 's')
        on_loop(L, loop, set_one, hand);
    else if (*verb == 'c')
        on_loop(L, loop, clear_one, hand);
    else if (*verb == 'w')
        sleep_ms(hand->timer);
    else
        advance(L, hand, hand->timer);
    lua_pop(L, 3);
}

/* virtual_timers{ { "set", timer, ms } | { "clear", timer } | { "advance", ms } | {
 * "wait", real_ms }, ... }: the timers that fired, in order. */
int timers_virtual(lua_State *L) {
    struct hand *hand = calloc(1, sizeof *hand);
    if (!hand)
        return luaL_error(L, "no memory");
    hand->scheduler = open_one(L, hand_ms, &hand->now_ms);
    for (lua_Integer i = 1; lua_rawgeti(L, 1, i) == LUA_TTABLE; i++) {
        step(L, hand);
        lua_pop(L, 1);
    }
    cairn_scheduler_close(hand->scheduler);
    lua_newtable(L);
    for (size_t i = 0; i < hand->count; i++) {
        lua_pushinteger(L, hand->fired[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    free(hand);
    return 1;
}

/* -- Very many --------------------------------------------------------------------- */

/* heap(count): set, moved and cleared within a minute that has not come; then it has.
 */
int timers_heap(lua_State *L) {
    struct many many;
    _Atomic int64_t now_ms = 0;
    many_init(L, &many, luaL_checkinteger(L, 1), 60000);
    struct cairn_scheduler *scheduler = open_one(L, hand_ms, (void *)&now_ms);
    int64_t began_ms = clock_ms();
    on_loop(L, cairn_scheduler_loop(scheduler, 0), set_many, &many);
    now_ms = 60020;
    cairn_scheduler_tick(scheduler);
    if (!latch_await(&many.over))
        return luaL_error(L, "timers did not fire");
    int64_t took_ms = clock_ms() - began_ms;
    cairn_scheduler_close(scheduler);
    push_many(L, &many);
    set_count(L, "took_ms", took_ms);
    return 1;
}
