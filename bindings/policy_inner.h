/* policy_inner.h -- the inside of a host, shared by the files policy_*.c.
 *
 * Locks, the outer first: `loading` (one at a time looks at files and changes who
 * decides), then `lock` (short: which set of makers is in use). A call takes `lock` to
 * retain the set, or, when its decision is remembered, no lock of the host at all. */
#ifndef CAIRN_POLICY_INNER_H
#define CAIRN_POLICY_INNER_H

#include "lua_context.h"
#include "policy_archive.h"
#include "policy_events.h"
#include "policy_host.h"
#include "policy_memory.h"
#include "policy_shipped.h"
#include "policy_trace.h"

/* -- Who decides ------------------------------------------------------------------- */

/* A candidate on trial. What is counted is counted from any thread. */
struct policy_canary {
    atomic_uint users;
    struct policy_module *module;
    double share, max_errors;
    int64_t min_calls;
    uint64_t seed; /* of the draws */

    _Atomic uint64_t turns, calls, errors;
    atomic_bool over;   /* decides no more */
    char returned[160]; /* why it was given up; guarded by the host's `loading` */
};

enum { MAKERS_MAX = 3 };

/* Who is asked, in order: the user's file, the shipped policy of that name, the shipped
 * one named like the question. Immutable; a call holds on to the one it began with. */
struct policy_set {
    atomic_uint users;
    uint64_t generation;
    struct policy_module *makers[POLICY_QUESTIONS][MAKERS_MAX]; /* NULL: no more */
    struct policy_canary *canaries[POLICY_QUESTIONS];           /* or NULL */
};

/* -- The user's files -------------------------------------------------------------- */

enum { FILES_MAX = 64, PROBLEM_ROOM = 512 };

struct policy_file {
    char name[POLICY_NAME_ROOM];
    struct source_look look;        /* as it was when it was read */
    char hash[POLICY_HASH_ROOM];    /* of what was read; empty: could not be */
    struct policy_module *module;   /* the last good one; NULL */
    char problem[PROBLEM_ROOM];     /* why what was read does not decide; or empty */
    char refused[POLICY_HASH_ROOM]; /* the version of which that was said */
    bool there;                     /* at the last look */
    bool known; /* when the process began: the version was the one taken last */
};

/* A candidate's files in the directory as they were when they were looked at: hashes;
 * empty: there were none. */
struct policy_seen {
    char source[POLICY_HASH_ROOM], terms[POLICY_HASH_ROOM];
};

/* -- The host ---------------------------------------------------------------------- */

struct policy_settings {
    char *directory;             /* absolute; NULL: none */
    char *use[POLICY_QUESTIONS]; /* name of the policy; never NULL */
    bool watch, remember;
    struct sandbox_limits limits;
    struct lua_clock *clock; /* retained; NULL: the system's */
};

struct policy_host {
    struct cairn_policy policy; /* the seam: self is the host */
    struct policy_settings settings;
    struct cairn_context clock; /* what time it is */

    /* Guarded by the lock of the registry. */
    struct policy_host *next;
    size_t users;

    struct policy_memory *memory;
    struct policy_events *events;
    struct policy_trace *trace;

    pthread_mutex_t lock;
    struct policy_set *set;               /* guarded by `lock` */
    _Atomic uint64_t generation;          /* of it */
    atomic_bool trials[POLICY_QUESTIONS]; /* a canary may decide */

    pthread_mutex_t loading; /* of what follows */
    bool starting;           /* this is the first look */
    struct policy_file files[FILES_MAX];
    size_t files_count;
    struct policy_module *shipped[POLICY_SHIPPED_MAX]; /* loaded when first needed */
    struct policy_canary *canaries[POLICY_QUESTIONS]; /* the last one, also when over */
    struct policy_seen trials_seen[POLICY_QUESTIONS];
    uint64_t logged;                        /* number of the event */
    bool cannot_keep, too_many, unreadable; /* have been said */

    /* The thread: policy_watch.c. */
    pthread_t thread;
    bool has_thread;
    int wake; /* eventfd */
    atomic_bool stopping;
};

static inline int64_t policy_host_now(struct policy_host *host) {
    return cairn_context_now(&host->clock);
}

/* policy_set.c: builds the set anew from files, shipped policies and canaries, and puts
 * it in use. Needs `loading`. */
enum cairn_status policy_set_renew(struct policy_host *host, struct cairn_error *error);
struct policy_set *policy_set_borrow(struct policy_host *host);
void policy_set_release(struct policy_set *set); /* NULL is fine */

/* The shipped policy of that name, loaded; CAIRN_NOT_FOUND if there is none. Borrowed:
 * lives as long as the host. Needs `loading`. */
enum cairn_status policy_set_shipped(struct policy_host *host, const char *name,
                                     struct policy_module **out,
                                     struct cairn_error *error);

/* policy_decide.c: the functions of the seam. */
void policy_decide_init(struct policy_host *host);

/* Without memory, trace and canaries: the candidate in the place of the user's file,
 * and behind it the shipped policies and the engine, as it were once it is promoted.
 * NULL: those in use. It is decided whatever the status, which is the candidate's
 * failure. */
enum cairn_status policy_decide_with(struct policy_host *host,
                                     struct policy_module *candidate,
                                     const struct policy_ask *ask,
                                     struct cairn_error *error);

/* policy_load.c. */

/* Compiles, checks and tries a text. `name` must fit what it decides. */
enum cairn_status policy_load_text(struct policy_host *host, const char *name,
                                   const char *shown, struct cairn_slice text,
                                   struct policy_module **out,
                                   struct cairn_error *error);
/* Looks at the user's files and takes what is new: those whose look has changed, or all
 * with `force`. These two need `loading`. */
void policy_load_scan(struct policy_host *host, bool force);
struct policy_file *policy_load_find(struct policy_host *host, const char *name);

/* policy_canary.c. */
struct policy_canary *policy_canary_retain(struct policy_canary *canary);
void policy_canary_release(struct policy_canary *canary); /* NULL is fine */
/* Whether this call is the candidate's: the same for all that one call asks. */
bool policy_canary_turn(struct policy_canary *canary, const struct policy_ask *ask);
/* Counts a call of it; true if that was one failure too many. */
bool policy_canary_judge(struct policy_canary *canary, bool failed);
/* Begins a trial, ends one, puts away what is over. All need `loading`. */
enum cairn_status policy_canary_begin(struct policy_host *host,
                                      struct policy_module *module, double share,
                                      double max_errors, int64_t min_calls,
                                      struct cairn_error *error);
enum cairn_status policy_canary_end(struct policy_host *host, const char *name,
                                    struct cairn_error *error);
void policy_canary_sweep(struct policy_host *host);
/* Begins one in this process alone. */
enum cairn_status policy_canary_start(struct policy_host *host,
                                      struct policy_module *module, double share,
                                      double max_errors, int64_t min_calls,
                                      struct cairn_error *error);

/* policy_trial.c: trials as files in the directory. All need `loading`. */
void policy_trial_save(struct policy_host *host, const struct policy_canary *canary);
/* Removes them, if `hash` is NULL or that of the candidate there. */
void policy_trial_remove(struct policy_host *host, const char *name, const char *hash);
/* Begins and ends what others began and ended. */
void policy_trial_scan(struct policy_host *host);

/* policy_watch.c: the thread. */
enum cairn_status policy_watch_start(struct policy_host *host,
                                     struct cairn_error *error);
void policy_watch_stop(struct policy_host *host);
void policy_watch_wake(struct policy_host *host);
/* Appends what has happened to the directory's log. Needs `loading`. */
void policy_watch_log(struct policy_host *host);

/* policy_registry.c: the host of such settings, made if there is none; takes over the
 * settings, whatever the status. */
enum cairn_status policy_host_open(struct policy_settings *settings,
                                   struct policy_host **out, struct cairn_error *error);
void policy_settings_free(struct policy_settings *settings);

#endif
