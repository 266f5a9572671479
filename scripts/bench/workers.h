/* workers.h -- workers within the benchmark: started from Lua, asked from Lua or, where
 * those who ask are not to wait for each other's answers, from C. */
#ifndef BENCH_WORKERS_H
#define BENCH_WORKERS_H

#include <stdatomic.h>

#include "cairn/worker.h"
#include "script.h"

/* Pushes a cairn.Workers with the handlers that are beside this file. `threads` 0: as
 * many as there are cores; `cache` where on the stack is what handlers find in their
 * context, 0: nothing. */
void bench_workers_open(lua_State *L, unsigned threads, int cache);
/* Those at `index`: ends them all. */
void bench_workers_close(lua_State *L, int index);

/* Pushes a cairn.Worker of those at `index`, started or found; its group is the
 * handler's name and a number. */
struct cairn_worker *bench_worker_push(lua_State *L, int index, const char *handler,
                                       size_t number);
/* The same without pushing it: retained. */
struct cairn_worker *bench_worker_start(lua_State *L, int index, const char *handler,
                                        size_t number);

/* -- Asking from C ----------------------------------------------------------------- */

struct bench_ask {
    struct cairn_request request;
    struct bench_asks *asks;
    double posted, answered; /* seconds; 0: not yet */
    enum cairn_status status;
};

/* So many questions, all with one body. */
struct bench_asks {
    struct cairn_parcel *body;
    struct bench_ask *list;
    size_t count, most;
    atomic_size_t open; /* are not answered yet */
};

void bench_asks_open(struct bench_asks *asks, size_t most, int64_t body);
/* Posts the next one, as somebody who has asked nothing else. */
struct bench_ask *bench_asks_post(struct bench_asks *asks, struct cairn_worker *worker);
/* Until all are answered; stops if one was not with a value. */
void bench_asks_wait(struct bench_asks *asks);
void bench_asks_close(struct bench_asks *asks);

/* Sleeps. */
void bench_rest(double seconds);

#endif
