/* worker_stress.c -- threads that start, ask, forward, stop, kill and close workers who
 * ask each other, wait and break.
 *
 *     worker_stress --seconds N
 *         Rounds until the time is up, each with workers of its own. In every other
 *         round nothing ends a worker but the closing, which has all the time it wants:
 *         there no request may be lost. In each round every request that was accepted
 *         is answered once, nobody who waits is forgotten, and what a kind keeps of a
 *         worker is freed once.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cairn/worker.h"

enum { THREADS = 4, GROUPS = 24, PATIENCE_S = 60, ROUND_MS = 250 };

static struct cairn_workers *workers;
static bool is_gentle; /* nothing ends a worker but the closing */
static atomic_bool stopping, is_closed;
static atomic_uint holding; /* threads that only post any more */
static atomic_uint failures;
static _Atomic uint64_t accepted, answered, made, freed, endings, ended;
static struct cairn_workers_counts total; /* of all rounds */

static void complain(const char *what, uint64_t a, uint64_t b) {
    fprintf(stderr, "not so: %s (%" PRIu64 ", %" PRIu64 ")\n", what, a, b);
    atomic_fetch_add(&failures, 1);
}

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static struct cairn_slice group_of(uint64_t random, char room[16]) {
    snprintf(room, 16, "group %u", (unsigned)(random % GROUPS));
    return cairn_slice_of(room);
}

/* -- What is asked ----------------------------------------------------------------- */

enum what { ECHO, YIELD, SLEEP, READ, WAKE_FIRST, ASK, SEND, MOVE, FAIL, BREAK, WHATS };

/* Counted by who waits for it and who answers it. */
struct ask {
    struct cairn_request request;
    enum what what;
    unsigned depth;
    uint64_t seed;
    atomic_uint users, times;
    struct cairn_worker *asker; /* retained; NULL: a thread, or nobody */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_over;
    enum cairn_status status;
};

static void ask_release(struct ask *ask) {
    if (atomic_fetch_sub(&ask->users, 1) != 1)
        return;
    pthread_mutex_destroy(&ask->lock);
    pthread_cond_destroy(&ask->changed);
    free(ask);
}

static void on_answer(struct cairn_request *request,
                      const struct cairn_landing *landing) {
    struct ask *ask = (struct ask *)request;
    if (atomic_fetch_add(&ask->times, 1))
        complain("a request is answered once", ask->what, ask->depth);
    if (is_gentle && landing->status == CAIRN_LEADER_DIED)
        complain("nothing is lost in a clean stop", ask->what, ask->depth);
    struct cairn_worker *asker = ask->asker;
    pthread_mutex_lock(&ask->lock);
    ask->is_over = true;
    ask->status = landing->status;
    pthread_cond_broadcast(&ask->changed);
    pthread_mutex_unlock(&ask->lock);
    if (asker) {
        cairn_worker_wake(asker);
        cairn_worker_release(asker);
    }
    ask_release(ask);
    atomic_fetch_add(&answered, 1);
}

static bool is_over(struct ask *ask) {
    pthread_mutex_lock(&ask->lock);
    bool over = ask->is_over;
    pthread_mutex_unlock(&ask->lock);
    return over;
}

static struct ask *ask_new(uint64_t *seed, unsigned depth, bool waits) {
    struct ask *ask = calloc(1, sizeof *ask);
    if (!ask)
        exit(1);
    ask->what = next_random(seed) % (is_gentle ? FAIL + 1 : WHATS);
    ask->depth = depth;
    ask->seed = next_random(seed) | 1;
    ask->request.waits = waits;
    ask->request.answered = on_answer;
    atomic_init(&ask->users, 2);
    pthread_mutex_init(&ask->lock, NULL);
    pthread_cond_init(&ask->changed, NULL);
    return ask;
}

/* NULL: refused. */
static struct ask *post(struct cairn_worker *worker, uint64_t *seed, unsigned depth,
                        bool waits, struct cairn_worker *asker) {
    struct cairn_error error;
    struct ask *ask = ask_new(seed, depth, waits);
    if (asker)
        ask->asker = cairn_worker_retain(asker);
    atomic_fetch_add(&accepted, 1); /* before it may be answered */
    enum cairn_status status = cairn_worker_post(worker, &ask->request, &error);
    if (!status)
        return ask;
    if (status != CAIRN_LIMIT && status != CAIRN_LEADER_DIED &&
        status != CAIRN_UNAVAILABLE && status != CAIRN_INFINITE_RECURSION)
        complain("refused for a reason", status, 0);
    atomic_fetch_sub(&accepted, 1);
    cairn_worker_release(ask->asker);
    ask_release(ask);
    ask_release(ask);
    return NULL;
}

/* -- What workers do --------------------------------------------------------------- */

struct room {
    uint64_t *memory; /* so that what is freed twice, or never, is noticed */
    struct ask *out;  /* what it waits for */
    unsigned turns;
    struct cairn_timer timer;
    struct cairn_offload offload;
    bool is_away, is_due;
    struct cairn_worker *self;
};

static struct room *room_of(struct cairn_worker *worker) {
    return cairn_worker_room(worker);
}

static void fill(void *arg, struct cairn_worker *worker) {
    (void)arg;
    room_of(worker)->memory = malloc(sizeof(uint64_t));
    room_of(worker)->self = worker;
    atomic_fetch_add(&made, 1);
}

static enum cairn_turn over(struct cairn_worker *worker, enum cairn_status status) {
    struct cairn_landing landing = {.status = status};
    if (status)
        cairn_fail(&landing.error, status, "as it was asked to");
    cairn_worker_answer(worker, &landing);
    return CAIRN_TURN_OVER;
}

static void on_timer(struct cairn_timer *timer, struct cairn_loop *loop) {
    struct room *room = (void *)((char *)timer - offsetof(struct room, timer));
    (void)loop;
    room->is_due = true;
    cairn_worker_wake(room->self);
}

static void read_slowly(struct cairn_offload *offload) {
    (void)offload;
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

static void on_read(struct cairn_offload *offload, struct cairn_loop *loop) {
    struct room *room = (void *)((char *)offload - offsetof(struct room, offload));
    (void)loop;
    room->is_away = false;
    cairn_worker_wake(room->self);
}

static const struct cairn_worker_kind kind;

static struct cairn_worker *any_worker(uint64_t *seed, bool replace) {
    char name[16];
    struct cairn_worker *worker = NULL;
    struct cairn_worker_options options = {
        .kind = &kind,
        .group = group_of(next_random(seed), name),
        .timeout_ms = is_gentle ? 0 : (int64_t)(next_random(seed) % 20),
        .queue_most = 16,
        .replace = replace,
        .fill = fill,
    };
    struct cairn_error error;
    enum cairn_status status =
        cairn_worker_start(workers, &options, &worker, NULL, &error);
    if (status && status != CAIRN_UNAVAILABLE)
        complain(error.message, status, 0);
    return status ? NULL : worker;
}

static enum cairn_turn ask_other(struct cairn_worker *worker, struct ask *ask) {
    struct cairn_worker *other = ask->depth < 4 ? any_worker(&ask->seed, false) : NULL;
    bool waits = ask->what == ASK;
    struct ask *out =
        other ? post(other, &ask->seed, ask->depth + 1, waits, waits ? worker : NULL)
              : NULL;
    cairn_worker_release(other);
    if (out && waits) {
        room_of(worker)->out = out;
        return CAIRN_TURN_WAITS;
    }
    if (out)
        ask_release(out);
    return over(worker, CAIRN_OK);
}

static enum cairn_turn move(struct cairn_worker *worker, struct ask *ask) {
    char name[16];
    bool moved;
    struct cairn_error error;
    if (cairn_worker_move(worker, group_of(ask->seed, name), &moved, &error))
        complain(error.message, 0, 0);
    return over(worker, CAIRN_OK);
}

static enum cairn_turn serve(struct cairn_worker *worker,
                             struct cairn_request *request) {
    struct ask *ask = (struct ask *)request;
    struct room *room = room_of(worker);
    switch (ask->what) {
    case YIELD:
        room->turns = ask->seed % 4;
        return CAIRN_TURN_USED_UP;
    case SLEEP:
        room->is_due = false;
        room->timer.fire = on_timer;
        if (cairn_loop_set_timer(cairn_worker_loop(worker), &room->timer,
                                 cairn_loop_now_ms(cairn_worker_loop(worker)) + 1,
                                 NULL))
            return over(worker, CAIRN_NO_MEMORY);
        return CAIRN_TURN_WAITS;
    case READ:
        room->is_away = true;
        room->offload = (struct cairn_offload){.run = read_slowly, .done = on_read};
        cairn_loop_offload(cairn_worker_loop(worker), &room->offload);
        return CAIRN_TURN_WAITS;
    case WAKE_FIRST:
        cairn_worker_wake(worker);
        return CAIRN_TURN_WAITS;
    case ASK:
    case SEND:
        return ask_other(worker, ask);
    case MOVE:
        return move(worker, ask);
    case FAIL:
        return over(worker, CAIRN_UNAVAILABLE);
    case BREAK:
        return CAIRN_TURN_ENDS;
    default:
        return over(worker, CAIRN_OK);
    }
}

static enum cairn_turn resume(struct cairn_worker *worker) {
    struct room *room = room_of(worker);
    if (room->turns && room->turns--)
        return CAIRN_TURN_USED_UP;
    if (room->is_away || room->timer.place || (room->out && !is_over(room->out)))
        return CAIRN_TURN_WAITS; /* a wake of something before */
    if (room->out)
        ask_release(room->out);
    room->out = NULL;
    return over(worker, CAIRN_OK);
}

/* A last message: in a clean stop whoever has not stopped takes it. */
static enum cairn_turn stop(struct cairn_worker *worker, enum cairn_end why) {
    uint64_t seed = (uintptr_t)worker | 1;
    char name[16];
    (void)why;
    struct cairn_worker *other = cairn_worker_find(cairn_worker_owner(worker),
                                                   group_of(next_random(&seed), name));
    struct ask *out = other ? post(other, &seed, 4, false, NULL) : NULL;
    cairn_worker_release(other);
    if (out)
        ask_release(out);
    return CAIRN_TURN_OVER;
}

static bool give_up(struct cairn_worker *worker) {
    struct room *room = room_of(worker);
    cairn_loop_clear_timer(cairn_worker_loop(worker), &room->timer);
    if (room->out) {
        cairn_edge_erase(&room->out->request.edge);
        ask_release(room->out);
        room->out = NULL;
    }
    return !room->is_away;
}

static void free_room(struct cairn_worker *worker) {
    struct room *room = room_of(worker);
    if (room->is_away || room->out)
        complain("what is freed is not used any more", room->is_away, 0);
    free(room->memory);
    room->memory = NULL;
    atomic_fetch_add(&freed, 1);
}

static const struct cairn_worker_kind kind = {
    .room = sizeof(struct room),
    .serve = serve,
    .resume = resume,
    .stop = stop,
    .give_up = give_up,
    .free = free_room,
};

/* -- What threads do --------------------------------------------------------------- */

/* Half of those who wait lose their patience. */
static void await(struct ask *ask, bool patient) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    if (patient)
        until.tv_sec += PATIENCE_S;
    else
        until.tv_nsec = (until.tv_nsec + 1000000) % 1000000000;
    int failed = 0;
    pthread_mutex_lock(&ask->lock);
    while (!ask->is_over && !failed)
        failed = pthread_cond_timedwait(&ask->changed, &ask->lock, &until);
    pthread_mutex_unlock(&ask->lock);
    if (failed && patient) {
        complain("who waits is told", ask->what, ask->depth);
        exit(1);
    }
    cairn_edge_erase(&ask->request.edge);
    ask_release(ask);
}

static void on_end(struct cairn_ending *ending) {
    atomic_fetch_add(&ended, 1);
    free(ending);
}

static void end_one(struct cairn_worker *worker, uint64_t random) {
    struct cairn_ending *ending = calloc(1, sizeof *ending);
    if (random % 3 == 0) {
        free(ending);
        cairn_worker_kill(worker, CAIRN_LIMIT, "it was its turn");
        return;
    }
    ending->ended = on_end;
    atomic_fetch_add(&endings, 1);
    cairn_worker_stop(worker, ending);
}

static void look_at(void *arg, const struct cairn_worker_facts *facts) {
    if (facts->group.size == 0 || facts->queue > 100000)
        complain("facts make sense", facts->group.size, facts->queue);
    ++*(unsigned *)arg;
}

static void look(struct cairn_worker *worker) {
    char room[1024];
    unsigned seen = 0;
    struct cairn_worker_facts facts;
    struct cairn_workers_counts counts;
    cairn_worker_facts(worker, &facts, room);
    look_at(&seen, &facts);
    cairn_workers_each(workers, cairn_slice_of("group 1"), look_at, &seen);
    cairn_workers_counts(workers, &counts);
}

static void act(struct cairn_worker *worker, uint64_t *seed) {
    uint64_t random = next_random(seed) % 64;
    struct ask *ask = NULL;
    if (random == 0 && !is_gentle) {
        end_one(worker, next_random(seed));
    } else if (random == 1) {
        cairn_worker_wake(worker);
    } else if (random == 2) {
        look(worker);
    } else if (random <= 4 && !is_gentle) {
        struct cairn_worker *other = any_worker(seed, random == 3);
        if (other)
            cairn_worker_forward(worker, other);
        cairn_worker_release(other);
    } else {
        ask = post(worker, seed, 0, random % 4 == 0, NULL);
    }
    if (ask && ask->request.waits)
        await(ask, random % 8 == 0 || is_gentle);
    else if (ask)
        ask_release(ask);
}

/* Goes on with one that it holds while all are closed, and after that. */
static void post_on(struct cairn_worker *worker, uint64_t *seed) {
    bool was_closed;
    do {
        was_closed = atomic_load(&is_closed);
        struct ask *ask = post(worker, seed, 0, false, NULL);
        if (ask && was_closed)
            complain("who has ended accepts nothing", 0, 0);
        if (ask)
            ask_release(ask);
    } while (!was_closed);
}

static void *run_thread(void *arg) {
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&stopping)) {
        struct cairn_worker *worker = any_worker(&seed, false);
        for (int i = 0; worker && i < 8; i++)
            act(worker, &seed);
        cairn_worker_release(worker);
    }
    struct cairn_worker *held = any_worker(&seed, false);
    atomic_fetch_add(&holding, 1);
    post_on(held, &seed);
    cairn_worker_release(held);
    return NULL;
}

/* -- Rounds ------------------------------------------------------------------------ */

static void check_round(void) {
    if (accepted != answered)
        complain("all that was accepted is answered", accepted, answered);
    if (made != freed)
        complain("what was made is freed", made, freed);
    if (endings != ended)
        complain("who waits for an end is told", endings, ended);
}

static void add_counts(void) {
    struct cairn_workers_counts counts;
    cairn_workers_counts(workers, &counts);
    total.posted += counts.posted;
    total.rings += counts.rings;
    total.forwarded += counts.forwarded;
    total.refused_full += counts.refused_full;
    for (int i = 0; i < CAIRN_END_COUNT; i++)
        total.ended[i] += counts.ended[i];
}

/* What did not happen was not tried. */
static void report(unsigned rounds) {
    printf("%" PRIu64 " requests in %u rounds, %u mistakes: %" PRIu64 " rings, %" PRIu64
           " forwarded, %" PRIu64 " refused",
           total.posted, rounds, atomic_load(&failures), total.rings, total.forwarded,
           total.refused_full);
    for (int i = 0; i < CAIRN_END_COUNT; i++)
        if (i != CAIRN_END_CLOSED)
            printf(", %" PRIu64 " %s", total.ended[i], cairn_end_word(i));
    printf("\n");
}

static void run_round(unsigned number) {
    pthread_t threads[THREADS];
    struct cairn_error error;
    struct cairn_workers_options options = {.scheduler = {.loops = 1 + number % 3}};
    is_gentle = number % 2;
    accepted = answered = made = freed = endings = ended = 0;
    atomic_store(&stopping, false);
    atomic_store(&is_closed, false);
    atomic_store(&holding, 0);
    if (cairn_workers_open(&options, &workers, &error)) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, run_thread,
                       (void *)(number * 1000003 + i * 7919 + 1));
    nanosleep(&(struct timespec){.tv_nsec = ROUND_MS * 1000000L}, NULL);
    atomic_store(&stopping, true);
    while (atomic_load(&holding) < THREADS)
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    add_counts();
    cairn_workers_close(workers, is_gentle ? -1 : number % 4 ? 20 : 0);
    atomic_store(&is_closed, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check_round();
}

int main(int count, char **arguments) {
    double seconds =
        count == 3 && strcmp(arguments[1], "--seconds") == 0 ? atof(arguments[2]) : 0;
    if (seconds <= 0) {
        fprintf(stderr, "usage: worker_stress --seconds N\n");
        return 2;
    }
    struct timespec begun, now;
    unsigned rounds = 0;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    do {
        run_round(rounds++);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - begun.tv_sec) < seconds || rounds < 4);
    report(rounds);
    return atomic_load(&failures) ? 1 : 0;
}
