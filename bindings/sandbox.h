/* sandbox.h -- a Lua state for scripts that are not trusted to end, to be small, or to
 * be pure.
 *
 * Limits hold everywhere: instructions are counted by a hook; library functions that
 * can take long (string, table, utf8; pattern matching included) charge steps for what
 * they do; allocation is bounded and charged; the wall clock is looked at on the way. A
 * breach cannot be caught: pcall, xpcall and coroutines raise it again.
 *
 * Scripts see the basic functions and coroutine, math, string, table and utf8, all
 * read-only; a global that is not there raises. There is no io, os, debug, load,
 * require, collectgarbage, random; no __gc; tostring shows no addresses; pairs and next
 * go in an order that depends on the keys alone (sandbox_pairs.c); a coroutine ends
 * with the call that made it.
 *
 * Threads: one at a time. */
#ifndef CAIRN_SANDBOX_H
#define CAIRN_SANDBOX_H

#include <lua.h>

#include "cairn/status.h"

struct sandbox_limits {
    uint64_t steps;      /* of one call; about one a Lua instruction. UINT64_MAX: for a
                            script that is known to end; nothing counts them */
    size_t memory_bytes; /* held at any time, the state itself (15 KiB) included */
    int64_t wall_ms;     /* of one call */
};

struct sandbox;

struct sandbox *sandbox_new(const struct sandbox_limits *limits); /* NULL: no memory */
void sandbox_free(struct sandbox *sandbox);                       /* NULL is fine */

/* Another limit for the calls to come, and for loading. */
void sandbox_set_wall(struct sandbox *sandbox, int64_t wall_ms);

/* The state, to push arguments and read results. Pushing allocates within the memory
 * limit: do it in a function given to sandbox_protect. */
lua_State *sandbox_state(struct sandbox *sandbox);

/* Runs `body` as lua_pcall would, without limits on steps and time: for our own code
 * that pushes and reads, raw, so that nothing of the script runs. It finds `arg` at
 * index 1 and a copy of what was on top of the stack (or nil) at 2. CAIRN_NO_MEMORY or
 * CAIRN_POLICY_ERROR. The stack is as before plus `results` values on success. */
enum cairn_status sandbox_protect(struct sandbox *sandbox, lua_CFunction body,
                                  void *arg, int results, struct cairn_error *error);

/* Compiles text (never bytecode) and pushes the function. CAIRN_POLICY_ERROR with
 * "chunk:line: reason", or CAIRN_LIMIT if that takes more time or memory than a call
 * may. `name` is shown in messages. */
enum cairn_status sandbox_load(struct sandbox *sandbox, struct cairn_slice source,
                               const char *name, struct cairn_error *error);

/* Calls the function below `arguments` values under the limits; `results` values
 * replace them. CAIRN_LIMIT for a breach, CAIRN_POLICY_ERROR for an error, each with
 * "chunk:line: reason"; then nothing is left on the stack. If `line` is not NULL it
 * gets the line of the called chunk that returned last (a hook for returns: slower).
 *
 * What is found to be too much stops the script at its next instruction: until then it
 * may hold up to twice its memory, and an instruction that works on all of that takes
 * what it takes (10 ns a byte at most: text of digits made a number). */
enum cairn_status sandbox_call(struct sandbox *sandbox, int arguments, int results,
                               int *line, struct cairn_error *error);

/* The same for the function at the top of the stack, which stays there: `push` pushes
 * its arguments, without the limits on steps and time, and fails as sandbox_protect
 * does. For calls that are made often: both are protected at once. */
typedef void (*sandbox_push)(lua_State *L, void *arg);
enum cairn_status sandbox_ask(struct sandbox *sandbox, sandbox_push push, void *arg,
                              int results, int *line, struct cairn_error *error);

/* Bytes held, and steps of the last call: instructions are counted in lots of up to
 * 1,000, what functions charge one by one. */
size_t sandbox_memory(const struct sandbox *sandbox);
uint64_t sandbox_steps(const struct sandbox *sandbox);

#endif
