/* policy_units.c -- the seam between the engine and whoever decides, seen from C: what
 * a policy may say, what becomes of nonsense, what is told; header lines of any
 * garbage.
 *
 *     policy_units          lists the tests, one name a line
 *     policy_units NAME     runs one; exit code 1 and a line for each thing that is not
 * so
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cairn/policy.h"

static unsigned failures;

static void expect(bool holds, const char *what, int line) {
    if (holds)
        return;
    fprintf(stderr, "line %d: not so: %s\n", line, what);
    failures++;
}
#define EXPECT(condition) expect((condition), #condition, __LINE__)

/* -- Directives -------------------------------------------------------------------- */

/* What the line says, as "name=argument name" with quotes kept. In bytes of just its
 * size, so that a sanitizer sees who reads on. */
static void expect_said(const char *text, const char *expected, int line) {
    char said[256] = "";
    size_t size = strlen(text), at = 0, used = 0;
    char *exact = malloc(size ? size : 1);
    struct cairn_directive one;
    memcpy(exact, text, size);
    while (cairn_directive_next((struct cairn_slice){exact, size}, &at, &one))
        used += (size_t)snprintf(said + used, sizeof said - used, "%s%.*s%s%.*s%s",
                                 used ? " " : "", (int)one.name.size, one.name.data,
                                 one.quoted          ? "=\""
                                 : one.argument.size ? "="
                                                     : "",
                                 (int)one.argument.size, one.argument.data,
                                 one.quoted ? "\"" : "");
    free(exact);
    if (strcmp(said, expected) == 0)
        return;
    fprintf(stderr, "line %d: '%s' says '%s', not '%s'\n", line, text, said, expected);
    failures++;
}
#define SAYS(text, expected) expect_said(text, expected, __LINE__)

static void test_directives(void) {
    SAYS("", "");
    SAYS(" \t , ,,", "");
    SAYS("no-store", "no-store");
    SAYS("no-store, max-age=60 ,No-Cache", "no-store max-age=60 No-Cache");
    SAYS("private=\"a, \\\"b\\\"\", x", "private=\"a, \\\"b\\\"\" x");
    SAYS("a=\"\", b", "a=\"\" b");
    SAYS("max-age=, b", "b");
    SAYS("max-age = 5, b", "b");
    SAYS("=5, b", "b");
    SAYS("a b, c", "c");
    SAYS("a=\"x\"y, c", "c");
    SAYS("a=x\"y,\", c", "c");
    SAYS("a=\"x\x01y\", c", "c");
    SAYS("b, a=\"x", "b");
    SAYS("b, a=\"x\\", "b");
    SAYS("b, \"", "b");
    SAYS("(c), \x80, d", "d");
}

/* Twice the garbage takes about twice the time, and not four times. */
static void test_linear(void) {
    static const char *const pieces[] = {",",    "\"",        "a=\"",
                                         "\\\"", "a=\"\\\",", "a b "};
    enum { SIZE = 1 << 20 };
    char *line = malloc(SIZE);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t piece = strlen(pieces[i]), at = 0;
        struct cairn_directive one;
        for (size_t j = 0; j < SIZE; j++)
            line[j] = pieces[i][j % piece];
        clock_t begun = clock();
        while (cairn_directive_next((struct cairn_slice){line, SIZE}, &at, &one))
            ;
        EXPECT(clock() - begun < 2 * CLOCKS_PER_SEC); /* squared it would be hours */
    }
    free(line);
}

/* -- A policy that says what it is told -------------------------------------------- */

struct teller {
    enum cairn_status status;
    struct cairn_cache_decision cache;
    struct cairn_chain_decision chain;
    struct cairn_eviction_decision eviction;
};

static enum cairn_status tell_cache(void *self, const struct cairn_context *context,
                                    const struct cairn_cache_facts *facts,
                                    struct cairn_cache_decision *out,
                                    struct cairn_error *error) {
    struct teller *teller = self;
    (void)context, (void)facts;
    *out = teller->cache;
    return teller->status ? cairn_fail(error, teller->status, "told to fail")
                          : CAIRN_OK;
}

static enum cairn_status tell_chain(void *self, const struct cairn_context *context,
                                    const struct cairn_chain_facts *facts,
                                    struct cairn_chain_decision *out,
                                    struct cairn_error *error) {
    struct teller *teller = self;
    (void)context, (void)facts;
    *out = teller->chain;
    return teller->status ? cairn_fail(error, teller->status, "told to fail")
                          : CAIRN_OK;
}

static enum cairn_status tell_eviction(void *self, const struct cairn_context *context,
                                       const struct cairn_eviction_facts *facts,
                                       struct cairn_eviction_decision *out,
                                       struct cairn_error *error) {
    struct teller *teller = self;
    (void)context, (void)facts;
    *out = teller->eviction;
    return teller->status ? cairn_fail(error, teller->status, "told to fail")
                          : CAIRN_OK;
}

static struct cairn_policy policy_of(struct teller *teller) {
    *teller = (struct teller){
        .cache = {.lookup = true, .max_age_ms = CAIRN_FOREVER, .fresh_ms = 5},
        .chain = {.order = {1, 0}, .count = 2},
        .eviction = {.score = 7}};
    return (struct cairn_policy){teller, tell_cache, tell_chain, tell_eviction};
}

/* What the context's trace was told, as lines. */
struct told {
    char text[1024];
    size_t used;
};

static void hear(void *arg, const struct cairn_trace_event *event) {
    struct told *told = arg;
    told->used += (size_t)snprintf(told->text + told->used,
                                   sizeof told->text - told->used, "%s %s %s\n",
                                   event->operation, cairn_status_word(event->status),
                                   event->detail ? event->detail : "-");
    EXPECT(event->decider != NULL);
}

/* -- Cache control ----------------------------------------------------------------- */

static void ask_cache(struct teller *teller, struct cairn_cache_decision *out) {
    struct cairn_policy policy = {teller, tell_cache, NULL, NULL};
    struct cairn_cache_facts facts = {.moment = CAIRN_AT_LOOKUP};
    cairn_policy_cache(&policy, NULL, &facts, out);
}

static void test_cache(void) {
    struct teller teller;
    struct cairn_cache_decision out;
    struct cairn_cache_facts facts = {.moment = CAIRN_AT_STORE};
    struct cairn_policy silent = {0};
    policy_of(&teller);
    ask_cache(&teller, &out);
    EXPECT(out.lookup && out.fresh_ms == 5);

    cairn_policy_cache(NULL, NULL, &facts, &out);
    EXPECT(!out.lookup && !out.store && !out.serve);
    EXPECT(out.max_age_ms == CAIRN_FOREVER && out.by.policy[0] == '\0');
    cairn_policy_cache(&silent, NULL, &facts, &out);
    EXPECT(!out.lookup && !out.store && !out.serve);
    teller.status = CAIRN_IO;
    ask_cache(&teller, &out);
    EXPECT(!out.lookup);
}

static void test_cache_nonsense(void) {
    struct teller teller;
    struct cairn_cache_decision out;
    int64_t *spans[] = {&teller.cache.max_age_ms,   &teller.cache.min_fresh_ms,
                        &teller.cache.max_stale_ms, &teller.cache.fresh_ms,
                        &teller.cache.if_error_ms,  &teller.cache.while_revalidate_ms};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        policy_of(&teller);
        *spans[i] = -1;
        ask_cache(&teller, &out);
        EXPECT(!out.lookup && out.fresh_ms == CAIRN_FOREVER);
    }
    const double priorities[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        policy_of(&teller);
        teller.cache.priority = priorities[i];
        ask_cache(&teller, &out);
        EXPECT(!out.lookup && out.priority == 0);
    }
    policy_of(&teller);
    teller.cache.tags_size = CAIRN_TAGS_ROOM + 1;
    ask_cache(&teller, &out);
    EXPECT(!out.lookup && out.tags_size == 0);
    policy_of(&teller);
    memcpy(teller.cache.tags, "endless", 7);
    teller.cache.tags_size = 7;
    ask_cache(&teller, &out);
    EXPECT(!out.lookup && out.tags_size == 0);
}

/* -- Chain ------------------------------------------------------------------------- */

static const struct cairn_member_facts members[] = {
    {.name = "memory",
     .flags = CAIRN_MEMBER_READS | CAIRN_MEMBER_WRITES | CAIRN_MEMBER_TIER},
    {.name = "disk", .flags = CAIRN_MEMBER_READS | CAIRN_MEMBER_WRITES},
    {.name = "far", .flags = CAIRN_MEMBER_READS},
    {.name = "drop", .flags = CAIRN_MEMBER_WRITES},
};

static struct cairn_chain_decision ask_chain(const struct cairn_policy *policy,
                                             enum cairn_chain_action action) {
    struct cairn_chain_facts facts = {
        .action = action, .operation = "read", .members = members, .count = 4};
    struct cairn_chain_decision out;
    cairn_policy_chain(policy, NULL, &facts, &out);
    return out;
}

static void test_chain(void) {
    struct teller teller;
    struct cairn_policy policy = policy_of(&teller);
    struct cairn_chain_decision out = ask_chain(&policy, CAIRN_CHAIN_READ);
    EXPECT(out.count == 2 && out.order[0] == 1 && out.order[1] == 0);

    out = ask_chain(NULL, CAIRN_CHAIN_READ);
    EXPECT(out.count == 3 && out.order[0] == 0 && out.order[1] == 1 &&
           out.order[2] == 2);
    EXPECT(out.promote == 1 && !out.race);
    out = ask_chain(NULL, CAIRN_CHAIN_WRITE);
    EXPECT(out.count == 2 && out.order[0] == 1 && out.order[1] == 3);
    EXPECT(out.need == 0 && out.promote == 0);
}

static void test_chain_nonsense(void) {
    struct teller teller;
    struct cairn_policy policy = policy_of(&teller);
    struct cairn_chain_decision wrong[] = {
        {.order = {4}, .count = 1},
        {.order = {255}, .count = 1},
        {.order = {1, 1}, .count = 2},
        {.count = CAIRN_CHAIN_MAX + 1},
        {.count = SIZE_MAX},
        {.order = {1}, .count = 1, .race = 2},
        {.order = {1}, .count = 1, .need = 2},
        {.order = {1}, .count = 1, .promote = 1 << 4},
        {.order = {1}, .count = 1, .promote = UINT32_MAX},
        {.order = {1}, .count = 1, .promote_ms = -1},
        {.order = {1}, .count = 1, .keep_out_ms = -1},
        {.order = {1}, .count = 1, .deadline_ms = {-1}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        teller.chain = wrong[i];
        struct cairn_chain_decision out = ask_chain(&policy, CAIRN_CHAIN_READ);
        EXPECT(out.count == 3 && out.order[0] == 0);
        if (out.count != 3)
            fprintf(stderr, "... with decision %zu\n", i);
    }
}

/* -- Eviction ---------------------------------------------------------------------- */

static void test_eviction(void) {
    struct teller teller;
    struct cairn_policy policy = policy_of(&teller);
    struct cairn_kept kept = {.created_ms = 1234};
    struct cairn_eviction_facts facts = {.kept = &kept, .idle_ms = -1};
    struct cairn_eviction_decision out;
    cairn_policy_eviction(&policy, NULL, &facts, &out);
    EXPECT(out.score == 7 && !out.keep);
    teller.eviction.score = NAN;
    cairn_policy_eviction(&policy, NULL, &facts, &out);
    EXPECT(out.score == 1234);
    cairn_policy_eviction(NULL, NULL, &facts, &out);
    EXPECT(out.score == 1234 && !out.keep);
}

/* -- Telling ----------------------------------------------------------------------- */

static void test_trace(void) {
    struct teller teller;
    struct told told = {.used = 0};
    struct cairn_policy policy = policy_of(&teller);
    struct cairn_context context = {.trace = hear, .trace_arg = &told};
    struct cairn_cache_facts facts = {.moment = CAIRN_AT_LOOKUP,
                                      .base = cairn_slice_of("base"),
                                      .path = cairn_slice_of("path")};
    struct cairn_cache_decision out;
    strcpy(teller.cache.by.reason, "because");
    cairn_policy_cache(&policy, &context, &facts, &out);
    teller.status = CAIRN_IO;
    cairn_policy_cache(&policy, &context, &facts, &out);
    teller.status = CAIRN_NOT_FOUND;
    cairn_policy_cache(&policy, &context, &facts, &out);
    EXPECT(strcmp(told.text, "cache_control ok lookup: because\n"
                             "cache_control io told to fail\n"
                             "cache_control ok no lookup\n"
                             "cache_control ok no lookup\n") == 0);
}

static void expect_words(const struct cairn_chain_decision *decision,
                         enum cairn_chain_action action, const char *expected,
                         int line) {
    struct cairn_chain_facts facts = {.action = action, .members = members, .count = 4};
    struct cairn_bytes text = {0};
    EXPECT(!cairn_chain_decision_text(&facts, decision, &text));
    if (!cairn_slice_equal(cairn_bytes_slice(&text), cairn_slice_of(expected))) {
        fprintf(stderr, "line %d: %.*s\n", line, (int)text.size, text.data);
        failures++;
    }
    cairn_bytes_free(&text);
}

static void test_words(void) {
    struct cairn_chain_decision read = {.order = {1, 0},
                                        .count = 2,
                                        .race = 2,
                                        .promote = 1,
                                        .promote_max_bytes = 10,
                                        .promote_ms = 20,
                                        .deadline_ms = {0, 30},
                                        .keep_out_after = 3,
                                        .keep_out_ms = 40};
    expect_words(
        &read, CAIRN_CHAIN_READ,
        "ask disk, memory within 30; race 2; promote to memory, promote_max 10, "
        "promote_for 20; keep out after 3 failures for 40 ms",
        __LINE__);
    struct cairn_chain_decision write = {.order = {1, 3}, .count = 2};
    expect_words(&write, CAIRN_CHAIN_WRITE, "write disk, drop; until one accepts",
                 __LINE__);
    write.need = 2;
    expect_words(&write, CAIRN_CHAIN_WRITE, "write disk, drop; need 2", __LINE__);
    write.count = 0;
    write.need = 0;
    expect_words(&write, CAIRN_CHAIN_WRITE, "write nobody", __LINE__);

    struct cairn_cache_decision kept = {.store = true,
                                        .fresh_ms = 10,
                                        .if_error_ms = CAIRN_FOREVER,
                                        .async = true,
                                        .priority = 1.5,
                                        .tags = "a\0b",
                                        .tags_size = 4};
    struct cairn_bytes text = {0};
    EXPECT(!cairn_cache_decision_text(CAIRN_AT_STORE, &kept, &text));
    EXPECT(cairn_slice_equal(cairn_bytes_slice(&text),
                             cairn_slice_of("store, fresh_for 10, if_error forever, "
                                            "async, priority 1.5, tags a b")));
    cairn_bytes_free(&text);
}

static const struct {
    const char *name;
    void (*run)(void);
} TESTS[] = {
    {"directives are what RFC 9111 says, and what is not is skipped", test_directives},
    {"a line of directives is read in linear time", test_linear},
    {"cache control is asked, or the engine decides", test_cache},
    {"nonsense about caching is not obeyed", test_cache_nonsense},
    {"a chain's order is asked for, or the engine decides", test_chain},
    {"nonsense about a chain is not obeyed", test_chain_nonsense},
    {"eviction is asked, or the oldest goes first", test_eviction},
    {"what was decided, and who failed, is told", test_trace},
    {"decisions have words", test_words},
};

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof TESTS / sizeof TESTS[0]; i++) {
        if (argc < 2) {
            puts(TESTS[i].name);
        } else if (strcmp(argv[1], TESTS[i].name) == 0) {
            TESTS[i].run();
            return failures ? 1 : 0;
        }
    }
    return argc < 2 ? 0 : 2;
}
