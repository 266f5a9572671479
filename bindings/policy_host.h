/* policy_host.h -- the policies of a process: loaded, checked, watched, asked.
 *
 * One host exists per directory and settings in a process, whatever Lua state asks for
 * it: it owns its own states (sandbox.h) and a thread that watches the files.
 *
 * Threads: any function but policy_host_release may be called from any thread; each
 * holder releases once. */
#ifndef CAIRN_POLICY_HOST_H
#define CAIRN_POLICY_HOST_H

#include "cairn/policy.h"
#include "lua_support.h"

struct policy_host;

/* What a chain or a cache asks; lives as long as the host is held. */
const struct cairn_policy *policy_host_policy(struct policy_host *host);
void policy_host_retain(struct policy_host *host);
void policy_host_release(struct policy_host *host); /* NULL is fine */

/* The host of the cairn.Policies object at `index`; raises if it is none or closed. */
struct policy_host *cairn_lua_checkpolicies(lua_State *L, int index);
/* Pushes an object for it, in this state, without `log`; retains. */
void cairn_lua_push_policies(lua_State *L, struct policy_host *host);

/* cairn.policies: a cairn.Policies object for the options in the table (or directory,
 * or nothing) at 1, or nil, message, code. A lua_CFunction. */
int cairn_lua_policies(lua_State *L);

/* Keeps `default_policies` of the module at the top of the stack, to be asked where no
 * directory is given. */
void cairn_lua_keep_default_policies(lua_State *L);

/* Makes the metatables, and the methods that are Lua. */
void cairn_lua_init_policies(lua_State *L);

#endif
