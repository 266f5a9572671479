/* policy_text.c -- decisions in words: what is as by default is not mentioned. */
#include "policy_text.h"

#include <inttypes.h>
#include <stdio.h>

/* What is appended to; `ok` is false once there was no memory. */
struct text {
    struct cairn_bytes *out;
    bool ok;
};

static void say(struct text *text, const char *words) {
    text->ok = text->ok && cairn_bytes_append(text->out, cairn_slice_of(words));
}

static void say_number(struct text *text, const char *words, uint64_t number) {
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, number);
    say(text, words);
    say(text, digits);
}

static void say_span(struct text *text, const char *words, int64_t ms) {
    if (ms == CAIRN_FOREVER) {
        say(text, words);
        say(text, "forever");
    } else {
        say_number(text, words, (uint64_t)ms);
    }
}

static void say_double(struct text *text, const char *words, double number) {
    char digits[32];
    snprintf(digits, sizeof digits, "%.14g", number);
    say(text, words);
    say(text, digits);
}

static enum cairn_status finish(const struct text *text) {
    return text->ok ? CAIRN_OK : CAIRN_NO_MEMORY;
}

/* -- Cache control ----------------------------------------------------------------- */

static void say_lookup(struct text *text, const struct cairn_cache_decision *decision) {
    say(text, decision->lookup ? "lookup" : "no lookup");
    if (decision->only_if_cached)
        say(text, ", only if cached");
    if (decision->max_age_ms != CAIRN_FOREVER)
        say_span(text, ", accept max_age ", decision->max_age_ms);
    if (decision->min_fresh_ms)
        say_span(text, ", accept min_fresh ", decision->min_fresh_ms);
    if (decision->max_stale_ms)
        say_span(text, ", accept max_stale ", decision->max_stale_ms);
}

static void say_serve(struct text *text, const struct cairn_cache_decision *decision) {
    say(text, decision->serve ? "serve" : "do not serve");
    if (decision->revalidate)
        say(text, ", revalidate");
}

static void say_tags(struct text *text, const struct cairn_cache_decision *decision) {
    size_t at = 0;
    const char *before = ", tags ";
    while (at < decision->tags_size) {
        struct cairn_slice tag = {decision->tags + at, 0};
        tag.size = strnlen(tag.data, decision->tags_size - at);
        say(text, before);
        text->ok = text->ok && cairn_bytes_append(text->out, tag);
        at += tag.size + 1;
        before = " ";
    }
}

static void say_store(struct text *text, const struct cairn_cache_decision *decision) {
    if (!decision->store) {
        say(text, "do not store");
        return;
    }
    say(text, "store");
    if (decision->fresh_ms != CAIRN_FOREVER)
        say_span(text, ", fresh_for ", decision->fresh_ms);
    if (decision->while_revalidate_ms)
        say_span(text, ", while_revalidate ", decision->while_revalidate_ms);
    if (decision->if_error_ms)
        say_span(text, ", if_error ", decision->if_error_ms);
    if (decision->must_revalidate)
        say(text, ", must_revalidate");
    if (decision->async)
        say(text, ", async");
    if (decision->sync)
        say(text, ", sync");
    if (decision->priority != 0)
        say_double(text, ", priority ", decision->priority);
    say_tags(text, decision);
}

enum cairn_status cairn_cache_decision_text(enum cairn_moment moment,
                                            const struct cairn_cache_decision *decision,
                                            struct cairn_bytes *out) {
    struct text text = {out, true};
    switch (moment) {
    case CAIRN_AT_LOOKUP:
        say_lookup(&text, decision);
        break;
    case CAIRN_AT_STALE:
    case CAIRN_AT_ERROR:
        say_serve(&text, decision);
        break;
    case CAIRN_AT_STORE:
        say_store(&text, decision);
        break;
    }
    return finish(&text);
}

/* -- Chain ------------------------------------------------------------------------- */

static void say_order(struct text *text, const struct cairn_chain_facts *facts,
                      const struct cairn_chain_decision *decision) {
    say(text, facts->action == CAIRN_CHAIN_READ ? "ask" : "write");
    for (size_t i = 0; i < decision->count; i++) {
        say(text, i ? ", " : " ");
        say(text, facts->members[decision->order[i]].name);
        if (decision->deadline_ms[i])
            say_span(text, " within ", decision->deadline_ms[i]);
    }
    if (decision->count == 0)
        say(text, " nobody");
}

static void say_promotion(struct text *text, const struct cairn_chain_facts *facts,
                          const struct cairn_chain_decision *decision) {
    const char *before = "; promote to ";
    if (!decision->promote)
        return;
    for (size_t i = 0; i < facts->count && i < CAIRN_CHAIN_MAX; i++) {
        if (!(decision->promote & UINT32_C(1) << i))
            continue;
        say(text, before);
        say(text, facts->members[i].name);
        before = ", ";
    }
    if (decision->promote_max_bytes)
        say_number(text, ", promote_max ", decision->promote_max_bytes);
    if (decision->promote_ms)
        say_span(text, ", promote_for ", decision->promote_ms);
}

enum cairn_status cairn_chain_decision_text(const struct cairn_chain_facts *facts,
                                            const struct cairn_chain_decision *decision,
                                            struct cairn_bytes *out) {
    struct text text = {out, true};
    bool reads = facts->action == CAIRN_CHAIN_READ;
    say_order(&text, facts, decision);
    if (reads && decision->race > 1)
        say_number(&text, "; race ", decision->race);
    if (!reads && decision->need)
        say_number(&text, "; need ", decision->need);
    if (!reads && !decision->need && decision->count > 1)
        say(&text, "; until one accepts");
    if (reads)
        say_promotion(&text, facts, decision);
    if (decision->keep_out_after) {
        say_number(&text, "; keep out after ", decision->keep_out_after);
        say_span(&text, " failures for ", decision->keep_out_ms);
        if (decision->keep_out_ms != CAIRN_FOREVER)
            say(&text, " ms");
    }
    return finish(&text);
}

/* -- Eviction ---------------------------------------------------------------------- */

enum cairn_status policy_eviction_text(const struct cairn_eviction_decision *decision,
                                       struct cairn_bytes *out) {
    struct text text = {out, true};
    if (decision->keep)
        say(&text, "keep");
    else
        say_double(&text, "score ", decision->score);
    return finish(&text);
}
