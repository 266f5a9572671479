/* row_reload.c -- a policy that is edited while it decides: how long until the new
 * version does, whom that holds up, and what is left behind in memory. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <math.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "script.h"

enum { VERSION_SIZE = 12, FILE_ROOM = 64 << 10, PATH_ROOM = 4096 };

/* The file that is edited: the shipped cache control, with another comment behind it
 * each time. */
struct editing {
    lua_State *L; /* on its stack: the loops, the policies, the shipped source */
    const struct cairn_policy *policy;
    char path[PATH_ROOM];
    size_t source_size;
    char text[FILE_ROOM];
    unsigned edits;
};

enum { POLICIES = BENCH_LOOPS + 1 };

static void editing_open(struct editing *editing, const struct bench *bench,
                         const char *name, bool watched) {
    const char *directory = bench_path(bench, name);
    lua_State *L = editing->L = bench_script_open();
    bench_script_policies(L, directory, watched);
    editing->policy = bench_script_policy(L);
    snprintf(editing->path, PATH_ROOM, "%s/cache_control.lua", directory);
    bench_script_loop(L, "source");
    lua_pushvalue(L, POLICIES);
    lua_pushliteral(L, "cache_control");
    bench_script_call(L, 2, 1);
    const char *source = lua_tolstring(L, -1, &editing->source_size);
    if (editing->source_size > FILE_ROOM - 64)
        bench_stop("the shipped policy has %zu bytes", editing->source_size);
    memcpy(editing->text, source, editing->source_size);
    editing->edits = 0;
}

static void editing_close(struct editing *editing) {
    lua_close(editing->L);
}

/* The first characters of SHA-256 in hex, as versions are called. */
static void version_of(const char *text, size_t size, char out[VERSION_SIZE + 1]) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    if (!EVP_Digest(text, size, hash, NULL, EVP_sha256(), NULL))
        bench_stop("OpenSSL cannot hash");
    for (size_t i = 0; i < VERSION_SIZE / 2; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

/* Saves the next version. Returns when it began to close the file. */
static double edit(struct editing *editing, char version[VERSION_SIZE + 1]) {
    char *end = editing->text + editing->source_size;
    size_t size = editing->source_size +
                  (size_t)snprintf(end, 64, "\n-- Edit %u.\n", ++editing->edits);
    version_of(editing->text, size, version);
    int file = open(editing->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || write(file, editing->text, size) != (ssize_t)size)
        bench_stop("cannot write %s: %s", editing->path, strerror(errno));
    double saved = bench_now();
    if (close(file) != 0)
        bench_stop("cannot write %s: %s", editing->path, strerror(errno));
    return saved;
}

static void wait_us(unsigned us) {
    struct timespec time = {.tv_nsec = 1000L * us};
    while (nanosleep(&time, &time) != 0)
        ;
}

static void decide(const struct cairn_policy *policy, const char *line,
                   struct cairn_cache_decision *out) {
    const struct cairn_cache_facts facts = {
        .moment = CAIRN_AT_LOOKUP,
        .request = {true, cairn_slice_of(line)},
        .now_ms = 1700000000000,
        .base = cairn_slice_of("dKpsmt7ma6VCPJUO2mDDpUmZ3WvPgRZXQKgGmG50cuA"),
        .path = cairn_slice_of("balance"),
    };
    cairn_policy_cache(policy, NULL, &facts, out);
}

/* -- How long until it decides ---------------------------------------------------- */

enum { EDITS = 20, PAUSE_US = 50000, LOOK_US = 50, PATIENCE_S = 10 };

static double take_effect(struct editing *editing) {
    char version[VERSION_SIZE + 1];
    struct cairn_cache_decision decision;
    double saved = edit(editing, version), now;
    do {
        wait_us(LOOK_US);
        decide(editing->policy, "cache, max-age=60, min-fresh=5", &decision);
        now = bench_now();
        if (now - saved > PATIENCE_S)
            bench_stop("version %s of %s does not decide after %d s, %s does", version,
                       editing->path, PATIENCE_S, decision.by.version);
    } while (strcmp(decision.by.version, version) != 0);
    return (now - saved) * 1000;
}

void bench_reload_ms(const struct bench *bench, struct bench_result *result) {
    static struct editing editing;
    double ms[EDITS];
    editing_open(&editing, bench, "edited", true);
    take_effect(&editing);
    for (unsigned i = 0; i < bench->repeats; i++) {
        for (size_t k = 0; k < EDITS; k++) {
            wait_us(PAUSE_US);
            ms[k] = take_effect(&editing);
        }
        result->ratios[i] = bench_median(ms, EDITS);
    }
    result->count = bench->repeats;
    result->operations = (size_t)EDITS * bench->repeats;
    result->note = "from closing the file until the new version decides";
    editing_close(&editing);
}

/* -- Whom it holds up ------------------------------------------------------------- */

enum { PHASES = 12, PHASE_MS = 500, EDIT_EVERY_MS = 50, DECIDERS_MAX = 64 };

struct decider {
    pthread_t thread;
    const struct cairn_policy *policy;
    const atomic_bool *stop, *editing;
    /* Without edits and with them. */
    uint64_t calls[2], slow[2], failed;
};

/* One in so many calls has facts that were never met. */
enum { NEW_EVERY = 16 };

static void *decide_on(void *arg) {
    struct decider *decider = arg;
    struct cairn_cache_decision decision;
    char line[64] = "cache, max-age=60, min-fresh=5";
    for (uint64_t i = 0; !atomic_load_explicit(decider->stop, memory_order_relaxed);
         i++) {
        bool is_new = i % NEW_EVERY == 0;
        bool editing = atomic_load_explicit(decider->editing, memory_order_relaxed);
        snprintf(line, sizeof line, "cache, max-age=%llu, min-fresh=5",
                 is_new ? (unsigned long long)i : 60);
        double began = bench_now();
        decide(decider->policy, line, &decision);
        decider->slow[editing] += bench_now() - began > 1e-3;
        decider->calls[editing]++;
        decider->failed +=
            strcmp(decision.by.policy, "cache_control") != 0 || !decision.lookup;
    }
    return NULL;
}

static void phase(struct editing *editing, bool edits) {
    char version[VERSION_SIZE + 1];
    for (int ms = 0; ms < PHASE_MS; ms += EDIT_EVERY_MS) {
        if (edits)
            edit(editing, version);
        wait_us(EDIT_EVERY_MS * 1000);
    }
}

/* The share of slow calls with edits over that without. A slow call more on both sides
 * keeps a machine that never stalls from dividing nothing by nothing. */
static double judge(const struct decider *deciders, size_t count) {
    double calls[2] = {0, 0}, slow[2] = {1, 1};
    for (size_t i = 0; i < count; i++) {
        if (deciders[i].failed)
            bench_stop("%llu decisions were not the policy's while it was edited",
                       (unsigned long long)deciders[i].failed);
        for (int edits = 0; edits < 2; edits++) {
            calls[edits] += (double)deciders[i].calls[edits];
            slow[edits] += (double)deciders[i].slow[edits];
        }
    }
    return slow[1] / calls[1] / (slow[0] / calls[0]);
}

static double stalls(struct editing *editing, size_t threads, size_t *operations) {
    struct decider deciders[DECIDERS_MAX] = {0};
    atomic_bool stop = false, edits = false;
    for (size_t i = 0; i < threads; i++) {
        deciders[i].policy = editing->policy;
        deciders[i].stop = &stop;
        deciders[i].editing = &edits;
        if (pthread_create(&deciders[i].thread, NULL, decide_on, &deciders[i]))
            bench_stop("cannot start %zu threads", threads);
    }
    for (int i = 0; i < PHASES; i++) {
        atomic_store(&edits, i % 2);
        phase(editing, i % 2);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < threads; i++) {
        pthread_join(deciders[i].thread, NULL);
        *operations += deciders[i].calls[0] + deciders[i].calls[1];
    }
    return judge(deciders, threads);
}

void bench_reload_stalls(const struct bench *bench, struct bench_result *result) {
    static struct editing editing;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = cores < 1              ? 1
                     : cores > DECIDERS_MAX ? DECIDERS_MAX
                                            : (size_t)cores;
    editing_open(&editing, bench, "edited-under-load", true);
    take_effect(&editing);
    for (unsigned i = 0; i < bench->repeats; i++)
        result->ratios[i] = stalls(&editing, threads, &result->operations);
    result->count = bench->repeats;
    result->note = "calls over 1 ms, with edits every 50 ms over without; none failed";
    editing_close(&editing);
}

/* -- What is left behind ---------------------------------------------------------- */

enum { RELOADS = 10000, WARM_UP = 500 };

static void reload(struct editing *editing, size_t times) {
    char version[VERSION_SIZE + 1];
    struct cairn_cache_decision decision;
    for (size_t i = 0; i < times; i++) {
        edit(editing, version);
        bench_script_loop(editing->L, "reload");
        lua_pushvalue(editing->L, POLICIES);
        lua_pushliteral(editing->L, "cache_control");
        bench_script_call(editing->L, 2, 0);
        decide(editing->policy, "cache, max-age=60, min-fresh=5", &decision);
        if (strcmp(decision.by.version, version) != 0)
            bench_stop("%s decides instead of %s, which was loaded",
                       decision.by.version, version);
    }
    malloc_trim(0); /* what is free is no growth */
}

/* Once, however many repeats: it takes a while, and another time begins from what the
 * first has left. */
void bench_reload_growth(const struct bench *bench, struct bench_result *result) {
    static struct editing editing;
    editing_open(&editing, bench, "edited-often", false);
    reload(&editing, WARM_UP);
    double before = (double)bench_resident();
    reload(&editing, RELOADS);
    result->count = 1;
    result->ratios[0] = ((double)bench_resident() - before) / (1 << 20);
    result->operations = RELOADS;
    result->note = "growth of resident memory over 10,000 reloads";
    editing_close(&editing);
}
