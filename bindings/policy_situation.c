/* policy_situation.c -- facts from a Lua table. */
#include "policy_situation.h"

#include "policy_directives.h"

/* An id of nothing, where the table gives none. */
#define SOME_ID "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

enum { ORDINARY_SIZE = 100, ORDINARY_COST = 10 };

static struct policy_situation *situation_of(struct policy_reader *reader) {
    return (struct policy_situation *)reader->about;
}

/* A string of a list of words, as its position. */
static enum cairn_status read_word(struct policy_reader *reader,
                                   const char *const words[], const char *expected,
                                   int *out) {
    struct cairn_slice word;
    *out = policy_to_slice(reader->L, &word) ? policy_word_index(words, word) : -1;
    return *out < 0 ? policy_field_wrong(reader, expected) : CAIRN_OK;
}

/* -- What several have ------------------------------------------------------------- */

/* As scripts see it: without what has no end. */
struct seen {
    int64_t age, stale_for;
    struct cairn_kept kept;
};

static const struct policy_field kept_fields[] = {
    {"age", policy_read_integer, offsetof(struct seen, age), false},
    {"stale_for", policy_read_integer, offsetof(struct seen, stale_for), false},
    {"while_revalidate", policy_read_span,
     offsetof(struct seen, kept.while_revalidate_ms), false},
    {"if_error", policy_read_span, offsetof(struct seen, kept.if_error_ms), false},
    {"must_revalidate", policy_read_boolean,
     offsetof(struct seen, kept.must_revalidate), false},
    {"size", policy_read_size, offsetof(struct seen, kept.size_bytes), false},
    {"cost", policy_read_span, offsetof(struct seen, kept.cost_ms), false},
    {"priority", policy_read_number, offsetof(struct seen, kept.priority), false},
    {0},
};

static int64_t now_of(const struct policy_situation *situation) {
    switch (situation->ask.question) {
    case POLICY_CACHE_CONTROL:
        return situation->facts.cache.now_ms;
    case POLICY_CHAIN:
        return situation->facts.chain.now_ms;
    default:
        return situation->facts.eviction.now_ms;
    }
}

static enum cairn_status before(struct policy_reader *reader, int64_t ms,
                                int64_t *out) {
    if (__builtin_sub_overflow(now_of(situation_of(reader)), ms, out))
        return policy_field_fail(reader, "there is no such time");
    return CAIRN_OK;
}

static enum cairn_status read_kept(struct policy_reader *reader, void *into) {
    struct policy_situation *situation = situation_of(reader);
    struct seen seen = {.stale_for = INT64_MIN,
                        .kept = {.fresh_until_ms = CAIRN_FOREVER,
                                 .while_revalidate_ms = CAIRN_FOREVER,
                                 .if_error_ms = CAIRN_FOREVER,
                                 .size_bytes = ORDINARY_SIZE,
                                 .cost_ms = ORDINARY_COST}};
    if (lua_type(reader->L, -1) != LUA_TTABLE)
        return policy_field_wrong(reader, "table");
    enum cairn_status status = policy_fields_read(reader, -1, kept_fields, &seen);
    if (!status)
        status = before(reader, seen.age, &seen.kept.created_ms);
    if (!status && seen.stale_for != INT64_MIN)
        status = before(reader, seen.stale_for, &seen.kept.fresh_until_ms);
    situation->kept = seen.kept;
    *(const struct cairn_kept **)into = &situation->kept;
    return status;
}

/* Keys and values at the top of the stack as fields of a message. */
static enum cairn_status add_texts(struct policy_reader *reader,
                                   struct cairn_value *message) {
    lua_State *L = reader->L;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        struct cairn_pair *pair = &message->as.fields[message->count++];
        struct cairn_slice key = {NULL, 0};
        pair->value = (struct cairn_value){.type = CAIRN_VALUE_BYTES};
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING) {
            lua_pop(L, 2);
            return policy_field_wrong(reader, "a table of strings");
        }
        key.data = lua_tolstring(L, -2, &key.size);
        enum cairn_status status = policy_read_bytes(reader, &pair->value.as.bytes);
        if (!status && !cairn_arena_copy(reader->arena, key, &pair->key))
            status = policy_field_no_memory(reader);
        if (status) {
            lua_pop(L, 2);
            return status;
        }
    }
    return CAIRN_OK;
}

static enum cairn_status read_texts(struct policy_reader *reader,
                                    struct cairn_value *message) {
    lua_State *L = reader->L;
    size_t count = 0;
    if (lua_type(L, -1) != LUA_TTABLE)
        return policy_field_wrong(reader, "a table of strings");
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        count++;
    *message = (struct cairn_value){.type = CAIRN_VALUE_MESSAGE};
    message->as.fields =
        cairn_arena_take(reader->arena, count * sizeof *message->as.fields + 1);
    if (!message->as.fields)
        return policy_field_no_memory(reader);
    return add_texts(reader, message);
}

static enum cairn_status read_asked(struct policy_reader *reader, void *into) {
    struct policy_situation *situation = situation_of(reader);
    *(const struct cairn_value **)into = &situation->asked;
    return read_texts(reader, &situation->asked);
}

static enum cairn_status read_answer(struct policy_reader *reader, void *into) {
    struct policy_situation *situation = situation_of(reader);
    *(const struct cairn_value **)into = &situation->answer;
    return read_texts(reader, &situation->answer);
}

/* -- Cache control ----------------------------------------------------------------- */

static enum cairn_status read_moment(struct policy_reader *reader, void *into) {
    int moment;
    enum cairn_status status = read_word(reader, policy_moment_names,
                                         "lookup, stale, error or store", &moment);
    if (!status)
        *(enum cairn_moment *)into = (enum cairn_moment)moment;
    return status;
}

static enum cairn_status read_hashpath(struct policy_reader *reader, void *into) {
    static const char *const words[] = {"ignore", NULL};
    int word;
    *(bool *)into = true;
    return read_word(reader, words, "\"ignore\"", &word);
}

static enum cairn_status read_failure(struct policy_reader *reader, void *into) {
    struct cairn_slice word;
    if (!policy_to_slice(reader->L, &word))
        return policy_field_wrong(reader, "a code");
    for (int status = 1; status < CAIRN_STATUS_COUNT; status++) {
        const char *known = cairn_status_word((enum cairn_status)status);
        if (!cairn_slice_equal(word, cairn_slice_of(known)))
            continue;
        *(enum cairn_status *)into = (enum cairn_status)status;
        return CAIRN_OK;
    }
    return policy_field_wrong(reader, "a code");
}

#define AT(field) offsetof(struct cairn_cache_facts, field)
static const struct policy_field cache_fields[] = {
    {"moment", read_moment, AT(moment), false},
    {"node", policy_read_directives, AT(node), false},
    {"result", policy_read_directives, AT(result), false},
    {"request", policy_read_directives, AT(request), false},
    {"hashpath", read_hashpath, AT(hashpath_ignored), false},
    {"now", policy_read_integer, AT(now_ms), false},
    {"base", policy_read_bytes, AT(base), false},
    {"path", policy_read_bytes, AT(path), false},
    {"asked", read_asked, AT(asked), false},
    {"answer", read_answer, AT(answer), false},
    {"size", policy_read_size, AT(size_bytes), false},
    {"cost", policy_read_span, AT(cost_ms), false},
    {"kept", read_kept, AT(kept), true},
    {"failure", read_failure, AT(failure), false},
    {0},
};
#undef AT

/* -- Chain ------------------------------------------------------------------------- */

static enum cairn_status read_action(struct policy_reader *reader, void *into) {
    int action;
    enum cairn_status status =
        read_word(reader, policy_action_names, "read or write", &action);
    if (!status)
        *(enum cairn_chain_action *)into = (enum cairn_chain_action)action;
    return status;
}

static enum cairn_status read_scope(struct policy_reader *reader, void *into) {
    static const char *const words[] = {"local", "remote", "cluster", NULL};
    int word;
    enum cairn_status status =
        read_word(reader, words, "local, remote or cluster", &word);
    if (!status)
        *(enum cairn_scope *)into = (enum cairn_scope)(1 << word);
    return status;
}

/* One store: the flags apart. */
struct store {
    struct cairn_member_facts member;
    bool read, write, tier, failing;
};

static const struct policy_field store_fields[] = {
    {"name", policy_read_name, offsetof(struct store, member.name), false},
    {"backend", policy_read_name, offsetof(struct store, member.backend), false},
    {"scope", read_scope, offsetof(struct store, member.scope), false},
    {"read", policy_read_boolean, offsetof(struct store, read), false},
    {"write", policy_read_boolean, offsetof(struct store, write), false},
    {"tier", policy_read_boolean, offsetof(struct store, tier), false},
    {"failing", policy_read_boolean, offsetof(struct store, failing), false},
    {0},
};

static enum cairn_status read_store(struct policy_reader *reader,
                                    struct cairn_member_facts *out) {
    struct store store = {.member = {.backend = "rocksdb", .scope = CAIRN_SCOPE_LOCAL},
                          .read = true,
                          .write = true};
    if (lua_type(reader->L, -1) != LUA_TTABLE)
        return policy_field_wrong(reader, "tables");
    enum cairn_status status = policy_fields_read(reader, -1, store_fields, &store);
    if (!status && !store.member.name)
        status = cairn_fail(reader->error, CAIRN_POLICY_ERROR,
                            "%s.stores: one has no name", reader->what);
    store.member.flags = (store.read ? CAIRN_MEMBER_READS : 0u) |
                         (store.write ? CAIRN_MEMBER_WRITES : 0u) |
                         (store.tier ? CAIRN_MEMBER_TIER : 0u) |
                         (store.failing ? CAIRN_MEMBER_FAILING : 0u);
    *out = store.member;
    return status;
}

static enum cairn_status read_stores(struct policy_reader *reader, void *into) {
    struct policy_situation *situation = situation_of(reader);
    size_t count;
    (void)into;
    enum cairn_status status = policy_list_count(reader, "a list of tables", &count);
    if (!status && count > CAIRN_CHAIN_MAX)
        status = cairn_fail(reader->error, CAIRN_POLICY_ERROR,
                            "%s.stores: %zu, and a chain has at most %d", reader->what,
                            count, CAIRN_CHAIN_MAX);
    for (size_t i = 0; i < count && !status; i++) {
        lua_rawgeti(reader->L, -1, (lua_Integer)i + 1);
        status = read_store(reader, &situation->members[i]);
        lua_pop(reader->L, 1);
    }
    situation->facts.chain.count = status ? 0 : count;
    return status;
}

struct health {
    unsigned failures;
    double latency;
};

static const struct policy_field health_fields[] = {
    {"failures", policy_read_count, offsetof(struct health, failures), false},
    {"latency", policy_read_number, offsetof(struct health, latency), false},
    {0},
};

/* The name below the top of the stack and its health at it. */
static enum cairn_status read_member_health(struct policy_reader *reader) {
    struct policy_situation *situation = situation_of(reader);
    struct health health = {0};
    size_t i = 0;
    if (lua_type(reader->L, -2) != LUA_TSTRING || lua_type(reader->L, -1) != LUA_TTABLE)
        return policy_field_wrong(reader, "a table of tables by name");
    while (i < situation->facts.chain.count &&
           strcmp(situation->members[i].name, lua_tostring(reader->L, -2)) != 0)
        i++;
    if (i == situation->facts.chain.count)
        return cairn_fail(reader->error, CAIRN_POLICY_ERROR,
                          "%s.health: there is no store '%.64s'", reader->what,
                          lua_tostring(reader->L, -2));
    enum cairn_status status = policy_fields_read(reader, -1, health_fields, &health);
    if (health.latency < 0 || health.latency > 1e12)
        return policy_field_wrong(reader, "a latency from 0 to 1e12 ms");
    situation->members[i].failures = health.failures;
    situation->members[i].latency_us = (int64_t)(health.latency * 1000);
    return status;
}

static enum cairn_status read_health(struct policy_reader *reader, void *into) {
    lua_State *L = reader->L;
    (void)into;
    if (lua_type(L, -1) != LUA_TTABLE)
        return policy_field_wrong(reader, "table");
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        enum cairn_status status = read_member_health(reader);
        if (status) {
            lua_pop(L, 2);
            return status;
        }
    }
    return CAIRN_OK;
}

#define AT(field) offsetof(struct cairn_chain_facts, field)
static const struct policy_field chain_fields[] = {
    {"action", read_action, AT(action), false},
    {"operation", policy_read_name, AT(operation), false},
    {"stores", read_stores, 0, false},
    {"path", policy_read_bytes, AT(path), false},
    {"size", policy_read_size, AT(size_bytes), false},
    {"now", policy_read_integer, AT(now_ms), false},
    {"health", read_health, 0, true},
    {0},
};
#undef AT

/* -- Eviction ---------------------------------------------------------------------- */

static enum cairn_status add_tag(struct policy_reader *reader,
                                 struct cairn_bytes *tags) {
    struct cairn_slice tag;
    if (!policy_to_slice(reader->L, &tag) || memchr(tag.data, '\0', tag.size))
        return policy_field_wrong(reader, "a list of strings");
    if (!cairn_bytes_append(tags, tag) ||
        !cairn_bytes_append(tags, (struct cairn_slice){"", 1}))
        return policy_field_no_memory(reader);
    return CAIRN_OK;
}

static enum cairn_status read_tags(struct policy_reader *reader, void *into) {
    struct cairn_bytes tags = {0};
    size_t count;
    enum cairn_status status = policy_list_count(reader, "a list of strings", &count);
    for (size_t i = 1; i <= count && !status; i++) {
        lua_rawgeti(reader->L, -1, (lua_Integer)i);
        status = add_tag(reader, &tags);
        lua_pop(reader->L, 1);
    }
    if (!status && !cairn_arena_copy(reader->arena, cairn_bytes_slice(&tags), into))
        status = policy_field_no_memory(reader);
    cairn_bytes_free(&tags);
    return status;
}

#define AT(field) offsetof(struct cairn_eviction_facts, field)
static const struct policy_field eviction_fields[] = {
    {"now", policy_read_integer, AT(now_ms), false},
    {"used", policy_read_size, AT(used_bytes), false},
    {"budget", policy_read_size, AT(budget_bytes), false},
    {"base", policy_read_bytes, AT(base), false},
    {"path", policy_read_bytes, AT(path), false},
    {"kept", read_kept, AT(kept), true},
    {"idle", policy_read_span, AT(idle_ms), false},
    {"hits", policy_read_size, AT(hits), false},
    {"tags", read_tags, AT(tags), false},
    {0},
};
#undef AT

/* -- All --------------------------------------------------------------------------- */

static void set_cache_ordinary(struct cairn_cache_facts *facts, int64_t now_ms) {
    *facts = (struct cairn_cache_facts){.now_ms = now_ms,
                                        .base = cairn_slice_of(SOME_ID),
                                        .path = cairn_slice_of(SOME_ID),
                                        .size_bytes = ORDINARY_SIZE,
                                        .cost_ms = ORDINARY_COST,
                                        .failure = CAIRN_UNAVAILABLE};
}

static void set_chain_ordinary(struct policy_situation *situation, int64_t now_ms) {
    situation->members[0] =
        (struct cairn_member_facts){.name = "rocksdb",
                                    .backend = "rocksdb",
                                    .scope = CAIRN_SCOPE_LOCAL,
                                    .flags = CAIRN_MEMBER_READS | CAIRN_MEMBER_WRITES};
    situation->facts.chain = (struct cairn_chain_facts){.members = situation->members,
                                                        .count = 1,
                                                        .path = cairn_slice_of(SOME_ID),
                                                        .size_bytes = ORDINARY_SIZE,
                                                        .now_ms = now_ms};
}

static void set_eviction_ordinary(struct cairn_eviction_facts *facts, int64_t now_ms) {
    *facts = (struct cairn_eviction_facts){.now_ms = now_ms,
                                           .used_bytes = ORDINARY_SIZE,
                                           .budget_bytes = ORDINARY_SIZE,
                                           .base = cairn_slice_of(SOME_ID),
                                           .path = cairn_slice_of(SOME_ID),
                                           .idle_ms = -1};
}

/* What could not be filled in before the table was read. */
static void complete(struct policy_situation *situation) {
    struct cairn_cache_facts *cache = &situation->facts.cache;
    struct cairn_chain_facts *chain = &situation->facts.chain;
    struct cairn_eviction_facts *eviction = &situation->facts.eviction;
    int64_t now_ms = now_of(situation);
    int64_t minute_ago = now_ms > 60000 ? now_ms - 60000 : 0;
    struct cairn_kept ordinary = {.created_ms = minute_ago,
                                  .fresh_until_ms = now_ms,
                                  .size_bytes = ORDINARY_SIZE,
                                  .cost_ms = ORDINARY_COST};
    if (situation->ask.question == POLICY_CACHE_CONTROL) {
        bool old = cache->moment == CAIRN_AT_STALE || cache->moment == CAIRN_AT_ERROR;
        if (old && !cache->kept) {
            situation->kept = ordinary;
            cache->kept = &situation->kept;
        }
    } else if (situation->ask.question == POLICY_CHAIN) {
        if (!chain->operation)
            chain->operation = policy_action_names[chain->action];
    } else if (!eviction->kept) {
        situation->kept = ordinary;
        eviction->kept = &situation->kept;
    }
}

enum cairn_status policy_situation_read(struct policy_situation *situation,
                                        lua_State *L, enum policy_question question,
                                        int64_t now_ms, struct cairn_error *error) {
    static const struct policy_field *const fields[] = {cache_fields, chain_fields,
                                                        eviction_fields};
    struct policy_reader reader = {.L = L,
                                   .arena = &situation->arena,
                                   .about = situation,
                                   .what = "context",
                                   .error = error};
    cairn_arena_init(&situation->arena);
    situation->ask = (struct policy_ask){.question = question,
                                         .facts.any = &situation->facts,
                                         .decision.any = &situation->decision};
    if (question == POLICY_CACHE_CONTROL)
        set_cache_ordinary(&situation->facts.cache, now_ms);
    else if (question == POLICY_CHAIN)
        set_chain_ordinary(situation, now_ms);
    else
        set_eviction_ordinary(&situation->facts.eviction, now_ms);
    if (lua_type(L, -1) != LUA_TTABLE)
        return cairn_fail(error, CAIRN_POLICY_ERROR, "a context is a table, not a %s",
                          lua_typename(L, lua_type(L, -1)));
    enum cairn_status status =
        policy_fields_read(&reader, -1, fields[question], &situation->facts);
    if (!status)
        complete(situation);
    return status;
}

void policy_situation_free(struct policy_situation *situation) {
    cairn_arena_free(&situation->arena);
}
