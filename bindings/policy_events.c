/* policy_events.c -- a ring of reports. */
#include "policy_events.h"

#include <stdlib.h>
#include <unistd.h>

#include "policy_json.h"

enum { EVENTS_KEPT = 1024 };

struct policy_events {
    pthread_mutex_t lock;
    uint64_t last;                          /* number of the newest */
    struct policy_event *kept[EVENTS_KEPT]; /* at its number, modulo */
};

struct policy_events *policy_events_new(void) {
    struct policy_events *events = calloc(1, sizeof *events);
    if (events)
        pthread_mutex_init(&events->lock, NULL);
    return events;
}

void policy_events_free(struct policy_events *events) {
    if (!events)
        return;
    for (size_t i = 0; i < EVENTS_KEPT; i++)
        free(events->kept[i]);
    pthread_mutex_destroy(&events->lock);
    free(events);
}

static void copy_text(char *out, size_t room, const char *text) {
    size_t size = text ? strnlen(text, room - 1) : 0;
    memcpy(out, text ? text : "", size);
    out[size] = '\0';
}

/* Most say little, and many are kept: an event takes no more room than its message. */
static size_t size_of(size_t message) {
    return offsetof(struct policy_event, message) + message + 1;
}

void policy_events_add(struct policy_events *events, int64_t now_ms, const char *policy,
                       const char *hash, const char *event, const char *message) {
    size_t size = message ? strnlen(message, POLICY_MESSAGE_ROOM - 1) : 0;
    struct policy_event *fresh = calloc(1, size_of(size));
    if (fresh) {
        fresh->time_ms = now_ms;
        fresh->event = event;
        copy_text(fresh->policy, sizeof fresh->policy, policy);
        copy_text(fresh->version, 13, hash);
        copy_text(fresh->message, size + 1, message);
    }
    pthread_mutex_lock(&events->lock);
    uint64_t number = ++events->last;
    struct policy_event *old = events->kept[number % EVENTS_KEPT];
    if (fresh)
        fresh->number = number;
    events->kept[number % EVENTS_KEPT] = fresh;
    pthread_mutex_unlock(&events->lock);
    free(old);
}

bool policy_events_after(struct policy_events *events, uint64_t number,
                         struct policy_event *out) {
    bool found = false;
    pthread_mutex_lock(&events->lock);
    if (events->last > EVENTS_KEPT && number < events->last - EVENTS_KEPT)
        number = events->last - EVENTS_KEPT;
    while (!found && number < events->last) {
        const struct policy_event *event = events->kept[++number % EVENTS_KEPT];
        found = event != NULL;
        if (found)
            memcpy(out, event, size_of(strlen(event->message)));
    }
    pthread_mutex_unlock(&events->lock);
    return found;
}

bool policy_event_line(const struct policy_event *event, struct cairn_bytes *out) {
    struct policy_json json = {.text = *out, .ok = true};
    policy_json_open(&json, '{');
    policy_json_key(&json, "time");
    policy_json_integer(&json, event->time_ms);
    policy_json_key(&json, "process");
    policy_json_integer(&json, getpid());
    policy_json_key(&json, "policy");
    policy_json_string(&json, cairn_slice_of(event->policy));
    if (event->version[0]) {
        policy_json_key(&json, "version");
        policy_json_string(&json, cairn_slice_of(event->version));
    }
    policy_json_key(&json, "event");
    policy_json_string(&json, cairn_slice_of(event->event));
    if (event->message[0]) {
        policy_json_key(&json, "message");
        policy_json_string(&json, cairn_slice_of(event->message));
    }
    policy_json_close(&json, '}');
    policy_json_raw(&json, "\n");
    *out = json.text;
    return json.ok;
}
