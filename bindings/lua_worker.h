/* lua_worker.h -- workers that run Lua: what the files that make them up share.
 *
 * Callers hold cairn.Workers and cairn.Worker objects (lua_workers.c, lua_worker.c), in
 * whatever Lua state they have. Each loop has a state of its own (worker_state.c) with
 * the handlers in it (worker_handler.c); requests are run there, each in a coroutine
 * (worker_run.c), by what is in worker.lua. Between states only parcels go. */
#ifndef CAIRN_LUA_WORKER_H
#define CAIRN_LUA_WORKER_H

#include "cairn/worker.h"
#include "lua_cache.h"
#include "lua_context.h"
#include "sandbox_turn.h"
#include "worker_handler.h"

/* -- All workers of a cairn.workers ------------------------------------------------ */

struct worker_bounds {
    uint64_t steps;       /* of one request; UINT64_MAX: any */
    size_t memory_bytes;  /* the heap's growth in one request, and what it leaves */
    size_t message_bytes; /* of a message it is started with or asked */
    int64_t slice_ns;
};

/* Shared by the objects of all Lua states, and by the loops. */
struct workers_ref {
    atomic_uint users;   /* of this memory */
    atomic_uint holders; /* of the shared one: Lua states; the last one closes */
    atomic_bool is_closed;
    bool is_shared; /* the one that a process has without asking for another */
    struct cairn_workers *workers;
    struct handlers *handlers;
    struct cache_ref *cache;     /* what handlers find in their context; or NULL */
    struct lua_clock *clock;     /* NULL: the system's */
    struct worker_bounds bounds; /* where a worker has no others */
    size_t queue_most;
    int64_t timeout_ms, drain_ms;
    size_t state_bytes; /* of one loop's Lua */
    struct cairn_bytes package_path, package_cpath;
    struct workers_control *control; /* NULL: not asked from outside */
    int log;                         /* -1: none */
};

/* -- One worker -------------------------------------------------------------------- */

enum worker_strategy { WORKER_THROW, WORKER_IGNORE };

/* In the room of a cairn_worker. */
struct lua_worker {
    struct cairn_worker *worker; /* whose room this is */
    struct workers_ref *ref;
    struct handler *handler;      /* retained */
    struct cairn_parcel *message; /* what it was started with, until its first turn */
    struct cairn_parcel *durable; /* how it is kept; NULL: not */
    struct worker_bounds bounds;
    enum worker_strategy strategy;
    bool is_static;
    enum cairn_end why; /* while it stops */

    /* On its loop. */
    uint64_t serial; /* of the version of the handler that it runs; 0: none yet */
    int own;         /* reference to its table in the registry; 0: none yet */
    int thread;      /* reference to `co`; 0: no turn is under way */
    lua_State *co;
    bool has_begun;                /* its handler has a state: it is stopped in order */
    enum cairn_status gave_up;     /* told by worker.lua before it raises: it ends */
    struct cairn_request reminder; /* without a body: from itself */
    struct cairn_timer timer;
    bool is_reminded;       /* the timer is set, or the reminder under way */
    struct lua_lead *leads; /* what it computes for others */
    struct lua_wait *wait;  /* what it waits for; NULL: nothing */
    bool is_renewed; /* its next turn is accounted for as the first of a request */
    struct sandbox_account account; /* of the request under way */
    int64_t bytes;                  /* of all before */
};

extern const struct cairn_worker_kind lua_worker_kind;

/* What somebody leads, in a userdata: if that is a worker, and it breaks or is killed,
 * those who wait are told at once, and not when the userdata is collected. */
struct lua_lead {
    void (*abandon)(struct lua_lead *lead, const char *why);
    struct lua_lead *next, **link; /* of the worker's; link NULL: not a worker's */
};
void lua_lead_begin(struct lua_lead *lead);
void lua_lead_end(struct lua_lead *lead); /* one that has ended is fine */
void worker_abandon_leads(struct lua_worker *own, const char *why);

/* -- One loop ---------------------------------------------------------------------- */

/* The data of a loop (cairn_loop_data). */
struct worker_state {
    struct sandbox *sandbox;
    lua_State *L;
    struct workers_ref *ref;      /* borrowed */
    struct cairn_worker *current; /* whose turn it is; NULL */
    int serve, stop;              /* references to functions of worker.lua */
    struct cairn_arena arena;     /* of an answer that is being converted */
    int threads[64];              /* references to idle coroutines */
    unsigned thread_count;
};

enum cairn_status worker_state_open(struct workers_ref *ref, struct cairn_loop *loop,
                                    struct cairn_error *error);
void worker_state_close(struct cairn_loop *loop);
/* What a state in which a handler is only tried has, too: `require "cairn"`. */
void worker_state_prepare(void *arg, lua_State *L);
/* The state of this thread; NULL: it is no loop of workers. */
struct worker_state *worker_state_current(void);

/* Functions that only worker.lua uses; pushes a table of them. */
void worker_push_core(lua_State *L);

/* -- Objects ----------------------------------------------------------------------- */

#define WORKERS_TYPE "cairn.Workers"
#define WORKER_TYPE "cairn.Worker"

/* Milliseconds since the epoch, on their clock. */
int64_t workers_now(const struct workers_ref *ref);
/* Into the log, if there is one: what happened to a handler or a worker. */
void workers_report(void *ref, const char *event, const char *name, const char *version,
                    const char *message);
void workers_retain(struct workers_ref *ref);
void workers_release(struct workers_ref *ref);
/* workers_open.c: with the settings in the table at `index`, which workers.lua has
 * checked. */
enum cairn_status workers_open(lua_State *L, int index, struct workers_ref **out,
                               struct cairn_error *error);
/* Drains and closes. */
void workers_close(struct workers_ref *ref);

/* Raises if it is none, or closed. */
struct workers_ref *cairn_lua_checkworkers(lua_State *L, int index);
struct cairn_worker *cairn_lua_checkworker(lua_State *L, int index);
/* Pushes an object that owns the reference. */
void cairn_lua_push_worker(lua_State *L, struct workers_ref *ref,
                           struct cairn_worker *worker);

/* Pushes a cairn.WorkerInfo. */
void cairn_lua_push_worker_info(lua_State *L, const struct cairn_worker_facts *facts);

/* workers_seen.c */
int workers_list(lua_State *L);     /* (workers, prefix or nil) */
int workers_stats(lua_State *L);    /* (workers) */
int workers_handlers(lua_State *L); /* (workers) */

void cairn_lua_init_worker(lua_State *L);
/* Makes the classes, and the functions in the module at the top of the stack. */
void cairn_lua_init_workers(lua_State *L);

#endif
