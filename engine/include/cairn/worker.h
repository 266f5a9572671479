/* worker.h -- many cheap actors, each with a mailbox, on a few threads.
 *
 * A worker answers requests one after another, in the order in which they came. It
 * lives on one loop of a scheduler, chosen by the hash of its group, and is found by
 * the name of that group; what it does with a request is its kind's, which may wait
 * without holding the loop. Mailboxes and the registry of groups take no lock that all
 * share.
 *
 * A worker is idle, or has a turn, or waits in the midst of one (for a timer, another
 * worker, a slow read), until it ends: asked to stop, idle for longer than its timeout,
 * or broken. Whoever still waits for an ended worker is told CAIRN_LEADER_DIED.
 *
 * Threads: any function may be called from any thread unless it says "on its loop". */
#ifndef CAIRN_WORKER_H
#define CAIRN_WORKER_H

#include "cairn/flight.h"
#include "cairn/scheduler.h"

struct cairn_workers;
struct cairn_worker; /* counted */

/* -- All of them ------------------------------------------------------------------- */

struct cairn_workers_options {
    struct cairn_scheduler_options scheduler;
    size_t most; /* workers at a time; 0: 1,000,000 */
};

enum cairn_status cairn_workers_open(const struct cairn_workers_options *options,
                                     struct cairn_workers **out,
                                     struct cairn_error *error);
/* No request is accepted any more, but of workers who still have work, until who is
 * asked has begun its last turn; each worker answers those it has and is stopped
 * (CAIRN_END_CLOSED): all when nobody has anything to do, or three quarters of the time
 * are over. What is not over after `drain_ms` (-1: any time) is killed. Then the
 * scheduler is closed. Once, and not from a loop. NULL is fine. */
void cairn_workers_close(struct cairn_workers *workers, int64_t drain_ms);
struct cairn_scheduler *cairn_workers_scheduler(struct cairn_workers *workers);
/* Computations that callers without a worker lead; closed with the workers. */
struct cairn_flights *cairn_workers_flights(struct cairn_workers *workers);

/* -- What is asked ----------------------------------------------------------------- */

/* Embedded in what the asker made. Belongs to the worker from a successful post until
 * `answered`, which is called once, on any thread, and must not block. Of the landing
 * the parcel is borrowed. */
struct cairn_request {
    struct cairn_parcel *body; /* the owner's */
    bool waits;                /* somebody waits for the answer: rings are looked for */
    bool is_quiet; /* a worker's own, to itself: not counted, and no less idle for it */
    void (*answered)(struct cairn_request *request,
                     const struct cairn_landing *landing);

    struct cairn_edge edge; /* may be erased by an asker who waits no longer */
    _Atomic(struct cairn_request *) next;
    int64_t posted_ns;
};

/* -- What a worker does ------------------------------------------------------------ */

enum cairn_turn {
    CAIRN_TURN_OVER,    /* the request was answered; or the worker has stopped */
    CAIRN_TURN_WAITS,   /* goes on after cairn_worker_wake */
    CAIRN_TURN_USED_UP, /* goes on after the others of this loop */
    CAIRN_TURN_ENDS,    /* the worker cannot go on: it ends without `stop` */
};

/* Why a worker ends. */
enum cairn_end {
    CAIRN_END_STOPPED,  /* cairn_worker_stop */
    CAIRN_END_IDLE,     /* its timeout */
    CAIRN_END_CLOSED,   /* all are */
    CAIRN_END_REPLACED, /* another one took its group */
    CAIRN_END_BROKEN,   /* CAIRN_TURN_ENDS */
    CAIRN_END_KILLED,   /* cairn_worker_kill */
    CAIRN_END_COUNT,
};
const char *cairn_end_word(enum cairn_end end); /* "stopped", "idle", ... */

/* All on the worker's loop, as the actor that the worker is. */
struct cairn_worker_kind {
    size_t room; /* bytes of each worker, zeroed, that are the kind's */

    /* Begins with a request, which it answers (cairn_worker_answer) before it is over.
     */
    enum cairn_turn (*serve)(struct cairn_worker *worker,
                             struct cairn_request *request);
    /* Goes on with what it waited in, or had no time left for: serve or stop. */
    enum cairn_turn (*resume)(struct cairn_worker *worker);
    /* The last turn of one that ends in order. NULL: nothing to do. */
    enum cairn_turn (*stop)(struct cairn_worker *worker, enum cairn_end why);
    /* Gives up what is under way, because it is killed: true if there is nothing left
     * that could wake it, false if one more wake will come (then it is asked again). */
    bool (*give_up)(struct cairn_worker *worker);
    /* The worker is over: frees what is in its room. Of one that never had a turn, too.
     */
    void (*free)(struct cairn_worker *worker);
};

struct cairn_worker_options {
    const struct cairn_worker_kind *kind;
    struct cairn_slice group; /* 1 to 1,024 bytes; copied */
    struct cairn_slice label; /* what the kind calls it, for facts; copied */
    int64_t timeout_ms;       /* of idleness; 0: never ends by itself */
    size_t queue_most;        /* requests that wait; 0: 1,024 */
    bool replace; /* ends who has the group (after the request under way) and takes his
                     requests over, instead of giving him */
    /* Fills the room before anybody can see the worker; on this thread. */
    void (*fill)(void *arg, struct cairn_worker *worker);
    void *arg;
};

/* The worker of a group, made if there is none (`*made`, may be NULL); retained for the
 * caller. CAIRN_LIMIT: too many; CAIRN_UNAVAILABLE: all are being closed. */
enum cairn_status cairn_worker_start(struct cairn_workers *workers,
                                     const struct cairn_worker_options *options,
                                     struct cairn_worker **out, bool *made,
                                     struct cairn_error *error);
/* Retained; NULL: there is none. */
struct cairn_worker *cairn_worker_find(struct cairn_workers *workers,
                                       struct cairn_slice group);
struct cairn_worker *cairn_worker_retain(struct cairn_worker *worker);
void cairn_worker_release(struct cairn_worker *worker); /* NULL is fine */

/* CAIRN_LIMIT: its queue is full; CAIRN_LEADER_DIED: it has ended; CAIRN_UNAVAILABLE:
 * all are being closed; CAIRN_INFINITE_RECURSION: somebody waits for the answer for
 * whom it waits, over whatever others. In each case the request is still the caller's.
 */
enum cairn_status cairn_worker_post(struct cairn_worker *worker,
                                    struct cairn_request *request,
                                    struct cairn_error *error);
/* Ends it after the requests that it has; `ended` (may be NULL) is called once, on its
 * loop, or at once if it has ended. */
struct cairn_ending {
    void (*ended)(struct cairn_ending *ending);
    struct cairn_ending *next;
};
void cairn_worker_stop(struct cairn_worker *worker, struct cairn_ending *ending);
/* Ends it now: after its turn, if it has one. Who waits is told CAIRN_LEADER_DIED with
 * `why`; `status` is the `detail` of that landing. */
void cairn_worker_kill(struct cairn_worker *worker, enum cairn_status status,
                       const char *why);
/* Gives the requests that wait for one worker to another, in order: how many. Those for
 * which the other has no room are told CAIRN_LIMIT, those that would wait for
 * themselves CAIRN_INFINITE_RECURSION. */
size_t cairn_worker_forward(struct cairn_worker *from, struct cairn_worker *to);

/* -- For kinds --------------------------------------------------------------------- */

void *cairn_worker_room(struct cairn_worker *worker);
struct cairn_workers *cairn_worker_owner(struct cairn_worker *worker);
struct cairn_loop *cairn_worker_loop(struct cairn_worker *worker);
cairn_actor cairn_worker_actor(const struct cairn_worker *worker);

/* On its loop. The request that has its turn; NULL: none, or answered. */
struct cairn_request *cairn_worker_request(struct cairn_worker *worker);
void cairn_worker_answer(struct cairn_worker *worker,
                         const struct cairn_landing *landing);
/* On its loop, before CAIRN_TURN_ENDS and instead of an answer: what the request is
 * told when the worker is no longer found by anybody. */
void cairn_worker_break(struct cairn_worker *worker, enum cairn_status status,
                        const struct cairn_error *error);
/* On its loop. It is found by this name from now on, and not by the one before: false,
 * and nothing done, if another worker has it. It stays on its loop. */
enum cairn_status cairn_worker_move(struct cairn_worker *worker,
                                    struct cairn_slice group, bool *moved,
                                    struct cairn_error *error);
/* One that waits goes on; a wake that comes before it waits is kept. The worker must be
 * retained by who wakes. */
void cairn_worker_wake(struct cairn_worker *worker);
/* On its loop: told in cairn_worker_facts. */
void cairn_worker_note_memory(struct cairn_worker *worker, int64_t bytes);

/* -- Seen from outside ------------------------------------------------------------- */

enum cairn_worker_state {
    CAIRN_WORKER_IDLE,
    CAIRN_WORKER_READY, /* has requests, or a turn to go on with */
    CAIRN_WORKER_RUNS,
    CAIRN_WORKER_WAITS,
    CAIRN_WORKER_ENDS, /* its last turn */
    CAIRN_WORKER_ENDED,
    CAIRN_WORKER_STATE_COUNT,
};
const char *cairn_worker_state_word(enum cairn_worker_state state);

struct cairn_worker_facts {
    struct cairn_slice group; /* during the visit */
    struct cairn_slice label; /* as long as the worker is retained */
    enum cairn_worker_state state;
    unsigned loop;
    size_t queue;      /* requests that wait */
    uint64_t requests; /* answered */
    uint64_t failures; /* of them */
    uint64_t busy_ns;  /* of its turns */
    int64_t memory_bytes;
    int64_t started_ms; /* since the epoch */
    cairn_actor actor;
};

/* Approximate while it works; `group` is copied to `room` (1,024 bytes). */
void cairn_worker_facts(struct cairn_worker *worker, struct cairn_worker_facts *out,
                        char room[1024]);
/* All that are not over, while the stripe of each is locked; those whose group begins
 * with `prefix`. The visitor must not call back into the workers. */
void cairn_workers_each(struct cairn_workers *workers, struct cairn_slice prefix,
                        void (*visit)(void *arg,
                                      const struct cairn_worker_facts *facts),
                        void *arg);

struct cairn_workers_counts {
    uint64_t workers, started, ended[CAIRN_END_COUNT];
    uint64_t posted, answered, failed, refused_full, rings, forwarded;
};
void cairn_workers_counts(struct cairn_workers *workers,
                          struct cairn_workers_counts *out);

#endif
