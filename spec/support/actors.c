/* actors.c -- a Lua module of edges between actors, and of threads that draw them, for
 * actor_spec.lua. */
#include <stdlib.h>
#include <string.h>

#include "cairn/actor.h"
#include "module.h"

int luaopen_actors(lua_State *L);

#define EDGE_TYPE "spec.edge"

/* -- Actors and edges, one by one -------------------------------------------------- */

static int spec_new(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)cairn_actor_new());
    return 1;
}

static int spec_self(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)cairn_actor_self());
    return 1;
}

static int spec_enter(lua_State *L) {
    cairn_actor actor = (cairn_actor)luaL_checkinteger(L, 1);
    lua_pushinteger(L, (lua_Integer)cairn_actor_enter(actor));
    return 1;
}

static void *tell_self(void *out) {
    *(cairn_actor *)out = cairn_actor_self();
    return NULL;
}

/* self_of_another(): who a fresh thread is. */
static int spec_self_of_another(lua_State *L) {
    pthread_t thread;
    cairn_actor actor = 0;
    pthread_create(&thread, NULL, tell_self, &actor);
    pthread_join(thread, NULL);
    lua_pushinteger(L, (lua_Integer)actor);
    return 1;
}

static int edge_new(lua_State *L) {
    memset(lua_newuserdatauv(L, sizeof(struct cairn_edge), 0), 0,
           sizeof(struct cairn_edge));
    luaL_setmetatable(L, EDGE_TYPE);
    return 1;
}

static int edge_draw(lua_State *L) {
    struct cairn_edge *edge = luaL_checkudata(L, 1, EDGE_TYPE);
    cairn_actor from = (cairn_actor)luaL_checkinteger(L, 2);
    cairn_actor to = (cairn_actor)luaL_checkinteger(L, 3);
    struct cairn_error error;
    return push_outcome(L, cairn_edge_draw(edge, from, to, &error), &error);
}

static int edge_erase(lua_State *L) {
    cairn_edge_erase(luaL_checkudata(L, 1, EDGE_TYPE));
    return 0;
}

/* chain(count): so many actors, each waiting for the next; closing the ring at the end
 * is refused? And is it drawn once the chain is cut in the middle? */
static int spec_chain(lua_State *L) {
    size_t count = (size_t)luaL_checkinteger(L, 1);
    struct cairn_edge *edges = calloc(count, sizeof *edges), last = {0};
    cairn_actor first = cairn_actor_new(), at = first;
    long refused = 0;
    if (!edges)
        return luaL_error(L, "no memory");
    for (size_t i = 0; i + 1 < count; i++) {
        cairn_actor next = cairn_actor_new();
        refused += cairn_edge_draw(&edges[i], at, next, NULL) != CAIRN_OK;
        at = next;
    }
    lua_newtable(L);
    set_count(L, "refused", refused);
    lua_pushstring(L, cairn_status_word(cairn_edge_draw(&last, at, first, NULL)));
    lua_setfield(L, -2, "closed");
    cairn_edge_erase(&edges[count / 2]);
    lua_pushstring(L, cairn_status_word(cairn_edge_draw(&last, at, first, NULL)));
    lua_setfield(L, -2, "cut");
    cairn_edge_erase(&last);
    for (size_t i = 0; i < count; i++)
        cairn_edge_erase(&edges[i]);
    free(edges);
    return 1;
}

/* -- Threads ----------------------------------------------------------------------- */

enum { EACH = 32, DRAWERS = 8 };

/* What the accepted edges are at most: edges are noted behind their drawing and taken
 * away before they are erased, so a ring in here is one that was overlooked. */
struct shadow {
    pthread_mutex_t lock;
    unsigned to[DRAWERS * EACH]; /* from 1; 0: nobody */
    long overlooked;
};

struct drawer {
    struct shadow *shadow;
    const cairn_actor *actors;
    unsigned number, count; /* of this drawer; of all actors */
    bool upwards;           /* draws only to higher numbers */
    long rounds, drawn, refused;
    pthread_t thread;
};

static void note_drawn(struct shadow *shadow, unsigned from, unsigned to) {
    pthread_mutex_lock(&shadow->lock);
    shadow->to[from] = to + 1;
    for (unsigned at = to; shadow->to[at]; at = shadow->to[at] - 1)
        if (shadow->to[at] - 1 == from) {
            shadow->overlooked++;
            break;
        }
    pthread_mutex_unlock(&shadow->lock);
}

static void note_erased(struct shadow *shadow, unsigned from) {
    pthread_mutex_lock(&shadow->lock);
    shadow->to[from] = 0;
    pthread_mutex_unlock(&shadow->lock);
}

/* Each drawer has actors of its own, so that none of them waits for two. */
static void *draw(void *argument) {
    struct drawer *drawer = argument;
    struct cairn_edge edges[EACH] = {{0}};
    uint64_t random = 88172645463325252u + drawer->number;
    for (long i = 0; i < drawer->rounds; i++) {
        unsigned mine = (unsigned)(next_random(&random) % EACH);
        unsigned from = drawer->number + mine * (drawer->count / EACH);
        unsigned to = (unsigned)(next_random(&random) % drawer->count);
        if (atomic_load(&edges[mine].from)) {
            note_erased(drawer->shadow, from);
            cairn_edge_erase(&edges[mine]);
        }
        if (drawer->upwards && to <= from)
            continue;
        if (cairn_edge_draw(&edges[mine], drawer->actors[from], drawer->actors[to],
                            NULL)) {
            drawer->refused++;
        } else {
            drawer->drawn++;
            note_drawn(drawer->shadow, from, to);
        }
        if (i % 512 == 0)
            sched_yield();
    }
    for (unsigned mine = 0; mine < EACH; mine++) {
        note_erased(drawer->shadow, drawer->number + mine * (drawer->count / EACH));
        cairn_edge_erase(&edges[mine]);
    }
    return NULL;
}

/* stress(threads, rounds, upwards) */
static int spec_stress(lua_State *L) {
    unsigned threads = (unsigned)luaL_checkinteger(L, 1), count = threads * EACH;
    luaL_argcheck(L, threads <= DRAWERS, 1, "too many");
    struct drawer drawers[DRAWERS];
    cairn_actor actors[DRAWERS * EACH];
    struct shadow shadow = {.lock = PTHREAD_MUTEX_INITIALIZER};
    long drawn = 0, refused = 0;
    for (unsigned i = 0; i < count; i++)
        actors[i] = cairn_actor_new();
    for (unsigned i = 0; i < threads; i++) {
        drawers[i] = (struct drawer){.shadow = &shadow, .actors = actors, .number = i};
        drawers[i].count = count;
        drawers[i].rounds = luaL_checkinteger(L, 2);
        drawers[i].upwards = lua_toboolean(L, 3);
        pthread_create(&drawers[i].thread, NULL, draw, &drawers[i]);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(drawers[i].thread, NULL);
        drawn += drawers[i].drawn;
        refused += drawers[i].refused;
    }
    lua_newtable(L);
    set_count(L, "drawn", drawn);
    set_count(L, "refused", refused);
    set_count(L, "overlooked", shadow.overlooked);
    return 1;
}

struct opponent {
    atomic_long *meetings;
    cairn_actor from, to;
    struct cairn_edge edge, *shared;
    long rounds;
    bool *drawn;
    pthread_t thread;
};

/* Erases an edge together with the other, too. */
static void *oppose(void *argument) {
    struct opponent *opponent = argument;
    uint64_t random = 88172645463325252u + opponent->from;
    for (long i = 0; i < opponent->rounds; i++) {
        meet(opponent->meetings, 3 * i);
        for (volatile uint64_t delay = next_random(&random) % 64; delay > 0; delay--)
            continue;
        opponent->drawn[i] = cairn_edge_draw(&opponent->edge, opponent->from,
                                             opponent->to, NULL) == CAIRN_OK;
        meet(opponent->meetings, 3 * i + 1);
        cairn_edge_erase(&opponent->edge);
        if (opponent->shared == &opponent->edge)
            cairn_edge_draw(opponent->shared, opponent->from, opponent->to, NULL);
        meet(opponent->meetings, 3 * i + 2);
        cairn_edge_erase(opponent->shared);
    }
    return NULL;
}

/* oppose(rounds): two draw edges to each other at the same time; in how many rounds did
 * both, one, none succeed? */
static int spec_oppose(lua_State *L) {
    long rounds = luaL_checkinteger(L, 1), outcomes[3] = {0};
    bool *drawn = calloc((size_t)rounds, 2 * sizeof *drawn);
    cairn_actor a = cairn_actor_new(), b = cairn_actor_new();
    atomic_long meetings = 0;
    struct opponent opponents[2] = {{.from = a, .to = b}, {.from = b, .to = a}};
    if (!drawn)
        return luaL_error(L, "no memory");
    for (int i = 0; i < 2; i++) {
        opponents[i].meetings = &meetings;
        opponents[i].rounds = rounds;
        opponents[i].drawn = drawn + i * rounds;
        opponents[i].shared = &opponents[0].edge;
        pthread_create(&opponents[i].thread, NULL, oppose, &opponents[i]);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(opponents[i].thread, NULL);
    for (long i = 0; i < rounds; i++)
        outcomes[drawn[i] + drawn[rounds + i]]++;
    free(drawn);
    lua_newtable(L);
    set_count(L, "none", outcomes[0]);
    set_count(L, "one", outcomes[1]);
    set_count(L, "both", outcomes[2]);
    return 1;
}

/* -- The module -------------------------------------------------------------------- */

static const luaL_Reg functions[] = {
    {"chain", spec_chain},
    {"edge", edge_new},
    {"enter", spec_enter},
    {"new", spec_new},
    {"oppose", spec_oppose},
    {"self", spec_self},
    {"self_of_another", spec_self_of_another},
    {"stress", spec_stress},
    {NULL, NULL},
};

static const luaL_Reg edge_methods[] = {
    {"draw", edge_draw},
    {"erase", edge_erase},
    {NULL, NULL},
};

int luaopen_actors(lua_State *L) {
    luaL_newmetatable(L, EDGE_TYPE);
    luaL_newlib(L, edge_methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, edge_erase);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, functions);
    return 1;
}
