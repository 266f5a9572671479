/* units.c -- what of the C interface Lua cannot see: contexts, borrowed and owned
 * bytes, views that stay pinned, errors on small ground.
 *
 *     units          lists the tests, one name a line
 *     units NAME     runs one; exit code 1 and a line for each thing that is not so */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cairn/cairn.h"
#include "cairn/open.h"

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

static struct cairn_store *open_memory(void) {
    struct cairn_store *store = NULL;
    struct cairn_error error;
    if (cairn_open(slice("memory:"), &store, &error)) {
        fprintf(stderr, "cannot open: %s\n", error.message);
        exit(1);
    }
    return store;
}

static enum cairn_status write_with(struct cairn_store *store,
                                    const struct cairn_context *context,
                                    const char *path, const char *value,
                                    int64_t expires_ms) {
    struct cairn_operation operation = {.kind = CAIRN_WRITE,
                                        .path = slice(path),
                                        .value = slice(value),
                                        .expires_ms = expires_ms};
    return cairn_store_apply(store, context, &operation, 1, 0, NULL, NULL);
}

/* -- Contexts -----------------------------------------------------------------------
 */

static int64_t frozen_clock(void *clock) {
    return *(int64_t *)clock;
}

static void test_clock(void) {
    struct cairn_store *store = open_memory();
    struct cairn_view view;
    int64_t now = 5000;
    struct cairn_context context = {.now_ms = frozen_clock, .clock = &now};
    EXPECT(cairn_context_now(&context) == 5000);
    EXPECT(!write_with(store, &context, "v", "1", 6000));
    EXPECT(!cairn_store_stat(store, &context, slice("v"), &view, NULL));
    EXPECT(view.entry.created_ms == 5000 && view.entry.expires_ms == 6000);
    cairn_view_release(&view);
    now = 5999;
    EXPECT(!cairn_store_read(store, &context, slice("v"), &view, NULL));
    cairn_view_release(&view);
    now = 6000; /* at and after it, the entry is not there */
    EXPECT(cairn_store_read(store, &context, slice("v"), &view, NULL) ==
           CAIRN_NOT_FOUND);
    EXPECT(cairn_store_read(store, NULL, slice("v"), &view, NULL) == CAIRN_NOT_FOUND);
    now = 5000;
    EXPECT(!write_with(store, &context, "w", "1", 0));
    now = 5500;
    EXPECT(!write_with(store, &context, "w", "2", 0));
    EXPECT(!cairn_store_stat(store, &context, slice("w"), &view, NULL));
    EXPECT(view.entry.created_ms == 5000 && view.entry.modified_ms == 5500);
    cairn_view_release(&view);
    cairn_store_close(store);
}

/* Every public call must give up with CAIRN_TIMEOUT. */
static void expect_timeout(struct cairn_store *store,
                           const struct cairn_context *context) {
    struct cairn_view view;
    struct cairn_path path;
    struct cairn_list *list;
    struct cairn_transaction *transaction;
    struct cairn_writer *writer;
    struct cairn_error error = {""};
    enum cairn_kind kind;
    char byte;
    size_t got;
    struct cairn_slice there = slice("g/v");
    EXPECT(cairn_store_read(store, context, there, &view, &error) == CAIRN_TIMEOUT);
    EXPECT(error.message[0] != '\0');
    EXPECT(cairn_store_type(store, context, there, &kind, NULL) == CAIRN_TIMEOUT);
    EXPECT(cairn_store_resolve(store, context, there, &path, NULL) == CAIRN_TIMEOUT);
    EXPECT(cairn_store_stat(store, context, there, &view, NULL) == CAIRN_TIMEOUT);
    EXPECT(cairn_list_open(store, context, slice("g"), NULL, &list, NULL) ==
           CAIRN_TIMEOUT);
    EXPECT(write_with(store, context, "new", "1", 0) == CAIRN_TIMEOUT);
    EXPECT(cairn_store_delete_tree(store, context, slice("g"), NULL) == CAIRN_TIMEOUT);
    EXPECT(cairn_store_reset(store, context, NULL) == CAIRN_TIMEOUT);
    EXPECT(cairn_store_sync(store, context, NULL) == CAIRN_TIMEOUT);
    EXPECT(cairn_transaction_begin(store, context, &transaction, NULL) ==
           CAIRN_TIMEOUT);
    EXPECT(cairn_writer_open(store, context, &writer, NULL) == CAIRN_TIMEOUT);
    EXPECT(cairn_store_read_at(store, context, there, 0, &byte, 1, &got, NULL) ==
           CAIRN_TIMEOUT);
}

static void test_deadline(void) {
    struct cairn_store *store = open_memory();
    struct cairn_view view;
    int64_t now = 5000;
    struct cairn_context context = {
        .now_ms = frozen_clock, .clock = &now, .deadline_ms = 5001};
    EXPECT(!write_with(store, &context, "g/v", "1", 0));
    now = 5001;
    expect_timeout(store, &context);
    EXPECT(!cairn_store_read(store, NULL, slice("g/v"), &view, NULL));
    cairn_view_release(&view);
    EXPECT(cairn_store_read(store, NULL, slice("new"), &view, NULL) == CAIRN_NOT_FOUND);
    cairn_store_close(store);
}

static void test_cancelled(void) {
    struct cairn_store *store = open_memory();
    atomic_bool cancelled = false;
    struct cairn_context context = {.cancelled = &cancelled};
    EXPECT(!write_with(store, &context, "g/v", "1", 0));
    atomic_store(&cancelled, true);
    expect_timeout(store, &context);
    cairn_store_close(store);
}

static void test_scopes(void) {
    struct cairn_store *store = open_memory();
    struct cairn_error error = {""};
    struct cairn_view view;
    struct cairn_context local = {.scopes = CAIRN_SCOPE_LOCAL | CAIRN_SCOPE_REMOTE};
    struct cairn_context remote = {.scopes = CAIRN_SCOPE_REMOTE};
    EXPECT(cairn_store_scope(store) == CAIRN_SCOPE_LOCAL);
    EXPECT(!write_with(store, &local, "v", "1", 0));
    EXPECT(cairn_store_read(store, &remote, slice("v"), &view, &error) ==
           CAIRN_UNAVAILABLE);
    EXPECT(strstr(error.message, "memory:"));
    cairn_store_close(store);
}

struct heard {
    unsigned events;
    char last[64];
    enum cairn_status status;
};

static void hear(void *arg, const struct cairn_trace_event *event) {
    struct heard *heard = arg;
    heard->events++;
    heard->status = event->status;
    snprintf(heard->last, sizeof heard->last, "%s %s %.*s", event->operation,
             event->store, (int)event->path.size, event->path.data);
}

static void test_trace(void) {
    struct cairn_store *store = open_memory();
    struct heard heard = {0};
    struct cairn_context context = {.trace = hear, .trace_arg = &heard};
    struct cairn_view view;
    EXPECT(!write_with(store, &context, "a/b", "1", 0));
    EXPECT(heard.events == 1 && strcmp(heard.last, "write memory: a/b") == 0);
    EXPECT(cairn_store_read(store, &context, slice("//a//c"), &view, NULL) ==
           CAIRN_NOT_FOUND);
    EXPECT(heard.events == 2 && strcmp(heard.last, "read memory: a/c") == 0);
    EXPECT(heard.status == CAIRN_NOT_FOUND);
    cairn_store_close(store);
}

/* -- Views and bytes ------------------------------------------------------------------
 */

static void test_pinned(void) {
    struct cairn_store *store = open_memory();
    struct cairn_view view;
    EXPECT(!write_with(store, NULL, "v", "the first value", 0));
    EXPECT(!cairn_store_read(store, NULL, slice("v"), &view, NULL));
    EXPECT(!write_with(store, NULL, "v", "the second", 0));
    EXPECT(!cairn_store_delete_tree(store, NULL, slice("v"), NULL));
    EXPECT(cairn_slice_equal(view.entry.payload, slice("the first value")));
    cairn_view_release(&view);
    cairn_view_release(&view); /* again: nothing */
    cairn_store_close(store);
}

static void test_bytes(void) {
    struct cairn_bytes bytes = {0};
    EXPECT(cairn_bytes_append(&bytes, slice("")));
    EXPECT(bytes.size == 0);
    for (int i = 0; i < 10000; i++)
        EXPECT(cairn_bytes_append(&bytes, (struct cairn_slice){"a\0", 2}));
    EXPECT(bytes.size == 20000 && bytes.data[19998] == 'a' && bytes.data[19999] == 0);
    EXPECT(!cairn_bytes_reserve(&bytes, SIZE_MAX)); /* and it is as it was */
    EXPECT(bytes.size == 20000);
    cairn_bytes_free(&bytes);
    EXPECT(bytes.data == NULL && bytes.size == 0);
    EXPECT(cairn_bytes_append(&bytes, slice("again")));
    EXPECT(cairn_slice_equal(cairn_bytes_slice(&bytes), slice("again")));
    cairn_bytes_free(&bytes);

    EXPECT(cairn_slice_compare(slice("a"), slice("ab")) < 0);
    EXPECT(cairn_slice_compare(slice("b"), slice("ab")) > 0);
    EXPECT(cairn_slice_compare(slice("\xff"), slice("a")) > 0); /* bytes, not chars */
    EXPECT(cairn_slice_compare((struct cairn_slice){NULL, 0}, slice("")) == 0);
    EXPECT(cairn_slice_equal((struct cairn_slice){NULL, 0}, slice("")));
}

/* -- Errors
 * ---------------------------------------------------------------------------- */

static void test_status(void) {
    EXPECT(strcmp(cairn_status_word(CAIRN_OK), "ok") == 0);
    EXPECT(strcmp(cairn_status_word(CAIRN_NOT_A_GROUP), "not_a_group") == 0);
    EXPECT(cairn_status_word(CAIRN_STATUS_COUNT) != NULL);
    EXPECT(cairn_fail(NULL, CAIRN_IO, "%s", "nobody listens") == CAIRN_IO);
    EXPECT(cairn_fail_at(NULL, CAIRN_IO, "nobody listens at", slice("a")) == CAIRN_IO);

    struct cairn_error error;
    char path[4000];
    memset(path, 'm', sizeof path);
    memcpy(path, "head", 4);
    memcpy(path + sizeof path - 4, "tail", 4);
    cairn_fail_at(&error, CAIRN_NOT_FOUND, "nothing at",
                  (struct cairn_slice){path, sizeof path});
    EXPECT(strlen(error.message) < sizeof error.message);
    EXPECT(strncmp(error.message, "nothing at: 'head", 17) == 0);
    EXPECT(strstr(error.message, "...") && strstr(error.message, "tail'"));
    cairn_fail(&error, CAIRN_IO, "%4000s", "x");
    EXPECT(strlen(error.message) == sizeof error.message - 1);
}

/* -- Paths
 * ------------------------------------------------------------------------------ */

static void test_path(void) {
    struct cairn_path path;
    const char *normal = "a/b/c";
    EXPECT(!cairn_path_normalize(slice(normal), &path, NULL));
    EXPECT(path.text.data == normal); /* no copy of what is normal already */
    EXPECT(!cairn_path_normalize(slice("//a//b/"), &path, NULL));
    EXPECT(cairn_slice_equal(path.text, slice("a/b")));
    EXPECT(cairn_slice_equal(cairn_path_parent(slice("a/b/c")), slice("a/b")));
    EXPECT(cairn_path_parent(slice("a")).size == 0);
    EXPECT(cairn_path_parent(slice("")).size == 0);
    EXPECT(cairn_slice_equal(cairn_path_name(slice("a/b/c")), slice("c")));
    EXPECT(cairn_slice_equal(cairn_path_name(slice("a")), slice("a")));
    EXPECT(cairn_path_name(slice("")).size == 0);

    EXPECT(cairn_path_within(slice("a/b"), slice("a")));
    EXPECT(cairn_path_within(slice("a"), slice("a")));
    EXPECT(cairn_path_within(slice("a"), slice("")));
    EXPECT(!cairn_path_within(slice("ab"), slice("a")));
    EXPECT(!cairn_path_within(slice("a"), slice("a/b")));

    EXPECT(!cairn_path_join(slice("a"), slice("b/c"), &path, NULL));
    EXPECT(cairn_slice_equal(path.text, slice("a/b/c")));
    EXPECT(!cairn_path_join(slice(""), slice("b"), &path, NULL));
    EXPECT(cairn_slice_equal(path.text, slice("b")));
    EXPECT(!cairn_path_join(slice("a"), slice(""), &path, NULL));
    EXPECT(cairn_slice_equal(path.text, slice("a")));
    char longest[CAIRN_PATH_MAX];
    memset(longest, 'x', sizeof longest);
    EXPECT(cairn_path_join((struct cairn_slice){longest, sizeof longest}, slice("y"),
                           &path, NULL) == CAIRN_INVALID_PATH);
    EXPECT(!cairn_path_join((struct cairn_slice){longest, sizeof longest - 2},
                            slice("y"), &path, NULL));

    size_t at = 0, count = 0;
    struct cairn_slice segment;
    while (cairn_path_next(slice("one/two/three"), &at, &segment))
        count += segment.size;
    EXPECT(count == 11);
    at = 0;
    EXPECT(!cairn_path_next(slice(""), &at, &segment));
}

/* -- Options
 * ------------------------------------------------------------------------------ */

struct sample {
    struct cairn_slice text;
    bool flag;
    uint64_t bytes;
    int64_t integer;
    double number;
};

static enum cairn_status read_option(const char *name, const char *value,
                                     struct sample *out, struct cairn_error *error) {
    static const struct cairn_option options[] = {
        {"text", CAIRN_OPTION_TEXT, offsetof(struct sample, text), "preset", ""},
        {"flag", CAIRN_OPTION_BOOLEAN, offsetof(struct sample, flag), "true", ""},
        {"bytes", CAIRN_OPTION_BYTES, offsetof(struct sample, bytes), "4K", ""},
        {"integer", CAIRN_OPTION_INTEGER, offsetof(struct sample, integer), "-1", ""},
        {"number", CAIRN_OPTION_NUMBER, offsetof(struct sample, number), "0.5", ""},
        {NULL, 0, 0, NULL, NULL},
    };
    struct cairn_setting setting = {slice(name), slice(value)};
    return cairn_options_read("sample", options, &setting, name[0] ? 1 : 0, out, error);
}

static void test_options(void) {
    struct sample sample;
    struct cairn_error error = {""};
    EXPECT(!read_option("", "", &sample, NULL));
    EXPECT(cairn_slice_equal(sample.text, slice("preset")) && sample.flag);
    EXPECT(sample.bytes == 4096 && sample.integer == -1 && sample.number == 0.5);
    EXPECT(!read_option("bytes", "3G", &sample, NULL) && sample.bytes == UINT64_C(3)
                                                                             << 30);
    EXPECT(!read_option("bytes", "17", &sample, NULL) && sample.bytes == 17);
    EXPECT(!read_option("flag", "no", &sample, NULL) && !sample.flag);

    static const char *const wrong[][2] = {
        {"bytes", "3X"}, {"bytes", "-1"},    {"bytes", "99999999T"},
        {"bytes", ""},   {"bytes", "1KB"},   {"flag", "maybe"},
        {"flag", ""},    {"integer", "1.5"}, {"integer", "ten"},
        {"number", "x"}, {"number", ""},     {"integer", "99999999999999999999"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT(read_option(wrong[i][0], wrong[i][1], &sample, &error) ==
               CAIRN_INVALID_ARGUMENT);
        EXPECT(strstr(error.message, wrong[i][0]) && strstr(error.message, "sample"));
    }
    EXPECT(read_option("colour", "red", &sample, &error) == CAIRN_INVALID_ARGUMENT);
    EXPECT(strstr(error.message, "colour") && strstr(error.message, "integer"));
}

/* -- URLs
 * ---------------------------------------------------------------------------------- */

static void test_open(void) {
    struct cairn_store *store = NULL;
    struct cairn_error error = {""};
    static const char *const wrong[] = {
        "",
        ":",
        "memory",
        "nosuch:x",
        "memory:?colour=red",
        "memory:?colour",
        "rocksdb:/nowhere?block_cache",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT(cairn_open(slice(wrong[i]), &store, &error) == CAIRN_INVALID_ARGUMENT);
        EXPECT(store == NULL && error.message[0]);
    }
    EXPECT(cairn_open(slice("nosuch:x"), &store, &error) == CAIRN_INVALID_ARGUMENT);
    EXPECT(strstr(error.message, "memory") && strstr(error.message, "rocksdb"));
    size_t count = 0;
    while (cairn_backend_at(count)) {
        const struct cairn_backend *backend = cairn_backend_at(count++);
        EXPECT(cairn_backend_find(slice(backend->name)) == backend);
    }
    EXPECT(count >= 3);
    EXPECT(!cairn_backend_find(slice("nosuch")));
    cairn_store_close(NULL);
    cairn_list_close(NULL);
    cairn_transaction_end(NULL);
    cairn_writer_close(NULL);
}

/* -- Operations: what comes back
 * --------------------------------------------------------- */

static void test_outcomes(void) {
    struct cairn_store *store = open_memory();
    struct cairn_error error;
    size_t failed = 99;
    struct cairn_operation operations[3] = {
        {.kind = CAIRN_MAKE_GROUP, .path = slice("g")},
        {.kind = CAIRN_MAKE_LINK, .path = slice("l"), .value = slice("g")},
        {.kind = CAIRN_WRITE, .path = slice("g"), .value = slice("v")},
    };
    EXPECT(cairn_store_apply(store, NULL, operations, 3, 0, &failed, &error) ==
           CAIRN_IS_GROUP);
    EXPECT(failed == 2);
    EXPECT(!cairn_store_apply(store, NULL, operations, 2, 0, &failed, &error));
    EXPECT(operations[0].changed && operations[1].changed);
    EXPECT(!cairn_store_apply(store, NULL, operations, 2, 0, &failed, &error));
    EXPECT(!operations[0].changed && !operations[1].changed);
    EXPECT(cairn_store_apply(store, NULL, operations, 3, CAIRN_STORE_IN_STEPS, &failed,
                             &error) == CAIRN_IS_GROUP);
    EXPECT(failed == 2);
    EXPECT(!cairn_store_apply(store, NULL, NULL, 0, 0, NULL, NULL));

    struct cairn_operation expect_absent = {.kind = CAIRN_EXPECT, .path = slice("n")};
    expect_absent.fingerprint =
        cairn_store_fingerprint(CAIRN_NOT_FOUND, (struct cairn_slice){"", 0});
    EXPECT(!cairn_store_apply(store, NULL, &expect_absent, 1, 0, NULL, NULL));
    EXPECT(!write_with(store, NULL, "n", "", 0)); /* empty is not absent */
    EXPECT(cairn_store_apply(store, NULL, &expect_absent, 1, 0, NULL, NULL) ==
           CAIRN_CONFLICT);
    cairn_store_close(store);
}

static const struct {
    const char *name;
    void (*run)(void);
} TESTS[] = {
    {"a context's clock is believed", test_clock},
    {"a deadline ends every call", test_deadline},
    {"cancelling ends every call", test_cancelled},
    {"scopes that may not be asked are not", test_scopes},
    {"a trace hears of every operation", test_trace},
    {"a view stays as it was", test_pinned},
    {"bytes own and slices borrow", test_bytes},
    {"messages are cut, never overrun", test_status},
    {"paths are taken apart and joined", test_path},
    {"options are read by name and type", test_options},
    {"URLs choose a backend or say why not", test_open},
    {"operations tell what they did", test_outcomes},
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
