/* script.h -- Lua within the benchmark: a state with the loops of loops.lua, and the
 * policies, which live in a Lua object. */
#ifndef BENCH_SCRIPT_H
#define BENCH_SCRIPT_H

#include <lauxlib.h>
#include <lua.h>

#include "bench.h"
#include "cairn/policy.h"

/* Where the loops are on the stack; what a row puts there comes behind. */
enum { BENCH_LOOPS = 1 };

/* With nothing but the loops on its stack. */
lua_State *bench_script_open(void);

/* A function and its arguments are on the stack; stops if it raises. */
void bench_script_call(lua_State *L, int arguments, int results);

/* Pushes the loop of that name. */
void bench_script_loop(lua_State *L, const char *name);

/* Pushes the message as a table. */
void bench_script_push(lua_State *L, const struct bench_message *message);

/* -- Policies --------------------------------------------------------------------- */

/* The directory that has a user's policies: an empty one, so the shipped ones decide.
 */
const char *bench_no_policies(const struct bench *bench);

/* Pushes the cairn.Policies object of a directory, which is made. Not watched, it loads
 * the files when it is told. */
void bench_script_policies(lua_State *L, const char *directory, bool watched);

/* What decides for the object at the top of the stack; lives as long as that. */
const struct cairn_policy *bench_script_policy(lua_State *L);

#endif
