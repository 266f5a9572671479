/* policies_stress.c -- threads that ask while the policies they ask change.
 *
 *     policies_stress DIR --seconds N
 *         Some threads ask for decisions, others open and close hosts of their own, one
 *         saves good files, broken ones and none, each version deciding a number of its
 *         own. Every decision must be that of one version, no version may come back
 * once a later one has decided, and nothing may fail. policies_stress DIR --reloads N
 *         So many versions one after the other, while one thread asks. Says how long a
 *         version takes to decide after it was saved, how many calls took over 1 ms,
 * and by how much resident memory has grown. */
#include <errno.h>
#include <inttypes.h>
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "policy_host.h"

int luaopen_cairn(lua_State *L);

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SANITIZED = 1 }; /* keeps what was freed, and books of its own */
#else
enum { SANITIZED = 0 };
#endif

enum { ASKERS = 3, OPENERS = 2, GROWN_MAX = 1024 /* KiB */ };

static const char *directory;
static atomic_bool stopping;
static atomic_uint failures;
static _Atomic int64_t written; /* number of the last good version that was saved */
static _Atomic uint64_t asked, slow;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void complain(const char *what, int64_t a, int64_t b) {
    fprintf(stderr, "not so: %s (%" PRId64 ", %" PRId64 ")\n", what, a, b);
    atomic_fetch_add(&failures, 1);
}

/* -- Files ------------------------------------------------------------------------- */

static const char good[] =
    "-- %" PRId64 "\n"
    "return {\n"
    "  question = 'cache_control',\n"
    "  decide = function(context)\n"
    "    if context.moment ~= 'store' then return nil end\n"
    "    return { store = true, fresh_for = %" PRId64 " }\n"
    "  end,\n"
    "  examples = { { name = 'one', context = { moment = 'store' },\n"
    "    decision = { fresh_for = %" PRId64 " } } },\n"
    "}\n";

static const char *const broken[] = {
    "return {",
    "while true do end",
    "x = 1",
    "return { question = 'chain' }",
    "return { question = 'cache_control', decide = function() return { fresh_for = 1 } "
    "end,"
    " examples = { { name = 'wrong', context = {}, decision = { fresh_for = 2 } } } }",
};

/* Half of the time as editors do: beside it, then over it. */
static void save(const char *text, bool beside) {
    char name[512], over[512];
    snprintf(over, sizeof over, "%s/cache_control.lua", directory);
    snprintf(name, sizeof name, "%s/%s", directory,
             beside ? ".new" : "cache_control.lua");
    FILE *file = fopen(name, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) < 0 ||
        (beside && rename(name, over) < 0)) {
        perror(name);
        exit(1);
    }
}

/* Told before it is saved: who sees it may be faster than this thread. */
static void save_version(int64_t number, bool beside) {
    char text[1024];
    snprintf(text, sizeof text, good, number, number, number);
    atomic_store(&written, number);
    save(text, beside);
}

/* -- Hosts ------------------------------------------------------------------------- */

/* A state with `policies` at 1. */
static lua_State *open_state(void) {
    lua_State *L = luaL_newstate();
    if (!L)
        exit(1);
    luaL_openlibs(L);
    luaL_requiref(L, "cairn", luaopen_cairn, 0);
    lua_getfield(L, -1, "policies");
    lua_createtable(L, 0, 1);
    lua_pushstring(L, directory);
    lua_setfield(L, -2, "directory");
    lua_call(L, 1, 2);
    if (lua_isnil(L, -2)) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(1);
    }
    lua_pop(L, 1);
    lua_replace(L, 1);
    lua_settop(L, 1);
    return L;
}

static struct cairn_cache_facts facts_for(char line[32], unsigned turn) {
    snprintf(line, 32, "store, x=%u", turn % 100);
    return (struct cairn_cache_facts){
        .moment = CAIRN_AT_STORE,
        .request = {.given = true, .line = cairn_slice_of(line)}};
}

static int64_t ask(const struct cairn_policy *policy,
                   const struct cairn_context *context, unsigned turn) {
    char line[32];
    struct cairn_cache_facts facts = facts_for(line, turn);
    struct cairn_cache_decision decision;
    int64_t begun = now_ns();
    cairn_policy_cache(policy, context, &facts, &decision);
    if (now_ns() - begun > 1000000)
        atomic_fetch_add(&slow, 1);
    atomic_fetch_add(&asked, 1);
    if (!decision.store)
        complain("it is kept", (int64_t)turn, 0);
    return decision.fresh_ms;
}

/* -- Threads ----------------------------------------------------------------------- */

static void ignore(void *arg, const struct cairn_trace_event *event) {
    (void)arg;
    if (event->status)
        complain(event->detail ? event->detail : "a decision failed", event->status, 0);
}

/* A deleted file leaves the shipped policy, which keeps for ever. */
static void *run_asker(void *arg) {
    const struct cairn_policy *policy = arg;
    struct cairn_context traced = {.trace = ignore};
    int64_t last = 0;
    for (unsigned turn = 0; !atomic_load(&stopping); turn++) {
        int64_t number = ask(policy, turn % 16 ? NULL : &traced, turn);
        if (number == CAIRN_FOREVER)
            continue;
        if (number < last || number > atomic_load(&written))
            complain("versions follow one another", number, last);
        last = number;
    }
    return NULL;
}

static void *run_opener(void *arg) {
    (void)arg;
    for (unsigned turn = 0; !atomic_load(&stopping); turn++) {
        lua_State *L = open_state();
        struct policy_host *host = cairn_lua_checkpolicies(L, 1);
        ask(policy_host_policy(host), NULL, turn);
        if (luaL_dostring(L, turn % 2 ? "" : "collectgarbage()"))
            complain("collecting works", 0, 0);
        lua_close(L);
    }
    return NULL;
}

static void pause_ms(unsigned ms) {
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* What an operator does meanwhile. The candidate has no opinion, so that it can be told
 * from no version. */
static const char operating[] =
    "local policies, directory, turn = ...\n"
    "if turn % 40 == 10 then assert(policies:trace(directory .. '/trace')) end\n"
    "if turn % 40 == 30 then assert(policies:trace(nil)) end\n"
    "if turn % 60 == 20 then\n"
    "  local file <close> = assert(io.open(directory .. '/candidate', 'w'))\n"
    "  file:write([[return { question = 'cache_control',\n"
    "    decide = function(context) return context.now and nil end,\n"
    "    examples = { { name = 'one', context = {}, decision = false } } }]])\n"
    "  file:close()\n"
    "  assert(policies:canary('cache_control', directory .. '/candidate', { share = "
    "0.5 }))\n"
    "end\n"
    "if turn % 60 == 50 then policies:abandon('cache_control') end\n"
    "policies:list()\n"
    "policies:events()\n";

static void operate(lua_State *L, unsigned turn) {
    if (luaL_loadstring(L, operating) != LUA_OK)
        exit(1);
    lua_pushvalue(L, 1);
    lua_pushstring(L, directory);
    lua_pushinteger(L, (lua_Integer)turn);
    if (lua_pcall(L, 3, 0, 0) != LUA_OK)
        complain(lua_tostring(L, -1), (int64_t)turn, 0);
    lua_settop(L, 1);
}

static void change_for(lua_State *L, unsigned seconds) {
    char name[512];
    int64_t end = now_ns() + seconds * INT64_C(1000000000), number = 1;
    snprintf(name, sizeof name, "%s/cache_control.lua", directory);
    for (unsigned turn = 0; now_ns() < end; turn++) {
        if (turn % 7 == 3)
            save(broken[turn % (sizeof broken / sizeof *broken)], turn % 2);
        else if (turn % 31 == 5)
            unlink(name);
        else
            save_version(++number, turn % 2);
        operate(L, turn);
        pause_ms(turn % 5);
    }
}

static int run_seconds(unsigned seconds) {
    pthread_t threads[ASKERS + OPENERS];
    save_version(1, true);
    lua_State *L = open_state();
    const struct cairn_policy *policy =
        policy_host_policy(cairn_lua_checkpolicies(L, 1));
    for (int i = 0; i < ASKERS + OPENERS; i++)
        if (pthread_create(&threads[i], NULL, i < ASKERS ? run_asker : run_opener,
                           (void *)policy))
            exit(1);
    change_for(L, seconds);
    atomic_store(&stopping, true);
    for (int i = 0; i < ASKERS + OPENERS; i++)
        pthread_join(threads[i], NULL);
    lua_close(L);
    printf("%" PRIu64 " decisions by up to %" PRId64 " versions, %u mistakes\n",
           atomic_load(&asked), atomic_load(&written), atomic_load(&failures));
    return atomic_load(&failures) != 0;
}

/* -- Reloads ----------------------------------------------------------------------- */

static long resident_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        exit(1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int64_t reload_ns(const struct cairn_policy *policy, int64_t number) {
    int64_t begun = now_ns();
    save_version(number, true);
    while (ask(policy, NULL, 0) != number) {
        if (now_ns() - begun > INT64_C(10000000000)) {
            complain("a version decides within 10 s", number, 0);
            break;
        }
        sched_yield();
    }
    return now_ns() - begun;
}

static int run_reloads(unsigned count) {
    pthread_t asker;
    int64_t worst = 0, sum = 0;
    enum { WARM = 300 }; /* more than versions are kept */
    save_version(1, true);
    lua_State *L = open_state();
    const struct cairn_policy *policy =
        policy_host_policy(cairn_lua_checkpolicies(L, 1));
    if (pthread_create(&asker, NULL, run_asker, (void *)policy))
        exit(1);
    for (int64_t i = 2; i < 2 + WARM; i++)
        reload_ns(policy, i);
    long before = resident_kib();
    for (int64_t i = 2 + WARM; i < 2 + WARM + (int64_t)count; i++) {
        int64_t took = reload_ns(policy, i);
        sum += took;
        worst = took > worst ? took : worst;
    }
    long grown = resident_kib() - before;
    if (grown > GROWN_MAX && !SANITIZED)
        complain("memory stays as it is; KiB more", grown, 0);
    atomic_store(&stopping, true);
    pthread_join(asker, NULL);
    lua_close(L);
    printf("reload %.2f ms on average, %.2f ms at worst; %" PRIu64 " of %" PRIu64
           " calls over 1 ms; grown by %ld KiB; %u mistakes\n",
           (double)sum / count / 1e6, (double)worst / 1e6, atomic_load(&slow),
           atomic_load(&asked), grown, atomic_load(&failures));
    return atomic_load(&failures) != 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[2], "--seconds") == 0) {
        directory = argv[1];
        return run_seconds((unsigned)strtoul(argv[3], NULL, 10));
    }
    if (argc == 4 && strcmp(argv[2], "--reloads") == 0 && atoi(argv[3]) > 0) {
        directory = argv[1];
        return run_reloads((unsigned)strtoul(argv[3], NULL, 10));
    }
    fprintf(stderr, "usage: policies_stress DIR --seconds N | --reloads N\n");
    return 2;
}
