/* policy_directives.h -- cache directives between header lines and Lua tables. */
#ifndef CAIRN_POLICY_DIRECTIVES_H
#define CAIRN_POLICY_DIRECTIVES_H

#include <lua.h>

#include "cairn/policy.h"
#include "policy_fields.h"

/* Sets table[name], the table being at the top of the stack, to the directives of the
 * line; not if nothing is given. May raise. */
void policy_directives_set(lua_State *L, const char *name,
                           const struct cairn_directives *given);

/* Field reader into struct cairn_directives: a table as scripts see it, a header line,
 * or a list of such. Allocates in the arena only. */
enum cairn_status policy_read_directives(struct policy_reader *reader, void *into);

#endif
