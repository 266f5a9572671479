/* workers_kind.c -- workers that do what a request says, in words; see workers.c. */
#include "workers_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- What is waited for ------------------------------------------------------------ */

void ask_release(struct ask *ask) {
    if (atomic_fetch_sub(&ask->users, 1) != 1)
        return;
    pthread_cond_destroy(&ask->changed);
    pthread_mutex_destroy(&ask->lock);
    free(ask);
}

static void tell(struct ask *ask, enum cairn_status status, const char *message,
                 unsigned detail) {
    struct cairn_worker *asker = ask->asker;
    pthread_mutex_lock(&ask->lock);
    ask->times++;
    ask->status = status;
    ask->detail = detail;
    memcpy(ask->message, message, strlen(message) + 1);
    pthread_cond_broadcast(&ask->changed);
    pthread_mutex_unlock(&ask->lock);
    if (asker) {
        cairn_worker_wake(asker);
        cairn_worker_release(asker);
    }
    ask_release(ask);
}

static void on_answer(struct cairn_request *request,
                      const struct cairn_landing *landing) {
    tell((struct ask *)request, landing->status, landing->error.message,
         landing->detail);
}

static void on_end(struct cairn_ending *ending) {
    struct ask *ask = (void *)((char *)ending - offsetof(struct ask, ending));
    tell(ask, CAIRN_OK, "", 0);
}

/* For two: who waits, and who tells. NULL without memory. */
struct ask *ask_new(const char *words, bool waits) {
    struct ask *ask = calloc(1, sizeof *ask);
    if (!ask)
        return NULL;
    strncpy(ask->words, words, WORDS_MAX - 1);
    ask->request.waits = waits;
    ask->request.answered = on_answer;
    ask->ending.ended = on_end;
    atomic_init(&ask->users, 2);
    pthread_mutex_init(&ask->lock, NULL);
    pthread_cond_init(&ask->changed, NULL);
    return ask;
}

static bool is_over(struct ask *ask) {
    pthread_mutex_lock(&ask->lock);
    bool over = ask->times > 0;
    pthread_mutex_unlock(&ask->lock);
    return over;
}

struct timespec in_ms(int64_t ms) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

/* -- What workers do --------------------------------------------------------------- */

struct room {
    struct world *world;
    struct cairn_worker *self;
    const char *words; /* of what is under way */
    char stop[WORDS_MAX];
    struct ask *out;
    long turns;
    struct cairn_timer timer;
    struct cairn_offload offload;
    bool is_away;
};

static struct room *room_of(struct cairn_worker *worker) {
    return cairn_worker_room(worker);
}

static void note(struct cairn_worker *worker, const char *words) {
    struct world *world = room_of(worker)->world;
    struct cairn_worker_facts facts;
    char group[1024];
    cairn_worker_facts(worker, &facts, group);
    pthread_mutex_lock(&world->lock);
    if (world->count < LOG_MAX)
        snprintf(world->log[world->count++], WORDS_MAX, "%.*s %.100s",
                 (int)facts.group.size % 50, group, words);
    pthread_mutex_unlock(&world->lock);
}

static void wait_at_gate(struct world *world) {
    pthread_mutex_lock(&world->lock);
    world->held++;
    pthread_cond_broadcast(&world->changed);
    while (!world->gate)
        pthread_cond_wait(&world->changed, &world->lock);
    world->held--;
    pthread_mutex_unlock(&world->lock);
}

static enum cairn_turn over(struct cairn_worker *worker, enum cairn_status status,
                            const char *message) {
    struct cairn_landing landing = {.status = status};
    cairn_fail(&landing.error, status, "%s", message);
    cairn_worker_answer(worker, &landing);
    return CAIRN_TURN_OVER;
}

static void on_timer(struct cairn_timer *timer, struct cairn_loop *loop) {
    (void)loop;
    cairn_worker_wake(
        ((struct room *)((char *)timer - offsetof(struct room, timer)))->self);
}

static void at_gate(struct cairn_offload *offload) {
    wait_at_gate(
        ((struct room *)((char *)offload - offsetof(struct room, offload)))->world);
}

static void past_gate(struct cairn_offload *offload, struct cairn_loop *loop) {
    struct room *room = (void *)((char *)offload - offsetof(struct room, offload));
    (void)loop;
    room->is_away = false;
    cairn_worker_wake(room->self);
}

/* "ask GROUP WORDS" */
static enum cairn_turn ask_other(struct cairn_worker *worker, const char *group,
                                 bool waits) {
    struct room *room = room_of(worker);
    struct cairn_error error = {{0}};
    size_t size = strcspn(group, " ");
    struct cairn_worker *other = cairn_worker_find(cairn_worker_owner(worker),
                                                   (struct cairn_slice){group, size});
    if (!other)
        return over(worker, CAIRN_NOT_FOUND, group);
    struct ask *ask = ask_new(group + size + (group[size] == ' '), waits);
    ask->asker = waits ? cairn_worker_retain(worker) : NULL;
    enum cairn_status status = cairn_worker_post(other, &ask->request, &error);
    cairn_worker_release(other);
    if (status) {
        cairn_worker_release(ask->asker);
        ask_release(ask);
    } else if (waits) {
        room->out = ask;
        return CAIRN_TURN_WAITS;
    }
    ask_release(ask);
    return over(worker, status, error.message);
}

static enum cairn_turn start_other(struct cairn_worker *worker, const char *group);

static enum cairn_turn move(struct cairn_worker *worker, const char *group) {
    bool moved;
    struct cairn_error error = {{0}};
    enum cairn_status status =
        cairn_worker_move(worker, cairn_slice_of(group), &moved, &error);
    return over(worker, status, status ? error.message : moved ? "moved" : "taken");
}

static enum cairn_turn sleep_for(struct cairn_worker *worker, long ms) {
    struct room *room = room_of(worker);
    struct cairn_loop *loop = cairn_worker_loop(worker);
    struct cairn_error error;
    room->timer.fire = on_timer;
    enum cairn_status status =
        cairn_loop_set_timer(loop, &room->timer, cairn_loop_now_ms(loop) + ms, &error);
    return status ? over(worker, status, error.message) : CAIRN_TURN_WAITS;
}

static enum cairn_turn go_away(struct cairn_worker *worker) {
    struct room *room = room_of(worker);
    room->is_away = true;
    room->offload = (struct cairn_offload){.run = at_gate, .done = past_gate};
    cairn_loop_offload(cairn_worker_loop(worker), &room->offload);
    return CAIRN_TURN_WAITS;
}

static enum cairn_turn echo(struct cairn_worker *worker, const char *words) {
    return over(worker, CAIRN_OK, words);
}

static enum cairn_turn fail(struct cairn_worker *worker, const char *words) {
    return over(worker, CAIRN_UNAVAILABLE, words[0] ? words : "it failed");
}

static enum cairn_turn break_down(struct cairn_worker *worker, const char *words) {
    fail(worker, words);
    return CAIRN_TURN_ENDS;
}

static enum cairn_turn end(struct cairn_worker *worker, const char *words) {
    (void)worker, (void)words;
    return CAIRN_TURN_ENDS;
}

static enum cairn_turn say_nothing(struct cairn_worker *worker, const char *words) {
    (void)worker, (void)words;
    return CAIRN_TURN_OVER;
}

static enum cairn_turn wait(struct cairn_worker *worker, const char *words) {
    (void)worker, (void)words;
    return CAIRN_TURN_WAITS;
}

static enum cairn_turn wake_and_wait(struct cairn_worker *worker, const char *words) {
    (void)words;
    cairn_worker_wake(worker);
    return CAIRN_TURN_WAITS;
}

static enum cairn_turn use_turns(struct cairn_worker *worker, const char *words) {
    room_of(worker)->turns = atol(words);
    return CAIRN_TURN_USED_UP;
}

static enum cairn_turn sleep_ms(struct cairn_worker *worker, const char *words) {
    return sleep_for(worker, atol(words));
}

static enum cairn_turn be_slow(struct cairn_worker *worker, const char *words) {
    (void)words;
    return go_away(worker);
}

static enum cairn_turn hold(struct cairn_worker *worker, const char *words) {
    wait_at_gate(room_of(worker)->world);
    return echo(worker, words);
}

static enum cairn_turn ask(struct cairn_worker *worker, const char *words) {
    return ask_other(worker, words, true);
}

static enum cairn_turn send(struct cairn_worker *worker, const char *words) {
    return ask_other(worker, words, false);
}

static const struct {
    const char *word;
    enum cairn_turn (*run)(struct cairn_worker *worker, const char *words);
} verbs[] = {
    {"ask", ask},           {"break", break_down}, {"eager", wake_and_wait},
    {"echo", echo},         {"fail", fail},        {"hold", hold},
    {"move", move},         {"mute", say_nothing}, {"send", send},
    {"silent", end},        {"sleep", sleep_ms},   {"slow", be_slow},
    {"start", start_other}, {"turns", use_turns},  {"wait", wait},
};

static enum cairn_turn run(struct cairn_worker *worker, const char *words) {
    size_t size = strcspn(words, " ");
    room_of(worker)->words = words;
    note(worker, words);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strlen(verbs[i].word) == size && memcmp(verbs[i].word, words, size) == 0)
            return verbs[i].run(worker, words + size + (words[size] == ' '));
    return over(worker, CAIRN_INVALID_ARGUMENT, words);
}

static enum cairn_turn serve(struct cairn_worker *worker,
                             struct cairn_request *request) {
    return run(worker, ((struct ask *)request)->words);
}

/* A last turn answers nobody. */
static enum cairn_turn resume(struct cairn_worker *worker) {
    struct room *room = room_of(worker);
    note(worker, "again");
    if (room->turns && --room->turns)
        return CAIRN_TURN_USED_UP;
    if (!room->out)
        return echo(worker, "");
    struct ask *out = room->out;
    if (!is_over(out))
        return CAIRN_TURN_WAITS;
    room->out = NULL;
    over(worker, out->status, out->message);
    ask_release(out);
    return CAIRN_TURN_OVER;
}

static enum cairn_turn stop(struct cairn_worker *worker, enum cairn_end why) {
    char words[WORDS_MAX];
    struct room *room = room_of(worker);
    snprintf(words, sizeof words, "ends: %s", cairn_end_word(why));
    note(worker, words);
    return room->stop[0] ? run(worker, room->stop) : CAIRN_TURN_OVER;
}

static bool give_up(struct cairn_worker *worker) {
    struct room *room = room_of(worker);
    note(worker, "gives up");
    cairn_loop_clear_timer(cairn_worker_loop(worker), &room->timer);
    if (room->out)
        ask_release(room->out);
    room->out = NULL;
    return !room->is_away;
}

static void free_room(struct cairn_worker *worker) {
    atomic_fetch_sub(&room_of(worker)->world->alive, 1);
}

const struct cairn_worker_kind kind = {
    .room = sizeof(struct room),
    .serve = serve,
    .resume = resume,
    .stop = stop,
    .give_up = give_up,
    .free = free_room,
};

void fill(void *arg, struct cairn_worker *worker) {
    const struct filling *filling = arg;
    struct room *room = room_of(worker);
    room->world = filling->world;
    room->self = worker;
    strncpy(room->stop, filling->stop, WORDS_MAX - 1);
    atomic_fetch_add(&filling->world->alive, 1);
}

static enum cairn_turn start_other(struct cairn_worker *worker, const char *group) {
    struct filling filling = {room_of(worker)->world, ""};
    struct cairn_worker_options options = {
        .kind = &kind, .group = cairn_slice_of(group), .fill = fill, .arg = &filling};
    struct cairn_worker *other = NULL;
    struct cairn_error error = {{0}};
    enum cairn_status status =
        cairn_worker_start(cairn_worker_owner(worker), &options, &other, NULL, &error);
    cairn_worker_release(other);
    return over(worker, status, error.message);
}
