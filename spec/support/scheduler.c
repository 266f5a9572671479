/* scheduler.c -- a Lua module that puts schedulers to work, for scheduler_spec.lua.
 * Each function opens one, does what its comment says, closes it and returns what it
 * saw.
 *
 * What must not happen is counted in `wrong`. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cairn/scheduler.h"
#include "module.h"

int luaopen_scheduler(lua_State *L);

/* -- What all of them need --------------------------------------------------------- */

struct seen {
    struct cairn_scheduler *scheduler;
    unsigned fails_at; /* from 1: this loop does not start */
    atomic_long starts, stops, run, wrong;
    atomic_bool stopped[CAIRN_LOOPS_MAX];
};

static enum cairn_status start(void *arg, struct cairn_loop *loop,
                               struct cairn_error *error) {
    struct seen *seen = arg;
    if (cairn_loop_index(loop) + 1 == seen->fails_at)
        return cairn_fail(error, CAIRN_CORRUPT, "loop %u has no wish to start",
                          cairn_loop_index(loop));
    seen->starts++;
    seen->wrong += cairn_loop_current() != loop;
    cairn_loop_set_data(loop, seen);
    return CAIRN_OK;
}

static void stop(void *arg, struct cairn_loop *loop) {
    struct seen *seen = arg;
    seen->stops++;
    seen->wrong += cairn_loop_current() != loop;
    seen->wrong += cairn_loop_data(loop) != seen;
    seen->stopped[cairn_loop_index(loop)] = true;
}

/* What each task does: it is where it should be, and in time. */
static struct seen *note_run(struct cairn_loop *loop) {
    struct seen *seen = cairn_loop_data(loop);
    seen->run++;
    seen->wrong += cairn_loop_current() != loop;
    seen->wrong += seen->stopped[cairn_loop_index(loop)];
    return seen;
}

static void open_seen(lua_State *L, struct seen *seen, unsigned loops,
                      unsigned blocking) {
    struct cairn_error error;
    struct cairn_scheduler_options options = {.loops = loops,
                                              .blocking = blocking,
                                              .start = start,
                                              .stop = stop,
                                              .arg = seen};
    *seen = (struct seen){.scheduler = NULL};
    if (cairn_scheduler_open(&options, &seen->scheduler, &error))
        luaL_error(L, "%s", error.message);
}

static int push_seen(lua_State *L, const struct seen *seen) {
    lua_newtable(L);
    set_count(L, "starts", seen->starts);
    set_count(L, "stops", seen->stops);
    set_count(L, "run", seen->run);
    set_count(L, "wrong", seen->wrong);
    return 1;
}

static void *allocate(lua_State *L, size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory)
        luaL_error(L, "no memory");
    return memory;
}

/* -- Many who post ----------------------------------------------------------------- */

struct numbered {
    struct cairn_task task;
    struct producer *producer;
    long number;
};

struct producer {
    struct seen *seen;
    struct numbered *tasks;
    long count;
    atomic_long last[CAIRN_LOOPS_MAX]; /* the newest that has run there */
    pthread_t thread;
};

static void run_numbered(struct cairn_task *task, struct cairn_loop *loop) {
    struct numbered *numbered = (struct numbered *)task;
    atomic_long *last = &numbered->producer->last[cairn_loop_index(loop)];
    struct seen *seen = note_run(loop);
    seen->wrong += numbered->number <= *last;
    *last = numbered->number;
}

static void *produce(void *argument) {
    struct producer *producer = argument;
    struct cairn_scheduler *scheduler = producer->seen->scheduler;
    for (long i = 0; i < producer->count; i++) {
        struct numbered *numbered = &producer->tasks[i];
        *numbered = (struct numbered){{run_numbered, NULL}, producer, i + 1};
        unsigned loop = (unsigned)i / 3 % cairn_scheduler_loops(scheduler);
        cairn_loop_post(cairn_scheduler_loop(scheduler, loop), &numbered->task);
    }
    return NULL;
}

/* post(loops, producers, each): threads that post so many each. Closes at once. */
static int spec_post(lua_State *L) {
    unsigned loops = (unsigned)luaL_checkinteger(L, 1);
    long producers = luaL_checkinteger(L, 2), each = luaL_checkinteger(L, 3);
    struct seen seen;
    struct producer *all = allocate(L, (size_t)producers, sizeof *all);
    open_seen(L, &seen, loops, 0);
    for (long i = 0; i < producers; i++) {
        all[i].seen = &seen;
        all[i].tasks = allocate(L, (size_t)each, sizeof *all[i].tasks);
        all[i].count = each;
        pthread_create(&all[i].thread, NULL, produce, &all[i]);
    }
    for (long i = 0; i < producers; i++)
        pthread_join(all[i].thread, NULL);
    cairn_scheduler_close(seen.scheduler);
    for (long i = 0; i < producers; i++)
        free(all[i].tasks);
    free(all);
    return push_seen(L, &seen);
}

/* -- Tasks that go from loop to loop ----------------------------------------------- */

struct hopping {
    struct cairn_task task;
    struct cairn_offload offload;
    unsigned target, stride;
    long hops, each_away; /* every so many hops one is over a thread that may wait */
    bool away;
};

static void hop_on(struct hopping *hopping, struct seen *seen);

static void hop_away(struct cairn_offload *offload) {
    struct hopping *hopping =
        (void *)((char *)offload - offsetof(struct hopping, offload));
    hopping->away = cairn_loop_current() == NULL;
}

static void hop_back(struct cairn_offload *offload, struct cairn_loop *loop) {
    struct hopping *hopping =
        (void *)((char *)offload - offsetof(struct hopping, offload));
    struct seen *seen = note_run(loop);
    seen->wrong += cairn_loop_index(loop) != hopping->target || !hopping->away;
    hop_on(hopping, seen);
}

static void run_hop(struct cairn_task *task, struct cairn_loop *loop) {
    struct hopping *hopping = (struct hopping *)task;
    struct seen *seen = note_run(loop);
    seen->wrong += cairn_loop_index(loop) != hopping->target;
    if (hopping->each_away && hopping->hops % hopping->each_away == 0) {
        hopping->away = false;
        hopping->offload.run = hop_away;
        hopping->offload.done = hop_back;
        cairn_loop_offload(loop, &hopping->offload);
    } else {
        hop_on(hopping, seen);
    }
}

static void hop_on(struct hopping *hopping, struct seen *seen) {
    if (--hopping->hops < 0)
        return;
    hopping->target =
        (hopping->target + hopping->stride) % cairn_scheduler_loops(seen->scheduler);
    hopping->task.run = run_hop;
    cairn_loop_post(cairn_scheduler_loop(seen->scheduler, hopping->target),
                    &hopping->task);
}

/* hop(loops, tasks, hops, each_away): each goes on so often; strides differ, 0 stays
 * where it is. Closes at once. */
static int spec_hop(lua_State *L) {
    unsigned loops = (unsigned)luaL_checkinteger(L, 1);
    long count = luaL_checkinteger(L, 2);
    struct seen seen;
    struct hopping *all = allocate(L, (size_t)count, sizeof *all);
    open_seen(L, &seen, loops, 4);
    for (long i = 0; i < count; i++) {
        all[i] = (struct hopping){.target = (unsigned)(i % loops),
                                  .stride = (unsigned)(i % (loops + 1)),
                                  .hops = luaL_checkinteger(L, 3),
                                  .each_away = luaL_checkinteger(L, 4)};
        hop_on(&all[i], &seen);
    }
    cairn_scheduler_close(seen.scheduler);
    free(all);
    return push_seen(L, &seen);
}

/* -- Sleeping and waking ----------------------------------------------------------- */

struct calling {
    struct cairn_task task;
    struct latch answered;
};

static void answer(struct cairn_task *task, struct cairn_loop *loop) {
    note_run(loop);
    latch_down(&((struct calling *)task)->answered);
}

static bool call(struct cairn_loop *loop) {
    struct calling calling = {.task.run = answer};
    latch_init(&calling.answered, 1);
    cairn_loop_post(loop, &calling.task);
    return latch_await(&calling.answered);
}

/* call(times): posts to a loop and waits for it, again and again; hangs (and raises) if
 * a wake-up is lost. */
static int spec_call(lua_State *L) {
    struct seen seen;
    open_seen(L, &seen, 1, 0);
    for (long i = luaL_checkinteger(L, 1); i > 0; i--) {
        if (!call(cairn_scheduler_loop(seen.scheduler, 0)))
            return luaL_error(L, "a wake-up was lost");
        if (i % 64 == 0) /* not always just when it falls asleep */
            sleep_ms(1);
    }
    cairn_scheduler_close(seen.scheduler);
    return push_seen(L, &seen);
}

struct spinning {
    struct cairn_task task;
    atomic_long done;
};

static void spun(struct cairn_task *task, struct cairn_loop *loop) {
    note_run(loop);
    ((struct spinning *)task)->done++;
}

/* spin(times): the same, but posts just when the loop may fall asleep. */
static int spec_spin(lua_State *L) {
    struct seen seen;
    struct spinning spinning = {.task.run = spun};
    uint64_t random = 88172645463325252u;
    int64_t until_ms = clock_ms() + PATIENCE_S * 1000;
    open_seen(L, &seen, 1, 0);
    struct cairn_loop *loop = cairn_scheduler_loop(seen.scheduler, 0);
    for (long i = 0; i < luaL_checkinteger(L, 1); i++) {
        cairn_loop_post(loop, &spinning.task);
        for (long spins = 1; spinning.done <= i; spins++)
            if (spins % 4096 == 0 && clock_ms() > until_ms)
                return luaL_error(L, "a wake-up was lost");
        for (volatile uint64_t delay = next_random(&random) % 256; delay > 0; delay--)
            continue;
    }
    cairn_scheduler_close(seen.scheduler);
    return push_seen(L, &seen);
}

/* idle(ms): how often a loop with nothing to do sleeps in that time, and how long it
 * was busy. */
static int spec_idle(lua_State *L) {
    struct seen seen;
    struct cairn_loop_counts before, after;
    open_seen(L, &seen, 1, 0);
    struct cairn_loop *loop = cairn_scheduler_loop(seen.scheduler, 0);
    if (!call(loop))
        return luaL_error(L, "a wake-up was lost");
    sleep_ms(10);
    cairn_loop_counts(loop, &before);
    sleep_ms(luaL_checkinteger(L, 1));
    cairn_loop_counts(loop, &after);
    cairn_scheduler_close(seen.scheduler);
    push_seen(L, &seen);
    set_count(L, "tasks", (long long)after.tasks);
    set_count(L, "sleeps", (long long)(after.sleeps - before.sleeps));
    set_count(L, "busy_ns", (long long)(after.busy_ns - before.busy_ns));
    return 1;
}

/* -- Offloading -------------------------------------------------------------------- */

struct blocking {
    struct cairn_task task;
    struct cairn_offload offload;
    long ms;
    atomic_long *now, *most, *done;
    long run_before; /* of other tasks, when it was given away */
    struct latch *over;
};

static void block(struct cairn_offload *offload) {
    struct blocking *b = (void *)((char *)offload - offsetof(struct blocking, offload));
    long now = ++*b->now, most = *b->most;
    while (now > most && !atomic_compare_exchange_weak(b->most, &most, now))
        continue;
    sleep_ms(b->ms);
    --*b->now;
}

static void unblock(struct cairn_offload *offload, struct cairn_loop *loop) {
    struct blocking *b = (void *)((char *)offload - offsetof(struct blocking, offload));
    note_run(loop);
    ++*b->done;
    latch_down(b->over);
}

static void give_away(struct cairn_task *task, struct cairn_loop *loop) {
    struct blocking *b = (struct blocking *)task;
    note_run(loop);
    b->offload.run = block;
    b->offload.done = unblock;
    cairn_loop_offload(loop, &b->offload);
}

/* offload(jobs, ms, blocking): jobs that sleep so long, on so many threads; `calls`
 * tasks were answered meanwhile, with `most` jobs at a time. */
static int spec_offload(lua_State *L) {
    long jobs = luaL_checkinteger(L, 1), ms = luaL_checkinteger(L, 2), calls = 0;
    atomic_long now = 0, most = 0, done = 0;
    struct seen seen;
    struct latch over;
    struct blocking *all = allocate(L, (size_t)jobs, sizeof *all);
    open_seen(L, &seen, 1, (unsigned)luaL_checkinteger(L, 3));
    struct cairn_loop *loop = cairn_scheduler_loop(seen.scheduler, 0);
    latch_init(&over, jobs);
    for (long i = 0; i < jobs; i++) {
        all[i] = (struct blocking){.ms = ms, .now = &now, .most = &most};
        all[i].done = &done;
        all[i].over = &over;
        all[i].task.run = give_away;
        cairn_loop_post(loop, &all[i].task);
    }
    while (done < jobs && call(loop))
        calls++;
    struct cairn_loop_counts counts;
    bool complete = latch_await(&over);
    cairn_loop_counts(loop, &counts);
    cairn_scheduler_close(seen.scheduler);
    free(all);
    push_seen(L, &seen);
    set_count(L, "most", most);
    set_count(L, "done", complete ? done : -1);
    set_count(L, "calls", calls);
    set_count(L, "offloads", (long long)counts.offloads);
    return 1;
}

/* -- Having had their time --------------------------------------------------------- */

struct lettered {
    struct cairn_task task;
    char letter;
    int times; /* it wants to run */
    bool is_later;
    struct lettered *last; /* posted when this one runs last */
    char *trace;
};

static void run_lettered(struct cairn_task *task, struct cairn_loop *loop) {
    struct lettered *lettered = (struct lettered *)task;
    note_run(loop);
    lettered->trace[strlen(lettered->trace)] = lettered->letter;
    if (--lettered->times == 0) {
        if (lettered->last)
            cairn_loop_post(loop, &lettered->last->task);
    } else if (lettered->is_later) {
        cairn_loop_post_later(loop, task);
    } else {
        cairn_loop_post(loop, task);
    }
}

struct opening {
    struct cairn_task task;
    struct lettered *all;
    int count;
};

static void post_all(struct cairn_task *task, struct cairn_loop *loop) {
    const struct opening *opening = (struct opening *)task;
    note_run(loop);
    for (int i = 0; i < opening->count; i++)
        if (opening->all[i].is_later)
            cairn_loop_post_later(loop, &opening->all[i].task);
        else
            cairn_loop_post(loop, &opening->all[i].task);
}

/* later(): a letter for each run of x and y, which have had their time, of b, which has
 * not, and of c, which x posts when it runs last. */
static int spec_later(lua_State *L) {
    char trace[16] = "";
    struct lettered c = {{run_lettered, NULL}, 'c', 1, false, NULL, trace};
    struct lettered all[] = {
        {{run_lettered, NULL}, 'x', 2, true, &c, trace},
        {{run_lettered, NULL}, 'y', 2, true, NULL, trace},
        {{run_lettered, NULL}, 'b', 2, false, NULL, trace},
    };
    struct opening opening = {{post_all, NULL}, all, 3};
    struct seen seen;
    open_seen(L, &seen, 1, 0);
    cairn_loop_post(cairn_scheduler_loop(seen.scheduler, 0), &opening.task);
    cairn_scheduler_close(seen.scheduler);
    lua_pushstring(L, trace);
    return 1;
}

/* -- Threads ----------------------------------------------------------------------- */

struct looking {
    struct cairn_task task;
    struct latch *seen;
    char name[16];
    bool blocked;
};

static void look(struct cairn_task *task, struct cairn_loop *loop) {
    struct looking *looking = (struct looking *)task;
    sigset_t blocked;
    note_run(loop);
    pthread_getname_np(pthread_self(), looking->name, sizeof looking->name);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    looking->blocked = sigismember(&blocked, SIGINT) && sigismember(&blocked, SIGTERM);
    latch_down(looking->seen);
}

/* threads(loops): names of the threads, or "open to signals". */
static int spec_threads(lua_State *L) {
    struct seen seen;
    struct latch latch;
    struct looking all[CAIRN_LOOPS_MAX];
    open_seen(L, &seen, (unsigned)luaL_checkinteger(L, 1), 0);
    unsigned count = cairn_scheduler_loops(seen.scheduler);
    latch_init(&latch, count);
    for (unsigned i = 0; i < count; i++) {
        all[i] = (struct looking){.task.run = look, .seen = &latch};
        cairn_loop_post(cairn_scheduler_loop(seen.scheduler, i), &all[i].task);
    }
    if (!latch_await(&latch))
        return luaL_error(L, "a wake-up was lost");
    cairn_scheduler_close(seen.scheduler);
    lua_newtable(L);
    for (unsigned i = 0; i < count; i++) {
        lua_pushstring(L, all[i].blocked ? all[i].name : "open to signals");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* refuse(loops, blocking, fails_at): why it does not open, and how many had started and
 * stopped. */
static int spec_refuse(lua_State *L) {
    struct seen seen = {.fails_at = (unsigned)luaL_checkinteger(L, 3)};
    struct cairn_error error;
    struct cairn_scheduler_options options = {
        .loops = (unsigned)luaL_checkinteger(L, 1),
        .blocking = (unsigned)luaL_checkinteger(L, 2),
        .start = start,
        .stop = stop,
        .arg = &seen};
    enum cairn_status status = cairn_scheduler_open(&options, &seen.scheduler, &error);
    if (!status) {
        cairn_scheduler_close(seen.scheduler);
        return luaL_error(L, "it opened");
    }
    push_seen(L, &seen);
    lua_pushstring(L, cairn_status_word(status));
    lua_setfield(L, -2, "code");
    lua_pushstring(L, error.message);
    lua_setfield(L, -2, "message");
    return 1;
}

int timers_real(lua_State *L);
int timers_virtual(lua_State *L);
int timers_heap(lua_State *L);

static const luaL_Reg functions[] = {
    {"call", spec_call},
    {"heap", timers_heap},
    {"hop", spec_hop},
    {"idle", spec_idle},
    {"later", spec_later},
    {"offload", spec_offload},
    {"post", spec_post},
    {"real_timers", timers_real},
    {"refuse", spec_refuse},
    {"spin", spec_spin},
    {"threads", spec_threads},
    {"virtual_timers", timers_virtual},
    {NULL, NULL},
};

int luaopen_scheduler(lua_State *L) {
    luaL_newlib(L, functions);
    return 1;
}
