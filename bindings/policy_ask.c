/* policy_ask.c -- what the questions have in common. */
#include "policy_ask.h"

const char *const policy_question_names[POLICY_QUESTIONS + 1] = {
    "cache_control", "chain", "eviction", NULL};

const char *const policy_moment_names[] = {"lookup", "stale", "error", "store", NULL};
const char *const policy_action_names[] = {"read", "write", NULL};

enum policy_question policy_question_named(struct cairn_slice name) {
    int question = 0;
    while (question < POLICY_QUESTIONS &&
           !cairn_slice_equal(name, cairn_slice_of(policy_question_names[question])))
        question++;
    return (enum policy_question)question;
}

const char *policy_scope_name(enum cairn_scope scope) {
    return scope == CAIRN_SCOPE_LOCAL    ? "local"
           : scope == CAIRN_SCOPE_REMOTE ? "remote"
                                         : "cluster";
}

size_t policy_decision_room(enum policy_question question) {
    static const size_t sizes[] = {sizeof(struct cairn_cache_decision),
                                   sizeof(struct cairn_chain_decision),
                                   sizeof(struct cairn_eviction_decision)};
    return sizes[question];
}

size_t policy_decision_size(const struct policy_ask *ask) {
    if (ask->question != POLICY_CACHE_CONTROL)
        return policy_decision_room(ask->question);
    return offsetof(struct cairn_cache_decision, tags) + ask->decision.cache->tags_size;
}

struct cairn_decider *policy_ask_decider(const struct policy_ask *ask) {
    switch (ask->question) {
    case POLICY_CACHE_CONTROL:
        return &ask->decision.cache->by;
    case POLICY_CHAIN:
        return &ask->decision.chain->by;
    default:
        return &ask->decision.eviction->by;
    }
}

void policy_ask_reset(const struct policy_ask *ask) {
    if (ask->question == POLICY_CACHE_CONTROL)
        ask->decision.cache->tags_size = 0;
    memset(ask->decision.any, 0, policy_decision_size(ask));
    if (ask->question == POLICY_CACHE_CONTROL) {
        ask->decision.cache->max_age_ms = CAIRN_FOREVER;
        ask->decision.cache->fresh_ms = CAIRN_FOREVER;
    }
}

void policy_ask_default(const struct policy_ask *ask) {
    switch (ask->question) {
    case POLICY_CACHE_CONTROL:
        cairn_policy_cache(NULL, NULL, ask->facts.cache, ask->decision.cache);
        break;
    case POLICY_CHAIN:
        cairn_policy_chain(NULL, NULL, ask->facts.chain, ask->decision.chain);
        break;
    default:
        cairn_policy_eviction(NULL, NULL, ask->facts.eviction, ask->decision.eviction);
    }
}

/* -- Keys -------------------------------------------------------------------------- */

/* What does not fit makes the key useless, not wrong: `size` goes over the room. */
struct key {
    char *room;
    size_t size;
};

static void add(struct key *key, const void *bytes, size_t size) {
    if (size <= POLICY_KEY_ROOM && key->size <= POLICY_KEY_ROOM - size && size)
        memcpy(key->room + key->size, bytes, size);
    else if (size)
        size = POLICY_KEY_ROOM + 1;
    key->size += size;
}

static void add_byte(struct key *key, unsigned byte) {
    if (key->size < POLICY_KEY_ROOM)
        key->room[key->size] = (char)byte;
    key->size++;
}

/* With its terminator: names are short, and every read of a chain comes by here. */
static void add_text(struct key *key, const char *text) {
    do
        add_byte(key, (unsigned char)*text);
    while (*text++);
}

/* With its size before it, so that where it ends is not in doubt. */
static void add_run(struct key *key, struct cairn_slice bytes) {
    uint32_t size =
        (uint32_t)(bytes.size > POLICY_KEY_ROOM ? POLICY_KEY_ROOM + 1 : bytes.size);
    add(key, &size, sizeof size);
    add(key, bytes.data, bytes.size);
}

static void add_party(struct key *key, const struct cairn_directives *party) {
    add_byte(key, party->given);
    if (party->given)
        add_run(key, party->line);
}

static void add_cache(struct key *key, const struct cairn_cache_facts *facts) {
    add_byte(key, (unsigned)facts->moment << 1 | facts->hashpath_ignored);
    add_party(key, &facts->node);
    add_party(key, &facts->result);
    add_party(key, &facts->request);
}

static void add_chain(struct key *key, const struct cairn_chain_facts *facts) {
    add_byte(key, facts->action);
    add_text(key, facts->operation ? facts->operation : "");
    for (size_t i = 0; i < facts->count; i++) {
        const struct cairn_member_facts *member = &facts->members[i];
        add_byte(key, member->flags);
        add_byte(key, member->scope);
        add_text(key, member->name);
        add_text(key, member->backend);
    }
}

size_t policy_ask_key(const struct policy_ask *ask, char room[POLICY_KEY_ROOM],
                      size_t used) {
    struct key key = {room, used};
    add_byte(&key, ask->question);
    if (ask->question == POLICY_CACHE_CONTROL)
        add_cache(&key, ask->facts.cache);
    else if (ask->question == POLICY_CHAIN)
        add_chain(&key, ask->facts.chain);
    else
        return 0; /* eviction has no plain facts */
    return key.size <= POLICY_KEY_ROOM ? key.size : 0;
}
