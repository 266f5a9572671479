/* lua_context.h -- the circumstances of a call, from Lua's options: timeout, scopes,
 * explain, fresh, and the object's clock. */
#ifndef CAIRN_LUA_CONTEXT_H
#define CAIRN_LUA_CONTEXT_H

#include "cairn/context.h"
#include "lua_support.h"

struct lua_clock; /* shared by the Lua object and all that believe it; counted */

/* The clock of the cairn.Clock object at `index` (nil or none: NULL), retained. */
struct lua_clock *cairn_lua_toclock(lua_State *L, int index, const char *name);
void lua_clock_release(struct lua_clock *clock); /* NULL is fine */
/* Pushes a cairn.Clock object for it, in this state; nil for NULL. Retains. */
void cairn_lua_push_clock(lua_State *L, struct lua_clock *clock);
/* A scheduler whose timers believe the clock: told when that is moved, until it is said
 * to follow no longer. Without memory it is not told, and its timers wait. */
struct cairn_scheduler;
void lua_clock_follow(struct lua_clock *clock, struct cairn_scheduler *scheduler);
void lua_clock_unfollow(struct lua_clock *clock, struct cairn_scheduler *scheduler);
/* Makes the context believe the clock (NULL: the system's). */
void lua_clock_set(struct lua_clock *clock, struct cairn_context *context);

/* A context with the steps it was told of (struct cairn_trace_event), kept in C memory
 * so that tracing from any thread needs no Lua. In a userdata; pushed. */
struct lua_call;

/* Reads `timeout`, `scopes`, `explain`, `fresh` of the options table at `index` (or
 * none), believing `clock`. Pushes one value that must stay during the call. Returns
 * NULL context for a call without circumstances. */
struct lua_call *cairn_lua_call(lua_State *L, int index, struct lua_clock *clock,
                                const struct cairn_context **context);
/* Appends what was traced to the `explain` table of the options at `index`. NULL is
 * fine. */
void cairn_lua_explain(lua_State *L, struct lua_call *call, int index);

int cairn_lua_clock(lua_State *L); /* cairn.clock */
void cairn_lua_init_clock(lua_State *L);

#endif
