/* policy_events.h -- what became of the policies: loads, refusals, breaches, trials.
 *
 * The newest EVENTS_KEPT are in memory; the host's thread appends all of them to the
 * directory's log.
 *
 * Threads: any function but policy_events_free may be called from any thread. */
#ifndef CAIRN_POLICY_EVENTS_H
#define CAIRN_POLICY_EVENTS_H

#include <stdint.h>

#include "policy_module.h"

enum { POLICY_MESSAGE_ROOM = 400 };

struct policy_event {
    uint64_t number; /* from 1 */
    int64_t time_ms;
    char policy[POLICY_NAME_ROOM];
    char version[16];                  /* or empty */
    const char *event;                 /* "loaded", ...: static */
    char message[POLICY_MESSAGE_ROOM]; /* or empty; the last field */
};

struct policy_events;

struct policy_events *policy_events_new(void); /* NULL: no memory */
void policy_events_free(struct policy_events *events);

/* `hash` may be NULL; `message` too. What there is no memory for is lost, and the next
 * number tells. */
void policy_events_add(struct policy_events *events, int64_t now_ms, const char *policy,
                       const char *hash, const char *event, const char *message);

/* The first event after `number` that is still there; false if there is none. */
bool policy_events_after(struct policy_events *events, uint64_t number,
                         struct policy_event *out);

/* As one line of JSON with a newline behind it; false without memory. */
bool policy_event_line(const struct policy_event *event, struct cairn_bytes *out);

#endif
