/* sandbox_turn.h -- many requests in one state, each in a coroutine that is given
 * turns.
 *
 * A request goes on until it is done, waits (a C function called sandbox_suspend), or
 * has used its slice of time; meanwhile others have their turns. Its bounds hold over
 * all of its turns. A breach is not raised but ends the request where it is: there is
 * no error that a script could catch. Only within a C call that cannot be left (the
 * comparison of table.sort, a metamethod that C calls) it is raised, up to where the
 * request can be left; so far a slice is not kept there either.
 *
 * Coroutines of scripts are within the turn of who resumed them: when a request is left
 * they are left with it, and go on with it. Their own yields reach their own resumers.
 *
 * Memory is the growth of the heap during the request's turns. Garbage counts until it
 * is collected, so a request that has grown too far has the collector run, in its own
 * slices, before it is judged: nobody else stops for that. It may go beyond its bound
 * by an eighth of the heap before that is worth it, and by twice that where it cannot
 * be left.
 *
 * Threads: one at a time. Turns do not nest. */
#ifndef CAIRN_SANDBOX_TURN_H
#define CAIRN_SANDBOX_TURN_H

#include "sandbox.h"

/* A state for trusted scripts: the standard libraries, of which string, table, utf8,
 * coroutine, pcall, xpcall, select, tonumber, tostring and setmetatable are those of a
 * sandbox: they charge, and catch no breach. There are no finalizers in Lua (__gc), and
 * debug.sethook raises: the hook is in use. `memory_bytes` bounds the state as a whole.
 * NULL: no memory.
 *
 * Outside of turns sandbox_protect, sandbox_load and sandbox_call run within that bound
 * and no other. The extra space of a coroutine (lua_getextraspace) is not for callers.
 */
struct sandbox *sandbox_new_trusted(size_t memory_bytes);

/* What one request has used so far: kept by whoever runs it, zeroed before its first
 * turn. */
struct sandbox_account {
    uint64_t steps; /* about one a Lua instruction, or a microsecond of a slow one */
    int64_t bytes;  /* the heap's growth in its turns; negative where it shrank */

    /* sandbox_turn's own. */
    int64_t judged_at; /* the growth at which it is judged next; 0: none yet */
    int cycles;        /* of the collector, to be run before its next turn */
    int interval;      /* of the hook, while its instructions take long; 0: as usual */
};

struct sandbox_bounds {
    uint64_t steps; /* of one request; UINT64_MAX: any */
    size_t memory_bytes;
    int64_t slice_ns; /* of one turn; 0: any */
};

enum sandbox_turn {
    SANDBOX_DONE,      /* its results are on top of the coroutine's stack */
    SANDBOX_WAITS,     /* in sandbox_suspend */
    SANDBOX_PREEMPTED, /* used its slice: it wants a turn, after the others */
    SANDBOX_FAILED,    /* the coroutine is closed, its stack empty */
};

/* Starts what lies below `arguments` values on the coroutine's stack, or goes on with
 * what was left there: `arguments` are then 0, or what the continuation of
 * sandbox_suspend finds on top of its stack. `results` is set when it is done. When it
 * failed `status` is CAIRN_LIMIT for a breach, CAIRN_NO_MEMORY, or CAIRN_POLICY_ERROR
 * for an error that was raised, with "chunk:line: reason".
 *
 * A coroutine is one of lua_newthread; it can be used again after it was done (and the
 * results were popped) or failed. */
enum sandbox_turn sandbox_turn(struct sandbox *sandbox, lua_State *co, int arguments,
                               const struct sandbox_bounds *bounds,
                               struct sandbox_account *account, int *results,
                               enum cairn_status *status, struct cairn_error *error);

/* For C functions: whether the request that calls can be left here. False: no turn is
 * under way, or a C call without continuation lies between. */
bool sandbox_can_suspend(lua_State *L);
/* As `return lua_yieldk(L, 0, context, k)`, for the whole request. Raises where it
 * cannot be left. */
int sandbox_suspend(lua_State *L, lua_KContext context, lua_KFunction k);

/* Gives up what a coroutine was left at. Its variables are closed, within small bounds;
 * errors are ignored. It can be used again. */
void sandbox_close_thread(struct sandbox *sandbox, lua_State *co);

#endif
