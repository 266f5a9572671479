/* loop_timers.c -- what a loop is to call later: a heap in one array.
 *
 * Setting and clearing cost the height of the heap, nine steps for a quarter of a
 * million timers; each timer knows its place. The array keeps the room that it once
 * needed, 16 bytes a timer. */
#include "loop.h"

#include <stdlib.h>

enum { CHILDREN = 4, FIRST_ROOM = 64 };

/* Free on its way out, and only when the loop's thread is gone. */
void loop_destroy(struct cairn_loop *loop) {
    free(loop->timers);
    pthread_cond_destroy(&loop->wake);
    pthread_mutex_destroy(&loop->lock);
}

static void put(struct cairn_loop *loop, size_t i, struct timer_slot slot) {
    loop->timers[i] = slot;
    slot.timer->place = i + 1;
}

/* What is put at `i` may belong further up ... */
static size_t sift_up(struct cairn_loop *loop, size_t i, struct timer_slot slot) {
    while (i > 0) {
        size_t parent = (i - 1) / CHILDREN;
        if (loop->timers[parent].at_ms <= slot.at_ms)
            break;
        put(loop, i, loop->timers[parent]);
        i = parent;
    }
    return i;
}

/* ... or further down. */
static size_t sift_down(struct cairn_loop *loop, size_t i, struct timer_slot slot) {
    const struct timer_slot *timers = loop->timers;
    for (;;) {
        size_t first = i * CHILDREN + 1, least = first;
        for (size_t child = first + 1;
             child < first + CHILDREN && child < loop->timer_count; child++)
            if (timers[child].at_ms < timers[least].at_ms)
                least = child;
        if (least >= loop->timer_count || slot.at_ms <= timers[least].at_ms)
            return i;
        put(loop, i, timers[least]);
        i = least;
    }
}

static void settle(struct cairn_loop *loop, size_t i, struct timer_slot slot) {
    i = sift_up(loop, i, slot);
    put(loop, sift_down(loop, i, slot), slot);
}

static bool make_room(struct cairn_loop *loop) {
    if (loop->timer_count < loop->timer_room)
        return true;
    size_t room = loop->timer_room ? 2 * loop->timer_room : FIRST_ROOM;
    struct timer_slot *timers = NULL;
    if (room <= SIZE_MAX / sizeof *timers)
        timers = realloc(loop->timers, room * sizeof *timers);
    if (!timers)
        return false;
    loop->timers = timers;
    loop->timer_room = room;
    return true;
}

enum cairn_status cairn_loop_set_timer(struct cairn_loop *loop,
                                       struct cairn_timer *timer, int64_t at_ms,
                                       struct cairn_error *error) {
    if (!timer->place && !make_room(loop))
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for timer number %zu",
                          loop->timer_count + 1);
    timer->at_ms = at_ms;
    size_t i = timer->place ? timer->place - 1 : loop->timer_count++;
    settle(loop, i, (struct timer_slot){at_ms, timer});
    return CAIRN_OK;
}

void cairn_loop_clear_timer(struct cairn_loop *loop, struct cairn_timer *timer) {
    if (!timer->place)
        return;
    size_t i = timer->place - 1;
    struct timer_slot last = loop->timers[--loop->timer_count];
    if (last.timer != timer)
        settle(loop, i, last);
    timer->place = 0;
}

void timers_fire(struct cairn_loop *loop, unsigned most) {
    unsigned fired = 0;
    while (fired < most && loop->timer_count && loop->timers[0].at_ms <= loop->now_ms) {
        struct cairn_timer *timer = loop->timers[0].timer;
        cairn_loop_clear_timer(loop, timer);
        timer->fire(timer, loop);
        fired++;
    }
    count_up(&loop->fired, fired);
}
