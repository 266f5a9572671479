/* policy_ask.h -- one question put to the policies: its facts, and where the decision
 * goes. What is said of questions in general is said once, here. */
#ifndef CAIRN_POLICY_ASK_H
#define CAIRN_POLICY_ASK_H

#include "cairn/policy.h"

enum policy_question {
    POLICY_CACHE_CONTROL,
    POLICY_CHAIN,
    POLICY_EVICTION,
    POLICY_QUESTIONS
};

struct policy_ask {
    enum policy_question question;
    union {
        const void *any;
        const struct cairn_cache_facts *cache;
        const struct cairn_chain_facts *chain;
        const struct cairn_eviction_facts *eviction;
    } facts;
    union {
        void *any;
        struct cairn_cache_decision *cache;
        struct cairn_chain_decision *chain;
        struct cairn_eviction_decision *eviction;
    } decision;
};

/* Room for any decision. */
union policy_decision {
    struct cairn_cache_decision cache;
    struct cairn_chain_decision chain;
    struct cairn_eviction_decision eviction;
};

extern const char *const policy_question_names[POLICY_QUESTIONS + 1]; /* NULL ends */

/* POLICY_QUESTIONS: there is none of that name. */
enum policy_question policy_question_named(struct cairn_slice name);

/* Room that any decision of the question takes, and what of this one says something. */
size_t policy_decision_room(enum policy_question question);
size_t policy_decision_size(const struct policy_ask *ask);
struct cairn_decider *policy_ask_decider(const struct policy_ask *ask);

/* The decision becomes what a script has said that returned an empty table. */
void policy_ask_reset(const struct policy_ask *ask);

/* The decision becomes the engine's own. */
void policy_ask_default(const struct policy_ask *ask);

enum { POLICY_KEY_ROOM = 1024 };

/* The plain facts as bytes, equal for equal facts, behind what `room` holds already
 * (`used` bytes). 0: there are none, or they are longer than POLICY_KEY_ROOM. */
size_t policy_ask_key(const struct policy_ask *ask, char room[POLICY_KEY_ROOM],
                      size_t used);

/* Words that facts have in scripts. */
extern const char *const policy_moment_names[];
extern const char *const policy_action_names[];
const char *policy_scope_name(enum cairn_scope scope);

#endif
