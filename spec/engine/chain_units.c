/* chain_units.c -- what of chains and of the list of backends Lua cannot see: packed
 * groups in tiers, batches, cancelled calls, watches, backends that are added.
 *
 *     chain_units          lists the tests, one name a line
 *     chain_units NAME     runs one; exit code 1 and a line for each thing that is not
 * so
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cairn/cairn.h"
#include "cairn/open.h"
#include "watch.h"

static unsigned failures;

static void expect(bool holds, const char *what, int line) {
    if (holds)
        return;
    fprintf(stderr, "line %d: not so: %s\n", line, what);
    failures++;
}
#define EXPECT(condition) expect((condition), #condition, __LINE__)

static struct cairn_slice slice(const char *text) {
    return cairn_slice_of(text);
}

/* -- A tier and a store ----------------------------------------------------------- */

static int64_t now_ms = 1000000;

static int64_t clock_ms(void *clock) {
    return *(int64_t *)clock;
}

struct pair {
    struct cairn_store *tier, *store;
    struct cairn_chain *chain;
    struct cairn_context context;
    struct cairn_chain_decision read; /* what the policy decides, with `decides` */
    bool decides;
};

static enum cairn_status decide(void *self, const struct cairn_context *context,
                                const struct cairn_chain_facts *facts,
                                struct cairn_chain_decision *out,
                                struct cairn_error *error) {
    const struct pair *pair = self;
    (void)context, (void)error;
    if (!pair->decides || facts->action != CAIRN_CHAIN_READ)
        return CAIRN_NOT_FOUND;
    *out = pair->read;
    return CAIRN_OK;
}

static void open_pair(struct pair *pair, struct cairn_policy *policy) {
    struct cairn_error error;
    *pair = (struct pair){.context = {.now_ms = clock_ms, .clock = &now_ms}};
    pair->read =
        (struct cairn_chain_decision){.order = {0, 1}, .count = 2, .promote = 1};
    *policy = (struct cairn_policy){.self = pair, .chain = decide};
    EXPECT(!cairn_open(slice("memory:"), &pair->tier, &error));
    EXPECT(!cairn_open(slice("memory:"), &pair->store, &error));
    struct cairn_chain_member members[] = {{"tier", pair->tier, CAIRN_MEMBER_TIER, 0},
                                           {NULL, pair->store, 0, 0}};
    EXPECT(!cairn_chain_open(members, 2, policy, &pair->chain, &error));
    if (failures)
        exit(1);
}

static void close_pair(struct pair *pair) {
    cairn_chain_close(pair->chain);
    cairn_store_close(pair->store);
    cairn_store_close(pair->tier);
}

static enum cairn_status write_to(struct cairn_store *store, const char *path,
                                  const char *value) {
    struct cairn_operation operation = {
        .kind = CAIRN_WRITE, .path = slice(path), .value = slice(value)};
    return cairn_store_apply(store, NULL, &operation, 1, 0, NULL, NULL);
}

static enum cairn_status pack(struct cairn_store *store, const char *path,
                              const char *value) {
    struct cairn_pack_child children[] = {
        {slice("a"),
         {.kind = CAIRN_RAW, .payload = slice(value), .size = strlen(value)}},
        {slice("l"), {.kind = CAIRN_LINK, .payload = slice("data/x"), .size = 6}}};
    struct cairn_operation operation = {.kind = CAIRN_MAKE_PACK,
                                        .path = slice(path),
                                        .children = children,
                                        .child_count = 2};
    return cairn_store_apply(store, NULL, &operation, 1, 0, NULL, NULL);
}

/* Who answers a get: 0 the tier, 1 the store, 9 nobody. `value` is that of child "a".
 */
static size_t got_from(struct pair *pair, const char *path, const char *value) {
    struct cairn_view view;
    struct cairn_entry child;
    struct cairn_error error;
    size_t member = 9;
    if (cairn_chain_get(pair->chain, &pair->context, slice(path), &view, &member,
                        &error))
        return 9;
    EXPECT(view.entry.kind == CAIRN_GROUP);
    if (value) {
        EXPECT(!cairn_pack_find(view.entry.payload, slice("a"), &child, NULL));
        EXPECT(cairn_slice_equal(child.payload, slice(value)));
    }
    cairn_view_release(&view);
    return member;
}

static size_t read_from(struct pair *pair, const char *path, const char *value) {
    struct cairn_view view;
    struct cairn_error error;
    size_t member = 9;
    if (cairn_chain_read(pair->chain, &pair->context, slice(path), &view, &member,
                         &error))
        return 9;
    EXPECT(cairn_slice_equal(view.entry.payload, slice(value)));
    cairn_view_release(&view);
    return member;
}

/* -- Packed groups ---------------------------------------------------------------- */

static void test_pack(void) {
    struct pair pair;
    struct cairn_policy policy;
    open_pair(&pair, &policy);
    EXPECT(!pack(pair.store, "m", "1"));
    EXPECT(got_from(&pair, "m", "1") == 1);
    EXPECT(got_from(&pair, "m", "1") == 0);
    EXPECT(read_from(&pair, "m/a", "1") == 0);

    struct cairn_operation write = {
        .kind = CAIRN_WRITE, .path = slice("m/a"), .value = slice("2")};
    EXPECT(!cairn_chain_apply(pair.chain, NULL, &write, 1, 0, NULL, NULL));
    EXPECT(read_from(&pair, "m/a", "2") == 1);
    EXPECT(read_from(&pair, "m/a", "2") == 0);
    EXPECT(!cairn_chain_delete(pair.chain, NULL, slice("m/a"), false, NULL));
    EXPECT(read_from(&pair, "m/a", "") == 9);
    EXPECT(!cairn_chain_delete(pair.chain, NULL, slice("m"), true, NULL));
    EXPECT(got_from(&pair, "m", NULL) == 9);
    close_pair(&pair);
}

/* A pack is what its group says only where nothing is laid over it. */
static void test_overlaid(void) {
    struct pair pair;
    struct cairn_policy policy;
    open_pair(&pair, &policy);
    EXPECT(!pack(pair.store, "m", "1"));
    EXPECT(!write_to(pair.store, "m/a", "over"));
    for (int i = 0; i < 2; i++) {
        EXPECT(got_from(&pair, "m", "1") == 1);
        EXPECT(read_from(&pair, "m/a", "over") == (i ? 0 : 1));
    }
    close_pair(&pair);
}

/* That a child was copied makes a group of the tier's, but no answer for the group. */
static void test_incidental(void) {
    struct pair pair;
    struct cairn_policy policy;
    open_pair(&pair, &policy);
    EXPECT(!pack(pair.store, "m", "1"));
    EXPECT(read_from(&pair, "m/a", "1") == 1);
    EXPECT(read_from(&pair, "m/a", "1") == 0);
    EXPECT(got_from(&pair, "m", "1") == 1);
    EXPECT(got_from(&pair, "m", "1") == 0);
    struct cairn_operation group = {.kind = CAIRN_MAKE_GROUP, .path = slice("g")};
    EXPECT(!cairn_chain_apply(pair.chain, NULL, &group, 1, 0, NULL, NULL));
    for (int i = 0; i < 2; i++)
        EXPECT(got_from(&pair, "g", NULL) == 1);
    close_pair(&pair);
}

/* A group cannot expire, so it is not copied where copies are to. */
static void test_no_expiry(void) {
    struct pair pair;
    struct cairn_policy policy;
    open_pair(&pair, &policy);
    pair.decides = true;
    pair.read.promote_ms = 1000;
    EXPECT(!pack(pair.store, "m", "1"));
    for (int i = 0; i < 2; i++)
        EXPECT(got_from(&pair, "m", "1") == 1);
    close_pair(&pair);
}

/* -- Batches, and ends ------------------------------------------------------------ */

static void test_batch(void) {
    struct pair pair;
    struct cairn_policy policy;
    size_t failed = 99;
    open_pair(&pair, &policy);
    EXPECT(!write_to(pair.store, "a", "1"));
    EXPECT(!write_to(pair.store, "b", "1"));
    EXPECT(read_from(&pair, "a", "1") == 1);
    EXPECT(read_from(&pair, "b", "1") == 1);
    struct cairn_operation operations[] = {
        {.kind = CAIRN_WRITE, .path = slice("a"), .value = slice("2")},
        {.kind = CAIRN_DELETE, .path = slice("b")},
        {.kind = CAIRN_WRITE, .path = slice("a/x"), .value = slice("3")}};
    EXPECT(cairn_chain_apply(pair.chain, NULL, operations, 3, 0, &failed, NULL) ==
           CAIRN_NOT_A_GROUP);
    EXPECT(failed == 2);
    EXPECT(read_from(&pair, "a", "1") == 1);
    EXPECT(!cairn_chain_apply(pair.chain, NULL, operations, 2, 0, &failed, NULL));
    EXPECT(operations[0].changed && operations[1].changed);
    EXPECT(read_from(&pair, "a", "2") == 1);
    EXPECT(read_from(&pair, "b", "") == 9);
    EXPECT(!cairn_chain_apply(pair.chain, NULL, NULL, 0, 0, NULL, NULL));
    close_pair(&pair);
}

static void test_cancelled(void) {
    struct pair pair;
    struct cairn_policy policy;
    struct cairn_view view;
    struct cairn_member_counts counts;
    atomic_bool cancelled = true;
    open_pair(&pair, &policy);
    EXPECT(!write_to(pair.store, "a", "1"));
    pair.context.cancelled = &cancelled;
    EXPECT(cairn_chain_read(pair.chain, &pair.context, slice("a"), &view, NULL, NULL) ==
           CAIRN_TIMEOUT);
    EXPECT(cairn_chain_sync(pair.chain, &pair.context, NULL) == CAIRN_TIMEOUT);
    cairn_chain_counts(pair.chain, 1, &counts);
    EXPECT(counts.asked == 0);
    close_pair(&pair);
}

/* -- Watches ---------------------------------------------------------------------- */

static bool holds(const struct watch *watch) {
    if (!watch_hold(watch))
        return false;
    watch_release(watch);
    return true;
}

static void change(const char *path) {
    watch_announce(slice(path));
    watch_over(slice(path));
}

static void test_watch(void) {
    static const struct {
        const char *watched, *changed;
        bool holds;
    } rows[] = {
        {"a/b", "a/b", false}, {"a/b", "a", false}, {"a/b", "a/b/c", false},
        {"a/b", "a/c", true},  {"a/b", "b", true},  {"a/b", "a/b/c/d", true},
        {"a/bc", "a/b", true}, {"", "x", false},    {"a/b/c/d/e", "a/b", false},
    };
    struct watch watch;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        watch_begin(&watch, slice(rows[i].watched));
        EXPECT(holds(&watch) && holds(&watch));
        change(rows[i].changed);
        if (holds(&watch) != rows[i].holds)
            fprintf(stderr, "'%s' while '%s' changed\n", rows[i].watched,
                    rows[i].changed);
        EXPECT(holds(&watch) == rows[i].holds);
    }
    watch_announce(slice("a"));
    watch_begin(&watch, slice("a/b"));
    EXPECT(!holds(&watch)); /* under way */
    watch_over(slice("a"));
    EXPECT(!holds(&watch)); /* what was read meanwhile is of nobody knows when */
    watch_begin(&watch, slice("a/b"));
    EXPECT(holds(&watch));
    watch_announce_all();
    EXPECT(!holds(&watch));
    watch_over_all();
    EXPECT(!holds(&watch));
}

/* -- Backends that are added ------------------------------------------------------ */

static void test_register(void) {
    const struct cairn_backend *memory = cairn_backend_find(slice("memory"));
    static struct cairn_backend fine, same_name, taken, bad;
    static const char *const names[] = {
        "",           "Upper",
        "1st",        "with space",
        "with:colon", "a-name-that-is-longer-than-any-scheme-needs-to-be"};
    struct cairn_store *store;
    struct cairn_error error;
    fine = *memory;
    fine.name = "added";
    EXPECT(!cairn_backend_register(&fine, &error));
    EXPECT(!cairn_backend_register(&fine, &error));
    EXPECT(cairn_backend_find(slice("added")) == &fine);
    EXPECT(!cairn_open(slice("added:"), &store, &error));
    cairn_store_close(store);

    same_name = fine;
    EXPECT(cairn_backend_register(&same_name, &error) == CAIRN_CONFLICT);
    taken = *memory;
    EXPECT(cairn_backend_register(&taken, &error) == CAIRN_CONFLICT);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bad = *memory;
        bad.name = names[i];
        EXPECT(cairn_backend_register(&bad, &error) == CAIRN_INVALID_ARGUMENT);
    }
    bad = *memory;
    bad.name = "incomplete";
    bad.scan_next = NULL;
    EXPECT(cairn_backend_register(&bad, &error) == CAIRN_INVALID_ARGUMENT);
    EXPECT(strstr(error.message, "incomplete") != NULL);
    EXPECT(cairn_open(slice("incomplete:"), &store, &error) == CAIRN_INVALID_ARGUMENT);
}

/* Until there is no room. */
static void test_register_many(void) {
    static struct cairn_backend many[100];
    static char names[100][16];
    enum cairn_status status = CAIRN_OK;
    size_t added = 0;
    for (; added < 100 && !status; added++) {
        many[added] = *cairn_backend_find(slice("memory"));
        snprintf(names[added], sizeof names[added], "many-%zu", added);
        many[added].name = names[added];
        status = cairn_backend_register(&many[added], NULL);
    }
    EXPECT(status == CAIRN_LIMIT);
    EXPECT(added > 30);
    EXPECT(cairn_backend_find(slice("many-29")) == &many[29]);
}

static const struct {
    const char *name;
    void (*run)(void);
} TESTS[] = {
    {"a tier keeps packed groups, and drops what is changed in them", test_pack},
    {"a pack with something laid over it is not copied", test_overlaid},
    {"a group in a tier is no answer without its pack", test_incidental},
    {"a packed group is not copied for a while", test_no_expiry},
    {"a batch through a chain is all or nothing, and dropped from the tier",
     test_batch},
    {"a cancelled call asks nobody", test_cancelled},
    {"a watch sees what was changed at a path, above it and right beneath", test_watch},
    {"backends are added under names of their own", test_register},
    {"there is room for some backends, not for any number", test_register_many},
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
