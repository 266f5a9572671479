/* policy_emit_facts.c -- facts as JSON, for traces: what `policies:decide` makes the
 * same facts of. Long texts are left out; what has no end is not there. */
#include "policy_emit.h"

enum {
    LINE_MAX_BYTES = 4096,
    PATH_MAX_BYTES = 4096,
    TEXT_BYTES = 1024,
    TEXTS_BYTES = 8192
};

static void put_line(struct policy_json *json, const char *name,
                     const struct cairn_directives *party) {
    if (!party->given || party->line.size > LINE_MAX_BYTES)
        return;
    policy_json_key(json, name);
    policy_json_string(json, party->line);
}

static void put_bytes(struct policy_json *json, const char *name,
                      struct cairn_slice bytes) {
    if (bytes.size > PATH_MAX_BYTES)
        return;
    policy_json_key(json, name);
    policy_json_string(json, bytes);
}

static void put_text(struct policy_json *json, const char *name, const char *text) {
    put_bytes(json, name, cairn_slice_of(text));
}

static void put_integer(struct policy_json *json, const char *name, int64_t value) {
    policy_json_key(json, name);
    policy_json_integer(json, value);
}

static void put_size(struct policy_json *json, const char *name, uint64_t size) {
    put_integer(json, name, size > INT64_MAX ? INT64_MAX : (int64_t)size);
}

static void put_boolean(struct policy_json *json, const char *name, bool value) {
    policy_json_key(json, name);
    policy_json_boolean(json, value);
}

static void put_since(struct policy_json *json, const char *name, int64_t now_ms,
                      int64_t ms) {
    int64_t since;
    if (ms != CAIRN_FOREVER && !__builtin_sub_overflow(now_ms, ms, &since))
        put_integer(json, name, since);
}

static void put_span(struct policy_json *json, const char *name, int64_t ms) {
    if (ms != CAIRN_FOREVER)
        put_integer(json, name, ms);
}

static void put_kept(struct policy_json *json, const struct cairn_kept *kept,
                     int64_t now_ms) {
    if (!kept)
        return;
    policy_json_key(json, "kept");
    policy_json_open(json, '{');
    put_since(json, "age", now_ms, kept->created_ms);
    put_since(json, "stale_for", now_ms, kept->fresh_until_ms);
    put_span(json, "while_revalidate", kept->while_revalidate_ms);
    put_span(json, "if_error", kept->if_error_ms);
    put_boolean(json, "must_revalidate", kept->must_revalidate);
    put_size(json, "size", kept->size_bytes);
    put_integer(json, "cost", kept->cost_ms);
    policy_json_key(json, "priority");
    policy_json_number(json, kept->priority);
    policy_json_close(json, '}');
}

/* As many as fit. */
static void put_texts(struct policy_json *json, const char *name,
                      const struct cairn_value *message) {
    size_t room = TEXTS_BYTES;
    if (!message || message->type != CAIRN_VALUE_MESSAGE)
        return;
    policy_json_key(json, name);
    policy_json_open(json, '{');
    for (size_t i = 0; i < message->count; i++) {
        const struct cairn_pair *pair = &message->as.fields[i];
        struct cairn_slice value = pair->value.as.bytes;
        if (pair->value.type != CAIRN_VALUE_BYTES || value.size > TEXT_BYTES ||
            pair->key.size > TEXT_BYTES || pair->key.size + value.size > room)
            continue;
        room -= pair->key.size + value.size;
        policy_json_key_bytes(json, pair->key);
        policy_json_string(json, value);
    }
    policy_json_close(json, '}');
}

static void put_cache(struct policy_json *json, const struct cairn_cache_facts *facts) {
    put_text(json, "moment", policy_moment_names[facts->moment]);
    put_line(json, "node", &facts->node);
    put_line(json, "result", &facts->result);
    put_line(json, "request", &facts->request);
    if (facts->hashpath_ignored)
        put_text(json, "hashpath", "ignore");
    put_integer(json, "now", facts->now_ms);
    put_bytes(json, "base", facts->base);
    put_bytes(json, "path", facts->path);
    put_texts(json, "asked", facts->asked);
    put_texts(json, "answer", facts->answer);
    put_kept(json, facts->kept, facts->now_ms);
    if (facts->moment == CAIRN_AT_STORE) {
        put_size(json, "size", facts->size_bytes);
        put_integer(json, "cost", facts->cost_ms);
    }
    if (facts->moment == CAIRN_AT_ERROR && facts->failure)
        put_text(json, "failure", cairn_status_word(facts->failure));
}

static void put_member(struct policy_json *json,
                       const struct cairn_member_facts *member) {
    policy_json_open(json, '{');
    put_text(json, "name", member->name);
    put_text(json, "backend", member->backend);
    put_text(json, "scope", policy_scope_name(member->scope));
    put_boolean(json, "read", member->flags & CAIRN_MEMBER_READS);
    put_boolean(json, "write", member->flags & CAIRN_MEMBER_WRITES);
    put_boolean(json, "tier", member->flags & CAIRN_MEMBER_TIER);
    put_boolean(json, "failing", member->flags & CAIRN_MEMBER_FAILING);
    policy_json_close(json, '}');
}

static void put_health(struct policy_json *json,
                       const struct cairn_chain_facts *facts) {
    policy_json_key(json, "health");
    policy_json_open(json, '{');
    for (size_t i = 0; i < facts->count; i++) {
        policy_json_key(json, facts->members[i].name);
        policy_json_open(json, '{');
        put_integer(json, "failures", facts->members[i].failures);
        policy_json_key(json, "latency");
        policy_json_number(json, (double)facts->members[i].latency_us / 1000);
        policy_json_close(json, '}');
    }
    policy_json_close(json, '}');
}

static void put_chain(struct policy_json *json, const struct cairn_chain_facts *facts) {
    put_text(json, "action", policy_action_names[facts->action]);
    if (facts->operation && *facts->operation)
        put_text(json, "operation", facts->operation);
    policy_json_key(json, "stores");
    policy_json_open(json, '[');
    for (size_t i = 0; i < facts->count; i++)
        put_member(json, &facts->members[i]);
    policy_json_close(json, ']');
    put_bytes(json, "path", facts->path);
    put_size(json, "size", facts->size_bytes);
    put_integer(json, "now", facts->now_ms);
    put_health(json, facts);
}

static void put_tags(struct policy_json *json, struct cairn_slice tags) {
    size_t at = 0;
    policy_json_key(json, "tags");
    policy_json_open(json, '[');
    while (at < tags.size) {
        struct cairn_slice tag = cairn_slice_sub(tags, at, 0);
        tag.size = strnlen(tag.data, tags.size - at);
        policy_json_string(json, tag);
        at += tag.size + 1;
    }
    policy_json_close(json, ']');
}

static void put_eviction(struct policy_json *json,
                         const struct cairn_eviction_facts *facts) {
    put_integer(json, "now", facts->now_ms);
    put_size(json, "used", facts->used_bytes);
    put_size(json, "budget", facts->budget_bytes);
    put_bytes(json, "base", facts->base);
    put_bytes(json, "path", facts->path);
    put_kept(json, facts->kept, facts->now_ms);
    if (facts->idle_ms >= 0)
        put_integer(json, "idle", facts->idle_ms);
    put_size(json, "hits", facts->hits);
    put_tags(json, facts->tags);
}

void policy_emit_facts(struct policy_json *json, const struct policy_ask *ask) {
    policy_json_open(json, '{');
    if (ask->question == POLICY_CACHE_CONTROL)
        put_cache(json, ask->facts.cache);
    else if (ask->question == POLICY_CHAIN)
        put_chain(json, ask->facts.chain);
    else
        put_eviction(json, ask->facts.eviction);
    policy_json_close(json, '}');
}
