/* policy_emit.c -- decisions, described once and written three ways. */
#include "policy_emit.h"

#include <lauxlib.h>

/* Where a description goes. Each writer has what follows; `name` is NULL in lists. */
struct sink {
    void (*open)(struct sink *sink, const char *name, bool list);
    void (*close)(struct sink *sink, bool list);
    void (*integer)(struct sink *sink, const char *name, int64_t value);
    void (*number)(struct sink *sink, const char *name, double value);
    void (*boolean)(struct sink *sink, const char *name, bool value);
    void (*string)(struct sink *sink, const char *name, struct cairn_slice value);

    lua_State *L;             /* of a table */
    struct policy_json *json; /* of the others */
    const char *within;       /* of lines: the table we are in; NULL: in none */
};

/* -- Into a Lua table -------------------------------------------------------------- */

/* What was pushed becomes a field of the table below it, or its next item. */
static void settle(lua_State *L, const char *name) {
    if (name)
        lua_setfield(L, -2, name); /* a table of our own, without a metatable */
    else
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* Name and table wait on the stack until the table is closed. */
static void table_open(struct sink *sink, const char *name, bool list) {
    (void)list;
    lua_pushstring(sink->L, name);
    lua_newtable(sink->L);
}

static void table_close(struct sink *sink, bool list) {
    (void)list;
    lua_rawset(sink->L, -3);
}

static void table_integer(struct sink *sink, const char *name, int64_t value) {
    lua_pushinteger(sink->L, value);
    settle(sink->L, name);
}

static void table_number(struct sink *sink, const char *name, double value) {
    lua_pushnumber(sink->L, value);
    settle(sink->L, name);
}

static void table_boolean(struct sink *sink, const char *name, bool value) {
    lua_pushboolean(sink->L, value);
    settle(sink->L, name);
}

static void table_string(struct sink *sink, const char *name,
                         struct cairn_slice value) {
    lua_pushlstring(sink->L, value.size ? value.data : "", value.size);
    settle(sink->L, name);
}

static const struct sink table_sink = {.open = table_open,
                                       .close = table_close,
                                       .integer = table_integer,
                                       .number = table_number,
                                       .boolean = table_boolean,
                                       .string = table_string};

/* -- Into JSON --------------------------------------------------------------------- */

static void name_it(struct sink *sink, const char *name) {
    if (name)
        policy_json_key(sink->json, name);
}

static void json_open(struct sink *sink, const char *name, bool list) {
    name_it(sink, name);
    policy_json_open(sink->json, list ? '[' : '{');
}

static void json_close(struct sink *sink, bool list) {
    policy_json_close(sink->json, list ? ']' : '}');
}

static void json_integer(struct sink *sink, const char *name, int64_t value) {
    name_it(sink, name);
    policy_json_integer(sink->json, value);
}

static void json_number(struct sink *sink, const char *name, double value) {
    name_it(sink, name);
    policy_json_number(sink->json, value);
}

static void json_boolean(struct sink *sink, const char *name, bool value) {
    name_it(sink, name);
    policy_json_boolean(sink->json, value);
}

static void json_string(struct sink *sink, const char *name, struct cairn_slice value) {
    name_it(sink, name);
    policy_json_string(sink->json, value);
}

static const struct sink json_sink = {.open = json_open,
                                      .close = json_close,
                                      .integer = json_integer,
                                      .number = json_number,
                                      .boolean = json_boolean,
                                      .string = json_string};

/* -- Into lines -------------------------------------------------------------------- */

/* The items of a list have no name and follow its bracket. */
static void begin_line(struct sink *sink, const char *name) {
    if (!name)
        return;
    sink->json->comma = false;
    policy_json_raw(sink->json, "\n");
    if (sink->within) {
        policy_json_raw(sink->json, sink->within);
        policy_json_raw(sink->json, ".");
    }
    policy_json_raw(sink->json, name);
    policy_json_raw(sink->json, " = ");
}

static void line_open(struct sink *sink, const char *name, bool list) {
    if (list) {
        begin_line(sink, name);
        policy_json_open(sink->json, '[');
    } else {
        sink->within = name;
    }
}

static void line_close(struct sink *sink, bool list) {
    if (list)
        policy_json_close(sink->json, ']');
    else
        sink->within = NULL;
}

static void line_integer(struct sink *sink, const char *name, int64_t value) {
    begin_line(sink, name);
    policy_json_integer(sink->json, value);
}

static void line_number(struct sink *sink, const char *name, double value) {
    begin_line(sink, name);
    policy_json_number(sink->json, value);
}

static void line_boolean(struct sink *sink, const char *name, bool value) {
    begin_line(sink, name);
    policy_json_boolean(sink->json, value);
}

static void line_string(struct sink *sink, const char *name, struct cairn_slice value) {
    begin_line(sink, name);
    policy_json_string(sink->json, value);
}

static const struct sink line_sink = {.open = line_open,
                                      .close = line_close,
                                      .integer = line_integer,
                                      .number = line_number,
                                      .boolean = line_boolean,
                                      .string = line_string};

/* -- Decisions --------------------------------------------------------------------- */

/* A span that is not there when it is forever. */
static void put_span(struct sink *sink, const char *name, int64_t ms) {
    if (ms != CAIRN_FOREVER)
        sink->integer(sink, name, ms);
}

static void put_accept(struct sink *sink, const struct cairn_cache_decision *decision) {
    bool any_age = decision->max_age_ms == CAIRN_FOREVER;
    if (any_age && !decision->min_fresh_ms && !decision->max_stale_ms)
        return;
    sink->open(sink, "accept", false);
    put_span(sink, "max_age", decision->max_age_ms);
    if (decision->min_fresh_ms)
        sink->integer(sink, "min_fresh", decision->min_fresh_ms);
    if (decision->max_stale_ms == CAIRN_FOREVER)
        sink->boolean(sink, "max_stale", true);
    else if (decision->max_stale_ms)
        sink->integer(sink, "max_stale", decision->max_stale_ms);
    sink->close(sink, false);
}

static void put_tags(struct sink *sink, const struct cairn_cache_decision *decision) {
    size_t at = 0;
    if (!decision->tags_size)
        return;
    sink->open(sink, "tags", true);
    while (at < decision->tags_size) {
        struct cairn_slice tag = cairn_slice_of(decision->tags + at);
        sink->string(sink, NULL, tag);
        at += tag.size + 1;
    }
    sink->close(sink, true);
}

static void put_store(struct sink *sink, const struct cairn_cache_decision *decision) {
    sink->boolean(sink, "store", decision->store);
    put_span(sink, "fresh_for", decision->fresh_ms);
    sink->integer(sink, "while_revalidate", decision->while_revalidate_ms);
    sink->integer(sink, "if_error", decision->if_error_ms);
    sink->boolean(sink, "must_revalidate", decision->must_revalidate);
    sink->boolean(sink, "async", decision->async);
    sink->boolean(sink, "sync", decision->sync);
    sink->number(sink, "priority", decision->priority);
    put_tags(sink, decision);
}

static void put_cache(struct sink *sink, const struct cairn_cache_decision *decision) {
    sink->boolean(sink, "lookup", decision->lookup);
    sink->boolean(sink, "only_if_cached", decision->only_if_cached);
    put_accept(sink, decision);
    sink->boolean(sink, "serve", decision->serve);
    sink->boolean(sink, "revalidate", decision->revalidate);
    put_store(sink, decision);
}

static void put_member(struct sink *sink, const struct cairn_member_facts *member) {
    sink->string(sink, NULL, cairn_slice_of(member->name));
}

static void put_promotion(struct sink *sink, const struct cairn_chain_facts *facts,
                          const struct cairn_chain_decision *decision) {
    sink->open(sink, "promote", true);
    for (size_t i = 0; i < facts->count; i++)
        if (decision->promote & UINT32_C(1) << i)
            put_member(sink, &facts->members[i]);
    sink->close(sink, true);
    if (decision->promote_max_bytes)
        sink->integer(sink, "promote_max", (int64_t)decision->promote_max_bytes);
    if (decision->promote_ms)
        sink->integer(sink, "promote_for", decision->promote_ms);
}

static void put_deadlines(struct sink *sink, const struct cairn_chain_facts *facts,
                          const struct cairn_chain_decision *decision) {
    bool any = false;
    for (size_t i = 0; i < decision->count; i++)
        any = any || decision->deadline_ms[i];
    if (!any)
        return;
    sink->open(sink, "deadlines", false);
    for (size_t i = 0; i < decision->count; i++)
        if (decision->deadline_ms[i])
            sink->integer(sink, facts->members[decision->order[i]].name,
                          decision->deadline_ms[i]);
    sink->close(sink, false);
}

static void put_chain(struct sink *sink, const struct cairn_chain_facts *facts,
                      const struct cairn_chain_decision *decision) {
    sink->open(sink, "order", true);
    for (size_t i = 0; i < decision->count; i++)
        put_member(sink, &facts->members[decision->order[i]]);
    sink->close(sink, true);
    if (decision->race > 1)
        sink->integer(sink, "race", decision->race);
    if (decision->need)
        sink->integer(sink, "need", decision->need);
    put_promotion(sink, facts, decision);
    put_deadlines(sink, facts, decision);
    if (decision->keep_out_after || decision->keep_out_ms) {
        sink->open(sink, "keep_out", false);
        sink->integer(sink, "after", decision->keep_out_after);
        sink->integer(sink, "ms", decision->keep_out_ms);
        sink->close(sink, false);
    }
}

static void put_decision(struct sink *sink, const struct policy_ask *ask) {
    const struct cairn_decider *by = policy_ask_decider(ask);
    if (ask->question == POLICY_CACHE_CONTROL)
        put_cache(sink, ask->decision.cache);
    else if (ask->question == POLICY_CHAIN)
        put_chain(sink, ask->facts.chain, ask->decision.chain);
    else {
        sink->number(sink, "score", ask->decision.eviction->score);
        sink->boolean(sink, "keep", ask->decision.eviction->keep);
    }
    if (by->reason[0])
        sink->string(sink, "reason", cairn_slice_of(by->reason));
}

void policy_emit_table(lua_State *L, const struct policy_ask *ask) {
    struct sink sink = table_sink;
    sink.L = L;
    luaL_checkstack(L, 8, "a decision");
    lua_newtable(L);
    put_decision(&sink, ask);
}

void policy_emit_json(struct policy_json *json, const struct policy_ask *ask) {
    struct sink sink = json_sink;
    sink.json = json;
    policy_json_open(json, '{');
    put_decision(&sink, ask);
    policy_json_close(json, '}');
}

void policy_emit_lines(struct policy_json *json, const struct policy_ask *ask) {
    struct sink sink = line_sink;
    sink.json = json;
    put_decision(&sink, ask);
    policy_json_raw(json, "\n");
}
