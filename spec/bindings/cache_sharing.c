/* cache_sharing.c -- one cache in many Lua states, each on a thread of its own.
 *
 *     cache_sharing DIR --turns N
 *         One state opens a cache with policies and a clock, and closes its object as
 *         soon as the others have theirs. Those write, read, list, resolve and ask the
 *         chain and the policies, N times; each time with an object of their own, which
 *         is closed or left to the collector. Says how many messages there are. */
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua_cache.h"

int luaopen_cairn(lua_State *L);

enum { STATES = 4 };

static const char *directory;
static lua_Integer turns;
static struct cache_ref *shared;
static pthread_barrier_t all_have_it;

static const char opening[] =
    "local cairn, directory = ...\n"
    "local clock = cairn.clock(1000)\n"
    "return assert(cairn.cache {\n"
    "  stores = { { name = 'near', store = 'memory:', tier = true },\n"
    "             { name = 'far', store = 'memory:' } },\n"
    "  policies = assert(cairn.policies { directory = directory, clock = clock }),\n"
    "  clock = clock,\n"
    "})\n";

/* What each state does with an object, once. */
static const char using[] =
    "local cache, name, turn, kept = ...\n"
    "local id = assert(cache:write { state = name, turn = turn })\n"
    "local message = assert(cache:read(id))\n"
    "assert(message.state == name and message.turn == turn)\n"
    "assert(assert(cache:write { all = turn }) == assert(cache:write { all = turn }))\n"
    "assert(cache:verify(id))\n"
    "assert(#cache:list(id) >= 2)\n"
    "assert(cache:write_hashpath(id .. '/answer', { answer = turn }))\n"
    "local value, info = cache:resolve({ base = turn % 7 }, { path = 'double' },\n"
    "  function(base) return { double = 2 * base.base } end)\n"
    "assert(value and value.double == turn % 7 * 2, info)\n"
    "local chain = assert(cache.chain)\n"
    "assert(#chain:members() == 2 and chain:members()[1].name == 'near')\n"
    "assert(chain:type(id) == 'composite')\n"
    "assert(chain:write('own/' .. name, tostring(turn)))\n"
    "assert(chain:read('own/' .. name) == tostring(turn))\n"
    "assert(chain:stat('own/' .. name).created == 1000)\n"
    "assert(tostring(chain) == 'cairn.Chain (near, far)')\n"
    "assert(cache.policies:decide('cache_control', { moment = 'lookup' }))\n"
    "assert(cache:revalidate() == 0)\n"
    "if turn % 3 == 0 then\n"
    "  cache:close()\n"
    "  assert(not pcall(cache.read, cache, id))\n"
    "  chain:close()\n"
    "  assert(kept:read(id), 'another object is open still')\n"
    "  assert(kept.chain:read('own/' .. name))\n"
    "end\n";

static lua_State *open_state(void) {
    lua_State *L = luaL_newstate();
    if (!L)
        exit(1);
    luaL_openlibs(L);
    luaL_requiref(L, "cairn", luaopen_cairn, 0);
    lua_settop(L, 1);
    return L;
}

/* Calls what is below `arguments` values; `results` stay. */
static void call(lua_State *L, int arguments, int results) {
    if (lua_pcall(L, arguments, results, 0) != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(1);
    }
}

static void load(lua_State *L, const char *chunk) {
    if (luaL_loadstring(L, chunk) != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(1);
    }
}

static void *run_state(void *arg) {
    lua_State *L = open_state();
    cairn_lua_push_cache(L, shared); /* at 2, kept */
    pthread_barrier_wait(&all_have_it);
    load(L, using);
    for (lua_Integer turn = 1; turn <= turns; turn++) {
        lua_pushvalue(L, 3);
        cairn_lua_push_cache(L, cairn_lua_checkcache(L, 2));
        lua_pushstring(L, arg);
        lua_pushinteger(L, turn);
        lua_pushvalue(L, 2);
        call(L, 4, 0);
    }
    lua_close(L);
    return NULL;
}

/* How many messages the states wrote, as one more state sees it. */
static const char counting[] =
    "local cache = ...\n"
    "local n = 0\n"
    "for name in assert(cache.chain:list('')) do\n"
    "  if #name == 43 then n = n + 1 end\n"
    "end\n"
    "print(n .. ' messages, ' .. cache:stats().stored .. ' results kept')\n";

static void share(lua_State *L) {
    load(L, opening);
    lua_pushvalue(L, 1);
    lua_pushstring(L, directory);
    call(L, 2, 1);
    shared = cairn_lua_checkcache(L, 2);
    cairn_lua_retain_cache(shared);
}

int main(int argc, char **argv) {
    static char names[STATES][2] = {"a", "b", "c", "d"};
    pthread_t threads[STATES];
    if (argc != 4 || strcmp(argv[2], "--turns") != 0) {
        fprintf(stderr, "usage: cache_sharing DIR --turns N\n");
        return 2;
    }
    directory = argv[1];
    turns = atoll(argv[3]);
    pthread_barrier_init(&all_have_it, NULL, STATES + 1);
    lua_State *L = open_state();
    share(L);
    for (int i = 0; i < STATES; i++)
        if (pthread_create(&threads[i], NULL, run_state, names[i]))
            exit(1);
    pthread_barrier_wait(&all_have_it);
    lua_close(L); /* its object is the first to go */
    for (int i = 0; i < STATES; i++)
        pthread_join(threads[i], NULL);

    L = open_state();
    load(L, counting);
    cairn_lua_push_cache(L, shared);
    cairn_lua_release_cache(shared);
    call(L, 1, 0);
    lua_close(L); /* the last */
    pthread_barrier_destroy(&all_have_it);
    return 0;
}
