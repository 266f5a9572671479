/* chain_threads.c -- asking several members at once, or one with a deadline.
 *
 * A store that hangs cannot be interrupted. So it is asked on a thread of its member's
 * pool, and whoever asks waits for as long as it likes and leaves. What was asked, and
 * the answers, lie in a panel that lives until the last of them lets go: a straggler
 * touches nothing of the caller's, not even its context, and releases its late answer
 * itself. It costs an allocation and two changes of thread; only decisions that ask for
 * it pay. */
#include <errno.h>
#include <stdlib.h>

#include "chain_core.h"
#include "list.h"

/* How often a waiting call looks whether it was cancelled, or its time is over. */
enum { POLL_MS = 10 };

enum interest {
    WANTED,
    LATE,    /* was told that its time is over */
    UNHEARD, /* somebody else was faster */
};

/* One member that was asked. */
struct slot {
    struct cairn_job job; /* first: a job is a slot */
    struct panel *panel;
    size_t i; /* in the order */
    struct member *member;
    struct leave leave;
    int64_t until_ns; /* of the monotonic clock */

    /* Guarded by the panel. */
    enum interest interest;
    bool finished, heard, settled;
    int64_t took_ns;
    struct answer answer;
};

struct panel {
    pthread_mutex_t lock;
    pthread_cond_t told;
    size_t users; /* the asker, and each slot that was given to a pool */

    enum question question;
    struct call call; /* a copy, for the accounts of those who are not heard */
    struct cairn_context context;
    int64_t now_ms; /* what the stragglers believe */
    atomic_bool cancelled;
    struct cairn_path path;
    struct cairn_bytes from, to; /* what `options` points at */
    struct cairn_list_options options;

    size_t count;
    struct slot slots[];
};

static int64_t frozen_clock(void *now_ms) {
    return *(int64_t *)now_ms;
}

/* -- The panel -------------------------------------------------------------------- */

static struct panel *panel_new(const struct reading *reading, size_t count) {
    const struct call *call = reading->call;
    struct panel *panel = malloc(sizeof *panel + count * sizeof *panel->slots);
    pthread_condattr_t monotonic;
    if (!panel)
        return NULL;
    pthread_mutex_init(&panel->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&panel->told, &monotonic);
    pthread_condattr_destroy(&monotonic);
    panel->users = 1;
    panel->question = reading->question;
    panel->now_ms = cairn_context_now(call->context);
    atomic_init(&panel->cancelled, false);
    panel->context =
        (struct cairn_context){.now_ms = frozen_clock,
                               .clock = &panel->now_ms,
                               .cancelled = &panel->cancelled,
                               .scopes = call->context ? call->context->scopes : 0};
    panel->call = *call;
    panel->call.context = &panel->context;
    memcpy(panel->path.room, reading->at.text.data, reading->at.text.size);
    panel->path.text = (struct cairn_slice){panel->path.room, reading->at.text.size};
    panel->call.path.text = panel->path.text;
    panel->count = 0;
    return panel;
}

static bool copy_options(struct panel *panel, const struct cairn_list_options *given) {
    panel->from = panel->to = (struct cairn_bytes){0};
    panel->options = given ? *given : (struct cairn_list_options){.values = false};
    if (!cairn_bytes_append(&panel->from, panel->options.from) ||
        !cairn_bytes_append(&panel->to, panel->options.to))
        return false;
    panel->options.from = cairn_bytes_slice(&panel->from);
    panel->options.to = cairn_bytes_slice(&panel->to);
    return true;
}

/* Lets go of the panel, whose lock is held. */
static void panel_leave(struct panel *panel) {
    size_t left = --panel->users;
    pthread_mutex_unlock(&panel->lock);
    if (left)
        return;
    pthread_cond_destroy(&panel->told);
    pthread_mutex_destroy(&panel->lock);
    cairn_bytes_free(&panel->from);
    cairn_bytes_free(&panel->to);
    free(panel);
}

/* An answer that nobody waits for: released, and told to the member's account, unless
 * that knows of its lateness. What was cut off by us says nothing about the store. */
static void discard(struct slot *slot) {
    struct panel *panel = slot->panel;
    struct answer *answer = &slot->answer;
    bool holds = panel->question == ASK_GET || panel->question == ASK_READ ||
                 panel->question == ASK_STAT;
    if (slot->interest == UNHEARD) {
        if (answer->status == CAIRN_TIMEOUT && atomic_load(&panel->cancelled))
            member_unheard(slot->member, slot->leave);
        else
            member_answered(&panel->call, slot->member, slot->leave, answer->status,
                            slot->took_ns);
    }
    if (holds && !answer->status)
        cairn_view_release(&answer->view);
    if (panel->question == ASK_LIST && !answer->status)
        cairn_list_close(answer->list);
}

static void run(struct cairn_job *job) {
    struct slot *slot = (struct slot *)job;
    struct panel *panel = slot->panel;
    pthread_mutex_lock(&panel->lock);
    if (slot->interest == WANTED) {
        pthread_mutex_unlock(&panel->lock);
        int64_t began = chain_clock_ns();
        ask(panel->question, slot->member, &panel->context, panel->path.text,
            &panel->options, &slot->answer);
        int64_t took_ns = chain_clock_ns() - began;
        pthread_mutex_lock(&panel->lock);
        slot->took_ns = took_ns;
        slot->finished = true;
        if (slot->interest != WANTED)
            discard(slot);
        else
            pthread_cond_signal(&panel->told);
    } else if (slot->interest == UNHEARD) { /* its turn never came */
        member_unheard(slot->member, slot->leave);
    }
    panel_leave(panel);
}

/* -- Asking ----------------------------------------------------------------------- */

static void admit_all(struct reading *reading, struct panel *panel, size_t first,
                      size_t count) {
    const struct cairn_chain_decision *decision = &reading->call->decision;
    int64_t now_ns = chain_clock_ns();
    for (size_t i = first; i < first + count && i < decision->count; i++) {
        struct leave leave = reading_admit(reading, i);
        if (!leave.granted)
            continue;
        int64_t ms = decision->deadline_ms[i];
        struct slot *slot = &panel->slots[panel->count++];
        slot->job.run = run;
        slot->panel = panel;
        slot->i = i;
        slot->member = call_member(reading->call, i);
        slot->leave = leave;
        slot->until_ns = ms == 0 || ms > (INT64_MAX - now_ns) / 1000000
                             ? INT64_MAX
                             : now_ns + ms * 1000000;
        slot->interest = WANTED;
        slot->finished = slot->heard = slot->settled = false;
    }
}

/* Without a thread to be had, the asker does it itself. */
static void give_all(struct panel *panel) {
    panel->users += panel->count;
    for (size_t i = 0; i < panel->count; i++) {
        struct slot *slot = &panel->slots[i];
        if (!pool_give(&slot->member->pool, &slot->job))
            run(&slot->job);
    }
}

/* Nobody is waited for any longer. Who has answered meanwhile is not heard either, but
 * who should have been heard before the `from`-th leaves a doubt. */
static void leave_all(struct reading *reading, struct panel *panel, size_t from) {
    atomic_store(&panel->cancelled, true);
    pthread_mutex_lock(&panel->lock);
    for (size_t i = 0; i < panel->count; i++) {
        struct slot *slot = &panel->slots[i];
        if (slot->heard && !slot->settled)
            member_answered(reading->call, slot->member, slot->leave,
                            slot->answer.status, slot->took_ns);
        if (slot->heard || slot->interest != WANTED)
            continue;
        slot->interest = UNHEARD;
        if (slot->finished)
            discard(slot);
        if (slot->i < from && !(slot->member->flags & CAIRN_MEMBER_TIER))
            reading->doubtful |= call_bit(reading->call, slot->i);
    }
    panel_leave(panel);
}

/* -- Waiting ---------------------------------------------------------------------- */

/* The first that has finished and was not heard; NULL: none. `*until_ns` is when the
 * first of the others is late, `*late` who is by now. The lock is held. */
static struct slot *next_slot(struct panel *panel, int64_t *until_ns,
                              struct slot **late) {
    int64_t now_ns = chain_clock_ns();
    *until_ns = INT64_MAX;
    *late = NULL;
    for (size_t i = 0; i < panel->count; i++) {
        struct slot *slot = &panel->slots[i];
        if (slot->heard || slot->interest != WANTED)
            continue;
        if (slot->finished)
            return slot;
        if (slot->until_ns <= now_ns)
            *late = slot;
        if (slot->until_ns < *until_ns)
            *until_ns = slot->until_ns;
    }
    return NULL;
}

static bool can_end(const struct cairn_context *context) {
    return context && (context->cancelled || context->deadline_ms);
}

static void wait_until(struct panel *panel, const struct cairn_context *context,
                       int64_t until_ns) {
    if (can_end(context)) {
        int64_t poll_ns = chain_clock_ns() + POLL_MS * INT64_C(1000000);
        until_ns = poll_ns < until_ns ? poll_ns : until_ns;
    }
    if (until_ns == INT64_MAX) {
        pthread_cond_wait(&panel->told, &panel->lock);
        return;
    }
    struct timespec at = {.tv_sec = until_ns / 1000000000,
                          .tv_nsec = until_ns % 1000000000};
    pthread_cond_timedwait(&panel->told, &panel->lock, &at);
}

/* A slot that finished, or is late (`*late`). Both NULL: all have been heard. */
static enum cairn_status await(struct panel *panel, const struct cairn_context *context,
                               struct slot **finished, struct slot **late,
                               struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    int64_t until_ns;
    pthread_mutex_lock(&panel->lock);
    for (;;) {
        *finished = next_slot(panel, &until_ns, late);
        bool waits = false;
        for (size_t i = 0; i < panel->count; i++)
            waits |= !panel->slots[i].heard && panel->slots[i].interest == WANTED;
        if (*finished || *late || !waits)
            break;
        if ((status = cairn_context_check(context, error)))
            break;
        wait_until(panel, context, until_ns);
    }
    if (*finished)
        (*finished)->heard = true;
    else if (*late)
        (*late)->interest = LATE;
    pthread_mutex_unlock(&panel->lock);
    return status;
}

/* -- Hearing ---------------------------------------------------------------------- */

/* The slot's answer becomes the reading's. */
static enum step hear(struct reading *reading, struct slot *slot) {
    struct answer *answer = &reading->answer;
    const struct cairn_context *context = reading->call->context;
    const struct cairn_slice path = slot->answer.path.text;
    *answer = slot->answer;
    answer->path.text = (struct cairn_slice){answer->path.room, path.size};
    chain_tell(context, reading->call->operation, slot->member, reading->at.text,
               answer->status, answer->status ? answer->error.message : NULL);
    if (reading->question == ASK_LIST && !answer->status)
        list_hand_over(answer->list, context);
    slot->settled = true;
    return reading_settle(reading, slot->i, slot->leave, slot->took_ns);
}

/* Links that dangle are followed when all have been heard: that of the first member. */
static bool dangles(const struct slot *slot) {
    return slot->answer.status == CAIRN_NOT_FOUND && slot->answer.path.text.size;
}

static enum step follow_first(struct reading *reading, struct panel *panel,
                              size_t *from) {
    for (size_t i = 0; i < panel->count; i++) {
        struct slot *slot = &panel->slots[i];
        if (!slot->heard || !dangles(slot))
            continue;
        *from = slot->i;
        return hear(reading, slot);
    }
    return STEP_NEXT;
}

/* Whom may be asked is asked, each on its thread. NULL without memory. */
static struct panel *ask_all(struct reading *reading, size_t first, size_t count) {
    struct panel *panel = panel_new(reading, count);
    if (!panel)
        return NULL;
    if (!copy_options(panel, reading->options)) {
        pthread_mutex_lock(&panel->lock);
        panel_leave(panel);
        return NULL;
    }
    admit_all(reading, panel, first, count);
    if (may_promote(reading) && !reading->watching) {
        watch_begin(&reading->watch, reading->at.text);
        reading->watching = true;
    }
    give_all(panel);
    return panel;
}

enum cairn_status reading_on_threads(struct reading *reading, size_t first,
                                     size_t count, enum step *step, size_t *from,
                                     struct cairn_error *error) {
    const struct cairn_context *context = reading->call->context;
    struct slot *slot, *late;
    *step = STEP_NEXT;
    enum cairn_status status = cairn_context_check(context, error);
    if (status)
        return status;
    struct panel *panel = ask_all(reading, first, count);
    if (!panel)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to ask %zu stores", count);
    while (*step == STEP_NEXT &&
           !(status = await(panel, context, &slot, &late, error)) && (slot || late)) {
        if (!slot) {
            reading_timed_out(reading, late->i, late->leave);
        } else if (!dangles(slot)) {
            *from = slot->i;
            *step = hear(reading, slot);
        }
    }
    if (!status && *step == STEP_NEXT)
        *step = follow_first(reading, panel, from);
    leave_all(reading, panel, *step == STEP_DONE ? *from : 0);
    return status;
}
