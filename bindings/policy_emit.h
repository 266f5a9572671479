/* policy_emit.h -- facts and decisions on their way out: to a trace, to a Lua table, to
 * be compared with what an example expects.
 *
 * A decision goes out in the form in which scripts return it, as the engine obeys it:
 * what was left out and means false is false, names that were implied are named. */
#ifndef CAIRN_POLICY_EMIT_H
#define CAIRN_POLICY_EMIT_H

#include <lua.h>

#include "policy_ask.h"
#include "policy_json.h"

/* Pushes the decision as a table. May raise. */
void policy_emit_table(lua_State *L, const struct policy_ask *ask);

/* The decision, the facts, as JSON objects. Facts as `policies:decide` takes them;
 * long ones are left out. */
void policy_emit_json(struct policy_json *json, const struct policy_ask *ask);
void policy_emit_facts(struct policy_json *json, const struct policy_ask *ask);

/* The decision as lines `name = JSON`, those of tables in it as `table.name = JSON`; a
 * newline before each. */
void policy_emit_lines(struct policy_json *json, const struct policy_ask *ask);

#endif
