/* workers.c -- workers, and questions that are posted to them from C. */
#include "workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lua_worker.h"

enum { PATIENCE_S = 120 };

/* -- Workers ----------------------------------------------------------------------- */

void bench_workers_open(lua_State *L, unsigned threads, int cache) {
    bench_script_loop(L, "workers");
    if (threads)
        lua_pushinteger(L, threads);
    else
        lua_pushnil(L);
    lua_pushliteral(L, BENCH_HANDLERS "/?.lua");
    if (cache)
        lua_pushvalue(L, cache);
    else
        lua_pushnil(L);
    bench_script_call(L, 3, 1);
}

void bench_workers_close(lua_State *L, int index) {
    int at = lua_absindex(L, index);
    bench_script_loop(L, "close");
    lua_pushvalue(L, at);
    bench_script_call(L, 1, 0);
}

struct cairn_worker *bench_worker_push(lua_State *L, int index, const char *handler,
                                       size_t number) {
    int at = lua_absindex(L, index);
    bench_script_loop(L, "worker");
    lua_pushvalue(L, at);
    lua_pushstring(L, handler);
    lua_pushinteger(L, (lua_Integer)number);
    bench_script_call(L, 3, 1);
    return cairn_lua_checkworker(L, -1);
}

struct cairn_worker *bench_worker_start(lua_State *L, int index, const char *handler,
                                        size_t number) {
    struct cairn_worker *worker = bench_worker_push(L, index, handler, number);
    cairn_worker_retain(worker);
    lua_pop(L, 1);
    return worker;
}

/* -- Asking ------------------------------------------------------------------------ */

void bench_rest(double seconds) {
    struct timespec time = {(time_t)seconds,
                            (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (seconds > 0 && nanosleep(&time, &time) != 0)
        ;
}

void bench_asks_open(struct bench_asks *asks, size_t most, int64_t body) {
    const struct cairn_value value = {.type = CAIRN_VALUE_INTEGER, .as.integer = body};
    struct cairn_error error;
    *asks = (struct bench_asks){.most = most};
    atomic_init(&asks->open, 0);
    asks->list = calloc(most, sizeof *asks->list);
    if (!asks->list)
        bench_stop("no memory for %zu questions", most);
    bench_check(cairn_parcel_new(&value, &asks->body, &error), &error,
                "make a request");
}

void bench_asks_close(struct bench_asks *asks) {
    cairn_parcel_release(asks->body);
    free(asks->list);
}

static void answered(struct cairn_request *request,
                     const struct cairn_landing *landing) {
    struct bench_ask *ask = (struct bench_ask *)request;
    ask->answered = bench_now();
    ask->status = landing->status;
    atomic_fetch_sub(&ask->asks->open, 1);
}

struct bench_ask *bench_asks_post(struct bench_asks *asks,
                                  struct cairn_worker *worker) {
    struct cairn_error error;
    if (asks->count == asks->most)
        bench_stop("more than %zu questions", asks->most);
    struct bench_ask *ask = &asks->list[asks->count++];
    *ask = (struct bench_ask){
        .request = {.body = asks->body, .waits = true, .answered = answered},
        .asks = asks,
    };
    atomic_fetch_add(&asks->open, 1);
    cairn_actor before = cairn_actor_enter(cairn_actor_new());
    ask->posted = bench_now();
    bench_check(cairn_worker_post(worker, &ask->request, &error), &error,
                "post a request");
    cairn_actor_enter(before);
    return ask;
}

void bench_asks_wait(struct bench_asks *asks) {
    double began = bench_now();
    while (atomic_load(&asks->open)) {
        if (bench_now() - began > PATIENCE_S)
            bench_stop("%zu requests were not answered within %d s",
                       atomic_load(&asks->open), PATIENCE_S);
        bench_rest(0.001);
    }
    for (size_t i = 0; i < asks->count; i++)
        if (asks->list[i].status)
            bench_stop("a request was answered with '%s'",
                       cairn_status_word(asks->list[i].status));
}
