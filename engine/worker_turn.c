/* worker_turn.c -- a worker on its loop: its turns, its idleness and its end.
 *
 * One run of the task takes many steps, so that a worker that gets small requests does
 * not pay the loop's price for each; it leaves the loop to others after so many, or
 * when its time is up. */
#include <stdio.h>

#include "worker_core.h"

enum {
    STEPS_MOST = 64,    /* of one run */
    STEPS_PER_LOOK = 4, /* at the clock */
    RUN_NS = 200000,
};

enum step {
    STEP_ON,    /* there may be more to do */
    STEP_REST,  /* until there is a signal */
    STEP_AGAIN, /* after the others */
    STEP_ENDED,
};

/* -- Its end ----------------------------------------------------------------------- */

/* Of who waits for one that is killed, or broke. */
static void obituary(struct cairn_worker *worker, struct cairn_landing *landing) {
    char why[sizeof landing->error.message + sizeof "ended: "];
    const struct tally *tally = worker->tally;
    *landing = (struct cairn_landing){.status = CAIRN_LEADER_DIED};
    spin_lock(&worker->lock);
    const struct death *death = worker->death;
    if (death)
        landing->detail = death->status;
    snprintf(why, sizeof why, "ended: %s",
             death               ? death->why
             : worker->is_dying  ? "it was killed"
             : tally->has_broken ? tally->broken.message
                                 : "it could not go on");
    spin_unlock(&worker->lock);
    worker_fail(worker, &landing->error, CAIRN_LEADER_DIED, why);
}

/* What it broke on: the others only learn that it did. */
static void tell_breaker(struct cairn_worker *worker) {
    const struct tally *tally = worker->tally;
    if (!worker->request || !tally->has_broken || !tally->broken_as)
        return;
    const struct cairn_landing landing = {.status = tally->broken_as,
                                          .error = tally->broken};
    cairn_worker_answer(worker, &landing);
}

/* Nobody waits for it any more, and nobody will. */
static void tell_all(struct cairn_worker *worker) {
    spin_lock(&worker->lock);
    mailbox_close(&worker->mailbox);
    struct cairn_request *list = mailbox_take_all(&worker->mailbox);
    spin_unlock(&worker->lock);
    tell_breaker(worker);
    if (!list && !worker->request)
        return;
    struct cairn_landing landing;
    obituary(worker, &landing);
    cairn_worker_answer(worker, &landing);
    while (list) {
        struct cairn_request *request = list;
        list = mailbox_next(request);
        worker_tell(worker->tally, request, &landing);
        tally_leave(worker->owner, worker->tally);
    }
}

static void leave_token(struct cairn_worker *worker) {
    if (worker->has_token)
        tally_leave(worker->owner, worker->tally);
    worker->has_token = false;
}

static void leave_registry(struct cairn_worker *worker) {
    struct registry_stripe *stripe =
        registry_lock(&worker->owner->registry, worker->hash);
    registry_remove(stripe, worker);
    registry_unlock(stripe);
}

static void call_endings(struct cairn_worker *worker) {
    spin_lock(&worker->lock);
    worker->has_ended = true;
    struct cairn_ending *list = worker->endings;
    worker->endings = NULL;
    spin_unlock(&worker->lock);
    while (list) {
        struct cairn_ending *ending = list;
        list = list->next;
        ending->ended(ending);
    }
}

/* Closing goes on when the last one is gone, and waits for this loop then. */
static void leave_count(struct cairn_worker *worker) {
    atomic_fetch_sub(&worker->owner->live, 1);
}

static enum step over(struct cairn_worker *worker) {
    atomic_fetch_or(&worker->signals, SIGNAL_OVER);
    workers_notify(worker->owner);
    return STEP_ENDED;
}

/* Who is told may start another one at once: the group is free by then. */
static enum step finish(struct cairn_worker *worker, enum cairn_end why) {
    atomic_fetch_add(&worker->owner->ended[why], 1);
    cairn_loop_clear_timer(worker->tally->loop, &worker->timer);
    leave_registry(worker);
    tell_all(worker);
    leave_token(worker);
    worker->turn = NO_TURN;
    worker_set_state(worker, CAIRN_WORKER_ENDED);
    if (worker->kind->free)
        worker->kind->free(worker);
    leave_count(worker); /* before: who is told finds room for another one */
    call_endings(worker);
    return over(worker);
}

/* It lost a race for its group before anybody knew it. */
static enum step discard(struct cairn_worker *worker) {
    if (worker->kind->free)
        worker->kind->free(worker);
    leave_count(worker);
    return over(worker);
}

/* Who waits is told at once, however long giving up takes. */
static enum step die(struct cairn_worker *worker) {
    if (worker->is_dying && !worker->is_woken)
        return STEP_REST;
    if (worker->is_dying)
        worker->is_woken = false;
    worker->is_dying = true;
    tell_all(worker);
    worker_set_state(worker, CAIRN_WORKER_ENDS);
    if (worker->turn != NO_TURN && worker->kind->give_up &&
        !worker->kind->give_up(worker))
        return STEP_ON;
    return finish(worker, CAIRN_END_KILLED);
}

/* -- Its turns --------------------------------------------------------------------- */

static bool was_killed(struct cairn_worker *worker) {
    return atomic_load(&worker->signals) & SIGNAL_KILL;
}

static enum step end_turn(struct cairn_worker *worker) {
    worker->turn = NO_TURN;
    if (worker->request) {
        struct cairn_landing landing = {0};
        landing.status = worker_fail(worker, &landing.error, CAIRN_LEADER_DIED,
                                     "had its turn and did not answer");
        cairn_worker_answer(worker, &landing);
    }
    leave_token(worker);
    return worker->is_stopping ? finish(worker, worker->why) : STEP_ON;
}

static enum step after(struct cairn_worker *worker, enum cairn_turn turn) {
    switch (turn) {
    case CAIRN_TURN_WAITS:
        worker->turn = TURN_WAITS;
        if (!worker->is_stopping)
            worker_set_state(worker, CAIRN_WORKER_WAITS);
        return STEP_ON;
    case CAIRN_TURN_USED_UP:
        worker->turn = TURN_USED_UP;
        if (!worker->is_stopping)
            worker_set_state(worker, CAIRN_WORKER_READY);
        return STEP_AGAIN;
    case CAIRN_TURN_OVER:
        return end_turn(worker);
    case CAIRN_TURN_ENDS:
        break;
    }
    if (worker->is_stopping)
        return finish(worker, worker->why);
    return finish(worker, was_killed(worker) ? CAIRN_END_KILLED : CAIRN_END_BROKEN);
}

/* Before the kind is called. A wake is of the turn in which it comes. */
static void enter_turn(struct cairn_worker *worker, enum cairn_worker_state state) {
    if (worker->turn == NO_TURN || worker->turn == TURN_WAITS)
        worker->is_woken = false;
    worker->turn = TURN_RUNS;
    worker->tally->has_broken = false;
    worker->tally->broken_as = CAIRN_OK;
    worker_set_state(worker, state);
}

static enum step serve(struct cairn_worker *worker, struct cairn_request *request) {
    enter_turn(worker, CAIRN_WORKER_RUNS);
    if (!request->is_quiet)
        worker->is_idle = false;
    worker->request = request;
    worker->has_token = true; /* the request's */
    return after(worker, worker->kind->serve(worker, request));
}

static enum step resume(struct cairn_worker *worker) {
    enter_turn(worker, worker->is_stopping ? CAIRN_WORKER_ENDS : CAIRN_WORKER_RUNS);
    return after(worker, worker->kind->resume(worker));
}

static enum step stop(struct cairn_worker *worker, enum cairn_end why) {
    enter_turn(worker, CAIRN_WORKER_ENDS);
    worker->is_stopping = true;
    worker->why = (unsigned char)why;
    tally_enter(worker->tally);
    atomic_fetch_add(&worker->tally->not_posted, 1);
    worker->has_token = true;
    return after(worker, worker->kind->stop ? worker->kind->stop(worker, why)
                                            : CAIRN_TURN_OVER);
}

/* -- Its idleness ------------------------------------------------------------------ */

void worker_tick(struct cairn_timer *timer, struct cairn_loop *loop) {
    (void)loop;
    worker_signal((void *)((char *)timer - offsetof(struct cairn_worker, timer)),
                  SIGNAL_TICK);
}

/* A timer that is set stays: most are busy again before it fires, and look then how
 * long they have been idle. Without memory for it, it is tried at the next rest. */
static enum step rest(struct cairn_worker *worker) {
    struct cairn_loop *loop = worker->tally->loop;
    if (!worker->is_idle)
        worker->idle_since_ms = cairn_loop_now_ms(loop);
    worker->is_idle = true;
    worker_set_state(worker, CAIRN_WORKER_IDLE);
    if (worker->timeout_ms && !worker->timer.place)
        (void)cairn_loop_set_timer(loop, &worker->timer,
                                   worker->idle_since_ms + worker->timeout_ms, NULL);
    return STEP_REST;
}

static bool is_due(const struct cairn_worker *worker) {
    return worker->asked & SIGNAL_TICK && worker->is_idle &&
           cairn_loop_now_ms(worker->tally->loop) - worker->idle_since_ms >=
               worker->timeout_ms;
}

/* Not if somebody was faster. */
static enum step stop_empty(struct cairn_worker *worker, enum cairn_end why) {
    spin_lock(&worker->lock);
    bool empty = mailbox_close_empty(&worker->mailbox);
    spin_unlock(&worker->lock);
    return empty ? stop(worker, why) : STEP_ON;
}

/* -- Steps ------------------------------------------------------------------------- */

static void take_signals(struct cairn_worker *worker) {
    if (atomic_load_explicit(&worker->signals, memory_order_relaxed) == SIGNAL_RUNS)
        return;
    unsigned signals = atomic_exchange(&worker->signals, SIGNAL_RUNS);
    if (signals & SIGNAL_WAKE)
        worker->is_woken = true;
    worker->asked |= signals & ~(unsigned)(SIGNAL_MAIL | SIGNAL_WAKE | SIGNAL_RUNS);
}

static struct cairn_request *take_request(struct cairn_worker *worker) {
    spin_lock(&worker->lock);
    struct cairn_request *request = mailbox_take(&worker->mailbox);
    spin_unlock(&worker->lock);
    return request;
}

/* The mailbox of one that is stopped or replaced was closed before it was told. */
static enum step begin(struct cairn_worker *worker) {
    struct cairn_request *request = take_request(worker);
    if (request)
        return serve(worker, request);
    if (worker->asked & SIGNAL_REPLACE)
        return stop(worker, CAIRN_END_REPLACED);
    if (worker->asked & SIGNAL_STOP)
        return stop(worker, CAIRN_END_STOPPED);
    if (worker->asked & SIGNAL_CLOSE)
        return stop_empty(worker, CAIRN_END_CLOSED);
    bool due = is_due(worker);
    worker->asked &= ~(unsigned)SIGNAL_TICK;
    return due ? stop_empty(worker, CAIRN_END_IDLE) : rest(worker);
}

static enum step take_step(struct cairn_worker *worker) {
    take_signals(worker);
    if (worker->asked & SIGNAL_DISCARD)
        return discard(worker);
    if (worker->asked & SIGNAL_KILL)
        return die(worker);
    if (worker->turn == NO_TURN)
        return begin(worker);
    if (worker->turn == TURN_WAITS && !worker->is_woken)
        return STEP_REST;
    return resume(worker);
}

/* Sleeps, if nobody has set a signal meanwhile. */
static void settle(struct cairn_worker *worker, enum step step) {
    unsigned runs = SIGNAL_RUNS;
    if (step == STEP_ENDED) {
        cairn_worker_release(worker);
        return;
    }
    if (step != STEP_REST && worker->turn == NO_TURN)
        worker_set_state(worker, CAIRN_WORKER_READY);
    struct cairn_loop *loop = worker->tally->loop;
    if (step != STEP_REST)
        cairn_loop_post_later(loop, &worker->task);
    else if (!atomic_compare_exchange_strong(&worker->signals, &runs, 0))
        cairn_loop_post(loop, &worker->task);
}

void worker_run(struct cairn_task *task, struct cairn_loop *loop) {
    (void)loop;
    struct cairn_worker *worker =
        (void *)((char *)task - offsetof(struct cairn_worker, task));
    int64_t begun_ns = worker_now_ns();
    cairn_actor before = cairn_actor_enter(worker->actor);
    enum step step = STEP_ON;
    for (unsigned i = 1; step == STEP_ON && i <= STEPS_MOST; i++) {
        step = take_step(worker);
        if (i % STEPS_PER_LOOK == 0 && worker_now_ns() - begun_ns > RUN_NS)
            break;
    }
    cairn_actor_enter(before);
    worker_count(&worker->busy_ns, (uint64_t)(worker_now_ns() - begun_ns));
    settle(worker, step);
}

/* -- For kinds --------------------------------------------------------------------- */

struct cairn_request *cairn_worker_request(struct cairn_worker *worker) {
    return worker->request;
}

void cairn_worker_answer(struct cairn_worker *worker,
                         const struct cairn_landing *landing) {
    struct cairn_request *request = worker->request;
    if (!request)
        return;
    worker->request = NULL;
    worker_count(&worker->requests, !request->is_quiet);
    if (landing->status) {
        worker_count(&worker->failures, !request->is_quiet);
        worker->tally->has_broken = true;
        worker->tally->broken = landing->error;
    }
    worker_tell(worker->tally, request, landing);
}

void cairn_worker_break(struct cairn_worker *worker, enum cairn_status status,
                        const struct cairn_error *error) {
    worker->tally->has_broken = true;
    worker->tally->broken_as = status;
    worker->tally->broken = *error;
}
