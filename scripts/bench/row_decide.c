/* row_decide.c -- one decision of the shipped cache control, in units of a lua_pcall of
 * a function that does nothing.
 *
 * Every other decision is whether to look a result up, the others whether to keep it.
 * The function is called so many times for each of them that both sides take about as
 * long: a machine that has other things to do would not divide its time fairly among
 * long rounds and short ones. */
#include "script.h"

#include <stdio.h>

enum { OPERATIONS = 2000, ROUNDS = 100, LINE_ROOM = 80 };

struct deciding {
    lua_State *plain; /* the function is on its stack */
    const struct cairn_policy *policy;
    bool always_new;
    size_t units; /* calls of the function, for each decision */
    uint64_t next;
    char lines[OPERATIONS][LINE_ROOM];
};

/* Three directives. */
static void write_line(char line[LINE_ROOM], bool keeping, uint64_t number) {
    unsigned long long age = 60 + number % 100000000, other = number % 1000;
    const char *form = keeping ? "store, max-age=%llu, stale-while-revalidate=%llu"
                               : "cache, max-age=%llu, min-fresh=%llu";
    snprintf(line, LINE_ROOM, form, age, other);
}

static void fill(void *arg, struct bench_batch *batch) {
    struct deciding *deciding = arg;
    (void)batch;
    for (size_t i = 0; i < OPERATIONS; i++)
        write_line(deciding->lines[i], i % 2,
                   deciding->always_new ? deciding->next++ : 0);
}

static void call_nothing(void *arg, const struct bench_batch *batch) {
    const struct deciding *deciding = arg;
    lua_State *L = deciding->plain;
    (void)batch;
    for (size_t i = 0; i < OPERATIONS * deciding->units; i++) {
        lua_pushvalue(L, 1);
        bench_script_call(L, 0, 0);
    }
}

static void decide_one(const struct deciding *deciding, size_t i) {
    const struct cairn_directives said = {true, cairn_slice_of(deciding->lines[i])};
    struct cairn_cache_facts facts = {
        .moment = i % 2 ? CAIRN_AT_STORE : CAIRN_AT_LOOKUP,
        .now_ms = 1700000000000,
        .base = cairn_slice_of("dKpsmt7ma6VCPJUO2mDDpUmZ3WvPgRZXQKgGmG50cuA"),
        .path = cairn_slice_of("balance"),
        .size_bytes = BENCH_VALUE_SIZE,
    };
    struct cairn_cache_decision decision;
    *(i % 2 ? &facts.result : &facts.request) = said;
    cairn_policy_cache(deciding->policy, NULL, &facts, &decision);
    if (strcmp(decision.by.policy, "cache_control") != 0 ||
        !(i % 2 ? decision.store : decision.lookup))
        bench_stop("the shipped policy did not decide on '%s'", deciding->lines[i]);
    if (deciding->always_new && decision.by.remembered)
        bench_stop("a new decision was remembered: %s", deciding->lines[i]);
}

static void decide(void *arg, const struct bench_batch *batch) {
    (void)batch;
    for (size_t i = 0; i < OPERATIONS; i++)
        decide_one(arg, i);
}

static void measure(const struct bench *bench, bool always_new,
                    struct bench_result *result) {
    static struct deciding deciding;
    struct bench_plan plan = {
        fill, {call_nothing, decide}, &deciding, OPERATIONS, ROUNDS};
    lua_State *L = bench_script_open();
    bench_script_policies(L, bench_no_policies(bench), true);
    deciding = (struct deciding){.plain = luaL_newstate(),
                                 .policy = bench_script_policy(L),
                                 .always_new = always_new,
                                 .units = always_new ? 100 : 5};
    if (!deciding.plain || luaL_loadstring(deciding.plain, "return function() end"))
        bench_stop("no memory for a Lua state");
    bench_script_call(deciding.plain, 0, 1);
    bench_measure(&plan, bench->repeats, result);
    for (unsigned i = 0; i < result->count; i++)
        result->ratios[i] *= (double)deciding.units;
    result->nanoseconds[BENCH_RAW] /= (double)deciding.units;
    lua_close(deciding.plain);
    lua_close(L);
}

void bench_decide_known(const struct bench *bench, struct bench_result *result) {
    measure(bench, false, result);
}

void bench_decide_new(const struct bench *bench, struct bench_result *result) {
    measure(bench, true, result);
}
