/* policy_facts.h -- facts as a script sees them: the context table.
 *
 * Plain facts are fields. Volatile facts are not there until they are asked for: the
 * table's __index makes them, and notes that the decision has looked at one.
 *
 * These functions allocate in Lua and may raise. */
#ifndef CAIRN_POLICY_FACTS_H
#define CAIRN_POLICY_FACTS_H

#include <lua.h>

#include "policy_ask.h"

/* Pushes a table with the plain facts. */
void policy_facts_push(lua_State *L, const struct policy_ask *ask);

/* Pushes the volatile fact of that name, which may be nil; false (nothing pushed) if
 * there is no such fact. */
bool policy_facts_push_volatile(lua_State *L, const struct policy_ask *ask,
                                const char *name);

#endif
