/* policy_situation.h -- facts from a Lua table: of an example, of `policies:decide`, of
 * a line of a trace.
 *
 * What the table leaves out is as in an ordinary call. */
#ifndef CAIRN_POLICY_SITUATION_H
#define CAIRN_POLICY_SITUATION_H

#include "policy_ask.h"
#include "policy_fields.h"

/* Facts that own what they are made of, and room for the decision. Must not be moved.
 */
struct policy_situation {
    struct policy_ask ask;
    union policy_decision decision;

    union {
        struct cairn_cache_facts cache;
        struct cairn_chain_facts chain;
        struct cairn_eviction_facts eviction;
    } facts;
    struct cairn_arena arena;
    struct cairn_kept kept;
    struct cairn_value asked, answer;
    struct cairn_member_facts members[CAIRN_CHAIN_MAX];
};

/* From the table at the top of the stack, which stays. `now_ms`: if the table does not
 * say. Allocates nothing in Lua and cannot raise. Free it whatever the status. */
enum cairn_status policy_situation_read(struct policy_situation *situation,
                                        lua_State *L, enum policy_question question,
                                        int64_t now_ms, struct cairn_error *error);
void policy_situation_free(struct policy_situation *situation);

#endif
