/* workers_stress.c -- threads with Lua states of their own, on one set of workers.
 *
 *     workers_stress SCRIPT DIR --seconds N
 *         Runs SCRIPT (workers_stress.lua) on several threads, each time in a fresh
 * state, until the time is over: as callers, as who saves handlers, and as who opens
 * and closes sets, and as who keeps a durable worker. It is called with its role, DIR,
 * a seed, and for how many ms it is to go on; returns how much it did, and raises what
 * is not as it should be. */
#include <inttypes.h>
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int luaopen_cairn(lua_State *L);

enum { TURN_MS = 300 }; /* of one state */

static const char *const roles[] = {"caller", "caller", "caller", "caller",
                                    "saver",  "opener", "keeper"};
enum { THREADS = sizeof roles / sizeof *roles };

static const char *script, *directory;
static int64_t end_ms;
static _Atomic uint64_t done[THREADS], states;
static atomic_uint failures;

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void complain(const char *role, const char *what) {
    fprintf(stderr, "%s: %s\n", role, what ? what : "an error without a message");
    atomic_fetch_add(&failures, 1);
}

/* -- One state --------------------------------------------------------------------- */

static lua_State *open_state(void) {
    lua_State *L = luaL_newstate();
    if (!L)
        exit(1);
    luaL_openlibs(L);
    luaL_requiref(L, "cairn", luaopen_cairn, 0);
    lua_getglobal(L, "package");
    lua_pushfstring(L, "%s/?.lua", directory);
    lua_setfield(L, -2, "path");
    lua_settop(L, 0);
    return L;
}

static uint64_t run(const char *role, lua_Integer seed, int64_t for_ms) {
    uint64_t count = 0;
    lua_State *L = open_state();
    int failed = luaL_loadfile(L, script);
    if (!failed) {
        lua_pushstring(L, role);
        lua_pushstring(L, directory);
        lua_pushinteger(L, seed);
        lua_pushinteger(L, for_ms);
        failed = lua_pcall(L, 4, 1, 0);
    }
    if (failed)
        complain(role, lua_tostring(L, -1));
    else
        count = (uint64_t)lua_tointeger(L, -1);
    lua_close(L);
    atomic_fetch_add(&states, 1);
    return count;
}

/* -- Threads ----------------------------------------------------------------------- */

static void *run_role(void *arg) {
    size_t thread = (size_t)((const char *const *)arg - roles);
    int64_t left;
    lua_Integer seed = (lua_Integer)thread;
    while ((left = end_ms - now_ms()) > 0 && !atomic_load(&failures)) {
        int64_t for_ms = left < TURN_MS ? left : TURN_MS;
        atomic_fetch_add(&done[thread], run(roles[thread], seed, for_ms));
        seed += THREADS;
    }
    return NULL;
}

static int run_seconds(unsigned seconds) {
    pthread_t threads[THREADS];
    end_ms = now_ms() + (int64_t)seconds * 1000;
    run("saver", -1, 0); /* so that there is something to be loaded */
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, run_role, (void *)&roles[i]))
            exit(1);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint64_t answers = 0;
    for (size_t i = 0; strcmp(roles[i], "caller") == 0; i++)
        answers += atomic_load(&done[i]);
    printf("%" PRIu64 " answers, %" PRIu64 " versions, %" PRIu64
           " sets closed, %" PRIu64 " kept, %" PRIu64 " states, %u mistakes\n",
           answers, atomic_load(&done[THREADS - 3]), atomic_load(&done[THREADS - 2]),
           atomic_load(&done[THREADS - 1]), atomic_load(&states),
           atomic_load(&failures));
    return atomic_load(&failures) != 0;
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[3], "--seconds") == 0) {
        script = argv[1];
        directory = argv[2];
        return run_seconds((unsigned)strtoul(argv[4], NULL, 10));
    }
    fprintf(stderr, "usage: workers_stress SCRIPT DIR --seconds N\n");
    return 2;
}
