/* policy_decision.c -- decisions of scripts, every field checked for type and range.
 *
 * Fields that are of no use at the moment (`fresh_for` at a look-up) are checked as
 * well and do no harm. */
#include "policy_decision.h"

struct taken {
    const struct policy_ask *ask;
    bool whole; /* otherwise what an example expects: some fields of one */
    bool *cacheable, *ordered;
};

static const struct taken *taken_of(const struct policy_reader *reader) {
    return reader->about;
}

/* -- What all of them have --------------------------------------------------------- */

static enum cairn_status read_reason(struct policy_reader *reader, void *into) {
    struct cairn_decider *by = into;
    struct cairn_slice reason;
    if (!policy_to_slice(reader->L, &reason))
        return policy_field_wrong(reader, "string");
    size_t size = reason.size;
    if (size >= sizeof by->reason)
        size = sizeof by->reason - 1;
    for (size_t i = 0; i < size; i++) /* one line, and no end before its end */
        by->reason[i] = (unsigned char)reason.data[i] < ' ' ? ' ' : reason.data[i];
    by->reason[size] = '\0';
    return CAIRN_OK;
}

static enum cairn_status read_cacheable(struct policy_reader *reader, void *into) {
    (void)into;
    return policy_read_boolean(reader, taken_of(reader)->cacheable);
}

/* -- Cache control ----------------------------------------------------------------- */

#define AT(field) offsetof(struct cairn_cache_decision, field)

/* `true`: however stale. */
static enum cairn_status read_span_or_any(struct policy_reader *reader, void *into) {
    if (!lua_isboolean(reader->L, -1))
        return policy_read_span(reader, into);
    *(int64_t *)into = lua_toboolean(reader->L, -1) ? CAIRN_FOREVER : 0;
    return CAIRN_OK;
}

static const struct policy_field accept_fields[] = {
    {"max_age", policy_read_span, AT(max_age_ms), false},
    {"min_fresh", policy_read_span, AT(min_fresh_ms), false},
    {"max_stale", read_span_or_any, AT(max_stale_ms), false},
    {0},
};

static enum cairn_status read_accept(struct policy_reader *reader, void *into) {
    if (lua_type(reader->L, -1) != LUA_TTABLE)
        return policy_field_wrong(reader, "table");
    return policy_fields_read(reader, -1, accept_fields, into);
}

/* Each with a NUL behind it, all in CAIRN_TAGS_ROOM. */
static enum cairn_status add_tag(struct policy_reader *reader,
                                 struct cairn_cache_decision *decision) {
    struct cairn_slice tag;
    if (!policy_to_slice(reader->L, &tag) || tag.size == 0 ||
        memchr(tag.data, '\0', tag.size))
        return policy_field_wrong(reader, "strings, not empty and without NUL,");
    if (tag.size >= CAIRN_TAGS_ROOM - decision->tags_size)
        return policy_field_fail(reader, "together they are over %d bytes",
                                 CAIRN_TAGS_ROOM);
    memcpy(decision->tags + decision->tags_size, tag.data, tag.size);
    decision->tags_size += tag.size;
    decision->tags[decision->tags_size++] = '\0';
    return CAIRN_OK;
}

static enum cairn_status read_tags(struct policy_reader *reader, void *into) {
    struct cairn_cache_decision *decision = into;
    size_t count;
    enum cairn_status status = policy_list_count(reader, "a list of strings", &count);
    for (size_t i = 1; i <= count && !status; i++) {
        lua_rawgeti(reader->L, -1, (lua_Integer)i);
        status = add_tag(reader, decision);
        lua_pop(reader->L, 1);
    }
    return status;
}

static const struct policy_field cache_fields[] = {
    {"reason", read_reason, AT(by), false},
    {"lookup", policy_read_boolean, AT(lookup), false},
    {"only_if_cached", policy_read_boolean, AT(only_if_cached), false},
    {"accept", read_accept, 0, false},
    {"serve", policy_read_boolean, AT(serve), false},
    {"revalidate", policy_read_boolean, AT(revalidate), false},
    {"store", policy_read_boolean, AT(store), false},
    {"fresh_for", policy_read_span, AT(fresh_ms), false},
    {"while_revalidate", policy_read_span, AT(while_revalidate_ms), false},
    {"if_error", policy_read_span, AT(if_error_ms), false},
    {"must_revalidate", policy_read_boolean, AT(must_revalidate), false},
    {"async", policy_read_boolean, AT(async), false},
    {"sync", policy_read_boolean, AT(sync), false},
    {"tags", read_tags, 0, false},
    {"priority", policy_read_number, AT(priority), false},
    {"cacheable", read_cacheable, 0, false},
    {0},
};
#undef AT

/* -- Chain ------------------------------------------------------------------------- */

#define AT(field) offsetof(struct cairn_chain_decision, field)

static const struct cairn_chain_facts *facts_of(const struct policy_reader *reader) {
    return taken_of(reader)->ask->facts.chain;
}

/* The member that the string at the stack's `index` names. */
static enum cairn_status read_member(struct policy_reader *reader, int index,
                                     size_t *out) {
    const struct cairn_chain_facts *facts = facts_of(reader);
    lua_State *L = reader->L;
    if (lua_type(L, index) != LUA_TSTRING)
        return policy_field_fail(reader, "names of stores expected, got a %s",
                                 lua_typename(L, lua_type(L, index)));
    struct cairn_slice name;
    name.data = lua_tolstring(L, index, &name.size);
    for (*out = 0; *out < facts->count; ++*out)
        if (cairn_slice_equal(name, cairn_slice_of(facts->members[*out].name)))
            return CAIRN_OK;
    return policy_field_fail(reader, "there is no store '%.*s'",
                             name.size > 64 ? 64 : (int)name.size, name.data);
}

static enum cairn_status add_member(struct policy_reader *reader,
                                    struct cairn_chain_decision *decision) {
    size_t member;
    enum cairn_status status = read_member(reader, -1, &member);
    if (status)
        return status;
    for (size_t i = 0; i < decision->count; i++)
        if (decision->order[i] == member)
            return policy_field_fail(reader, "it has '%s' twice",
                                     facts_of(reader)->members[member].name);
    decision->order[decision->count++] = (uint8_t)member;
    return CAIRN_OK;
}

/* Whether somebody there may do what is asked: any of the members, or of the order. */
static bool can_be_done(const struct cairn_chain_facts *facts,
                        const struct cairn_chain_decision *order) {
    bool reads = facts->action == CAIRN_CHAIN_READ;
    unsigned wanted = reads ? CAIRN_MEMBER_READS : CAIRN_MEMBER_WRITES;
    size_t count = order ? order->count : facts->count;
    for (size_t i = 0; i < count; i++)
        if (facts->members[order ? order->order[i] : i].flags & wanted)
            return true;
    return false;
}

static enum cairn_status read_order(struct policy_reader *reader, void *into) {
    const struct taken *taken = taken_of(reader);
    const struct cairn_chain_facts *facts = facts_of(reader);
    size_t count;
    enum cairn_status status = policy_list_count(reader, "a list of names", &count);
    *taken->ordered = true;
    for (size_t i = 1; i <= count && !status; i++) {
        lua_rawgeti(reader->L, -1, (lua_Integer)i);
        status = add_member(reader, into);
        lua_pop(reader->L, 1);
    }
    if (!status && taken->whole && !can_be_done(facts, into) &&
        can_be_done(facts, NULL))
        status = policy_field_fail(reader, "it has nobody who may %s",
                                   policy_action_names[facts->action]);
    return status;
}

/* A count of stores in the order, which was read before if there is one. */
static enum cairn_status read_share(struct policy_reader *reader, unsigned *out) {
    const struct taken *taken = taken_of(reader);
    const struct cairn_chain_decision *decision = taken->ask->decision.chain;
    enum cairn_status status = policy_read_some_count(reader, out);
    if (!status && (taken->whole || decision->count) && *out > decision->count)
        status = policy_field_fail(reader, "%u, but the order has %zu", *out,
                                   decision->count);
    return status;
}

static enum cairn_status read_race(struct policy_reader *reader, void *into) {
    unsigned *race = into;
    enum cairn_status status = read_share(reader, race);
    if (*race == 1)
        *race = 0; /* alone it is none */
    return status;
}

static enum cairn_status read_need(struct policy_reader *reader, void *into) {
    return read_share(reader, into);
}

static enum cairn_status promote_to_tiers(struct policy_reader *reader, uint32_t *out) {
    const struct cairn_chain_facts *facts = facts_of(reader);
    for (size_t i = 0; lua_toboolean(reader->L, -1) && i < facts->count; i++)
        if (facts->members[i].flags & CAIRN_MEMBER_TIER)
            *out |= UINT32_C(1) << i;
    return CAIRN_OK;
}

static enum cairn_status read_promote(struct policy_reader *reader, void *into) {
    uint32_t *promote = into;
    size_t count, member;
    if (lua_isboolean(reader->L, -1))
        return promote_to_tiers(reader, promote);
    enum cairn_status status =
        policy_list_count(reader, "true or a list of names", &count);
    for (size_t i = 1; i <= count && !status; i++) {
        lua_rawgeti(reader->L, -1, (lua_Integer)i);
        status = read_member(reader, -1, &member);
        if (!status)
            *promote |= UINT32_C(1) << member;
        lua_pop(reader->L, 1);
    }
    return status;
}

/* An example may expect deadlines alone: then they make up an order to be kept with. */
static void expect_asked(struct policy_reader *reader, size_t member,
                         struct cairn_chain_decision *decision) {
    if (!taken_of(reader)->whole && !*taken_of(reader)->ordered)
        decision->order[decision->count++] = (uint8_t)member;
}

static enum cairn_status set_deadline(struct policy_reader *reader,
                                      struct cairn_chain_decision *decision) {
    size_t member;
    int64_t span;
    enum cairn_status status = read_member(reader, -2, &member);
    if (!status)
        status = policy_read_some_span(reader, &span);
    if (!status)
        expect_asked(reader, member, decision);
    for (size_t i = 0; !status && i < decision->count; i++)
        if (decision->order[i] == member)
            decision->deadline_ms[i] = span == CAIRN_FOREVER ? 0 : span;
    return status;
}

static enum cairn_status read_deadlines(struct policy_reader *reader, void *into) {
    lua_State *L = reader->L;
    if (lua_type(L, -1) != LUA_TTABLE)
        return policy_field_wrong(reader, "table");
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        enum cairn_status status = set_deadline(reader, into);
        if (status) {
            lua_pop(L, 2);
            return status;
        }
    }
    return CAIRN_OK;
}

static const struct policy_field keep_out_fields[] = {
    {"after", policy_read_some_count, AT(keep_out_after), false},
    {"ms", policy_read_some_span, AT(keep_out_ms), false},
    {0},
};

static enum cairn_status read_keep_out(struct policy_reader *reader, void *into) {
    if (lua_type(reader->L, -1) != LUA_TTABLE)
        return policy_field_wrong(reader, "table");
    const struct cairn_chain_decision *decision = into;
    enum cairn_status status = policy_fields_read(reader, -1, keep_out_fields, into);
    if (!status && taken_of(reader)->whole &&
        (!decision->keep_out_after || !decision->keep_out_ms))
        status = policy_field_fail(reader, "it needs both after and ms");
    return status;
}

static const struct policy_field chain_fields[] = {
    {"order", read_order, 0, false},
    {"race", read_race, AT(race), true},
    {"need", read_need, AT(need), true},
    {"promote", read_promote, AT(promote), false},
    {"promote_max", policy_read_some_size, AT(promote_max_bytes), false},
    {"promote_for", policy_read_some_span, AT(promote_ms), false},
    {"deadlines", read_deadlines, 0, true},
    {"keep_out", read_keep_out, 0, false},
    {"cacheable", read_cacheable, 0, false},
    {"reason", read_reason, AT(by), false},
    {0},
};
#undef AT

/* -- Eviction ---------------------------------------------------------------------- */

#define AT(field) offsetof(struct cairn_eviction_decision, field)

static const struct policy_field eviction_fields[] = {
    {"score", policy_read_number, AT(score), false},
    {"keep", policy_read_boolean, AT(keep), false},
    {"reason", read_reason, AT(by), false},
    {0},
};
#undef AT

/* -- All --------------------------------------------------------------------------- */

enum cairn_status policy_decision_read(lua_State *L, const struct policy_ask *ask,
                                       bool whole, bool *cacheable,
                                       struct cairn_error *error) {
    static const struct policy_field *const fields[] = {cache_fields, chain_fields,
                                                        eviction_fields};
    bool ordered = false;
    struct taken taken = {ask, whole, cacheable, &ordered};
    struct policy_reader reader = {
        .L = L, .about = &taken, .what = "decision", .error = error};
    policy_ask_reset(ask);
    if (lua_type(L, -1) != LUA_TTABLE)
        return cairn_fail(error, CAIRN_POLICY_ERROR,
                          "a decision is a table or nil, not a %s",
                          lua_typename(L, lua_type(L, -1)));
    enum cairn_status status =
        policy_fields_read(&reader, -1, fields[ask->question], ask->decision.any);
    if (!status && whole && ask->question == POLICY_CHAIN && !ordered)
        status = cairn_fail(error, CAIRN_POLICY_ERROR, "decision.order: it is missing");
    return status;
}
