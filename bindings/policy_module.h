/* policy_module.h -- one version of one policy: its source, and sandboxes in which it
 * is loaded.
 *
 * A sandbox serves one call at a time; a call borrows one, and when none is idle
 * another is made. They go with the version when the last call on it has ended.
 *
 * Threads: any function but policy_module_load may be called from any thread at any
 * time; each holder releases once. */
#ifndef CAIRN_POLICY_MODULE_H
#define CAIRN_POLICY_MODULE_H

#include <pthread.h>
#include <stdatomic.h>

#include "policy_ask.h"
#include "sandbox.h"
#include "source_file.h"

enum {
    POLICY_NAME_ROOM = 32,
    POLICY_HASH_ROOM = SOURCE_HASH_ROOM,
    POLICY_SOURCE_MAX = 128 << 10
};

/* Of one version; outlives it where decisions are remembered. */
struct policy_counts {
    atomic_uint users;
    _Atomic uint64_t calls, remembered, no_opinion, errors, breaches;
};
struct policy_counts *policy_counts_retain(struct policy_counts *counts);
void policy_counts_release(struct policy_counts *counts); /* NULL is fine */

struct policy_seat; /* a sandbox with the version loaded in it */

struct policy_module {
    char name[POLICY_NAME_ROOM];
    enum policy_question question;
    char hash[POLICY_HASH_ROOM]; /* SHA-256 of the source, in hex */
    char *shown;                 /* the file, as messages name it */
    bool shipped;
    struct cairn_bytes source;
    struct sandbox_limits limits;
    int64_t since_ms;
    int decide_line; /* where `decide` begins */
    struct policy_counts *counts;

    atomic_uint users;
    pthread_mutex_t lock; /* of what follows */
    struct policy_seat *idle;
    size_t idle_count;
};

/* What a version is made from. */
struct policy_source {
    const char *name;  /* of the policy */
    const char *shown; /* of the file */
    bool shipped;
    struct cairn_slice text;
    const struct sandbox_limits *limits;
    int64_t now_ms;
};

/* Compiles, lints, runs and looks at the shape: a table with a question, a function
 * `decide` and examples, which are not tried here. Failures begin with "file:line:". */
enum cairn_status policy_module_load(const struct policy_source *source,
                                     struct policy_module **out,
                                     struct cairn_error *error);
struct policy_module *policy_module_retain(struct policy_module *module);
void policy_module_release(struct policy_module *module); /* NULL is fine */

/* Throws idle sandboxes away: they are made again when they are needed. */
void policy_module_trim(struct policy_module *module);

/* How a decision came about. */
struct policy_outcome {
    bool volatile_seen; /* it looked at a volatile fact */
    bool uncacheable;   /* it said that it is not to be remembered */
    bool line_known;    /* asked for: the decider has the line */
};

/* Asks `decide`. CAIRN_NOT_FOUND: no opinion. CAIRN_LIMIT, CAIRN_NO_MEMORY: a breach.
 * CAIRN_POLICY_ERROR: an error, or nonsense. Failures begin with "file:line:". Counts.
 */
enum cairn_status policy_module_ask(struct policy_module *module,
                                    const struct policy_ask *ask, bool with_line,
                                    struct policy_outcome *outcome,
                                    struct cairn_error *error);

/* The same for somebody who only wants to know: not counted. */
enum cairn_status policy_module_probe(struct policy_module *module,
                                      const struct policy_ask *ask, bool with_line,
                                      struct policy_outcome *outcome,
                                      struct cairn_error *error);

/* One example that was tried. `message` is NULL if it came out as it should, otherwise
 * "file:line: ...". */
typedef void (*policy_tried)(void *arg, const char *name, const char *message);

/* Tries the examples one after the other; the failure is that of the first that did not
 * come out as it should, or there is none at all. */
enum cairn_status policy_module_try(struct policy_module *module, policy_tried tried,
                                    void *arg, struct cairn_error *error);

#endif
