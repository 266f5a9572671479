/* policy_decision.h -- what a script returned, as the engine's struct. */
#ifndef CAIRN_POLICY_DECISION_H
#define CAIRN_POLICY_DECISION_H

#include "policy_ask.h"
#include "policy_fields.h"

/* The table at the top of the stack (which stays) into `ask->decision`, which the facts
 * are needed for: stores are named among them. `whole`: what must be there must be
 * there; an example may name a part. `*cacheable` is left alone unless it says.
 * Allocates nothing in Lua and cannot raise. CAIRN_POLICY_ERROR names the field. */
enum cairn_status policy_decision_read(lua_State *L, const struct policy_ask *ask,
                                       bool whole, bool *cacheable,
                                       struct cairn_error *error);

#endif
