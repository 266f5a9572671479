/* stress_roles.c -- what the threads of the stress program do. */
#include "stress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static struct cairn_slice slice(const char *text) {
    return cairn_slice_of(text);
}

static enum cairn_status change(struct worker *worker, struct cairn_operation operation,
                                struct cairn_error *error) {
    return cairn_store_apply(worker->stress->store, NULL, &operation, 1, 0, NULL,
                             error);
}

bool prepare(struct stress *stress) {
    struct cairn_error error;
    struct cairn_operation counter = {
        .kind = CAIRN_WRITE, .path = slice("counter"), .value = slice("0")};
    if (cairn_store_reset(stress->store, NULL, &error) ||
        cairn_store_apply(stress->store, NULL, &counter, 1, 0, NULL, &error)) {
        complain(stress, "cannot begin: %s", error.message);
        return false;
    }
    return true;
}

/* -- The random tree -------------------------------------------------------------- */

/* tree/x/y/z of few names. Values say where they were written. */
static struct cairn_slice any_path(struct worker *worker, char *room, size_t size) {
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    int at = snprintf(room, size, "tree");
    for (uint64_t depth = pick(worker, 3) + 1; depth; depth--)
        at += snprintf(room + at, size - (size_t)at, "/%s", names[pick(worker, 6)]);
    return (struct cairn_slice){room, (size_t)at};
}

static enum cairn_status change_batch(struct worker *worker,
                                      struct cairn_error *error) {
    char rooms[4][64];
    struct cairn_operation operations[4];
    bool can_batch = cairn_store_capabilities(worker->stress->store) & CAIRN_CAN_BATCH;
    for (int i = 0; i < 4; i++) {
        operations[i] = (struct cairn_operation){
            .kind = pick(worker, 3) ? CAIRN_WRITE : CAIRN_DELETE,
            .path = any_path(worker, rooms[i], sizeof rooms[i]),
            .value = slice("batched")};
    }
    return cairn_store_apply(worker->stress->store, NULL, operations, 4,
                             can_batch ? 0 : CAIRN_STORE_IN_STEPS, NULL, error);
}

static enum cairn_status change_pack(struct worker *worker, struct cairn_slice path,
                                     struct cairn_error *error) {
    char room[64];
    struct cairn_pack_child children[3] = {
        {slice("a"), {.kind = CAIRN_RAW, .payload = slice("packed"), .size = 6}},
        {slice("e"), {.kind = CAIRN_RAW}},
        {slice("l"), {.kind = CAIRN_LINK}},
    };
    children[2].entry.payload = any_path(worker, room, sizeof room);
    children[2].entry.size = children[2].entry.payload.size;
    return change(worker,
                  (struct cairn_operation){.kind = CAIRN_MAKE_PACK,
                                           .path = path,
                                           .children = children,
                                           .child_count = pick(worker, 3) + 1},
                  error);
}

/* Large enough to be cut into chunks, now and then. */
static enum cairn_status change_stream(struct worker *worker, struct cairn_slice path,
                                       struct cairn_error *error) {
    static const char piece[100000] = "streamed";
    struct cairn_writer *writer;
    enum cairn_status status =
        cairn_writer_open(worker->stress->store, NULL, &writer, error);
    if (status)
        return status;
    for (uint64_t left = pick(worker, 15) + 1; left && !status; left--)
        status = cairn_writer_append(writer, (struct cairn_slice){piece, sizeof piece},
                                     error);
    struct cairn_operation write = {.kind = CAIRN_WRITE, .path = path};
    if (!status && pick(worker, 4))
        status = cairn_writer_commit(writer, &write, 0, error);
    cairn_writer_close(writer);
    return status;
}

static enum cairn_status change_somehow(struct worker *worker,
                                        struct cairn_error *error) {
    char room[64], other[64];
    struct cairn_operation operation = {.path = any_path(worker, room, sizeof room)};
    switch (pick(worker, 32)) {
    case 0 ... 11:
        operation.kind = CAIRN_WRITE;
        operation.value = operation.path;
        operation.if_absent = pick(worker, 4) == 0;
        operation.compress = pick(worker, 8) == 0;
        return change(worker, operation, error);
    case 12 ... 17:
        operation.kind = CAIRN_DELETE;
        return change(worker, operation, error);
    case 18 ... 22:
        operation.kind = CAIRN_MAKE_LINK;
        operation.value = any_path(worker, other, sizeof other);
        return change(worker, operation, error);
    case 23 ... 25:
        operation.kind = CAIRN_MAKE_GROUP;
        return change(worker, operation, error);
    case 26 ... 27:
        return cairn_store_delete_tree(worker->stress->store, NULL, operation.path,
                                       error);
    case 28 ... 29:
        return change_batch(worker, error);
    case 30:
        return change_pack(worker, operation.path, error);
    default:
        return change_stream(worker, operation.path, error);
    }
}

void role_change(struct worker *worker) {
    while (go_on(worker)) {
        struct cairn_error error;
        if (!accept(worker, change_somehow(worker, &error), "change", &error))
            return;
    }
}

static bool list_somewhere(struct worker *worker, struct cairn_slice path,
                           struct cairn_error *error) {
    struct cairn_list_options options = {.values = pick(worker, 2)};
    struct cairn_list *list;
    struct cairn_list_item item;
    enum cairn_status status =
        cairn_list_open(worker->stress->store, NULL, path, &options, &list, error);
    if (status)
        return accept(worker, status, "list", error);
    char last[300] = "";
    size_t last_size = 0;
    while (!(status = cairn_list_next(list, &item, error))) {
        struct cairn_slice before = {last, last_size};
        if (last_size && cairn_slice_compare(before, item.name) >= 0)
            complain(worker->stress, "list: '%.*s' after '%s'", (int)item.name.size,
                     item.name.data, last);
        last_size = item.name.size < sizeof last - 1 ? item.name.size : sizeof last - 1;
        memcpy(last, item.name.data, last_size);
        last[last_size] = 0;
    }
    cairn_list_close(list);
    return accept(worker, status, "list", error);
}

static bool read_somewhere(struct worker *worker, struct cairn_slice path,
                           struct cairn_error *error) {
    struct cairn_view view;
    enum cairn_status status =
        cairn_store_read(worker->stress->store, NULL, path, &view, error);
    if (!status) {
        unsigned sum = 0; /* touches every byte: it must be there */
        for (size_t i = 0; i < view.entry.payload.size; i += 64)
            sum += (unsigned char)view.entry.payload.data[i];
        if (sum == UINT32_MAX)
            complain(worker->stress, "read: impossible sum");
        cairn_view_release(&view);
    }
    return accept(worker, status, "read", error);
}

void role_read(struct worker *worker) {
    while (go_on(worker)) {
        struct cairn_store *store = worker->stress->store;
        struct cairn_error error;
        struct cairn_path resolved;
        struct cairn_view view;
        enum cairn_kind kind;
        enum cairn_status status;
        char room[64], piece[1000];
        size_t got;
        bool fine;
        struct cairn_slice path = any_path(worker, room, sizeof room);
        switch (pick(worker, 8)) {
        case 0 ... 2:
            fine = read_somewhere(worker, path, &error);
            break;
        case 3:
            fine = list_somewhere(worker, path, &error);
            break;
        case 4:
            status = cairn_store_type(store, NULL, path, &kind, &error);
            fine = accept(worker, status, "type", &error);
            break;
        case 5:
            status = cairn_store_resolve(store, NULL, path, &resolved, &error);
            fine = accept(worker, status, "resolve", &error);
            break;
        case 6:
            status = cairn_store_stat(store, NULL, path, &view, &error);
            if (!status)
                cairn_view_release(&view);
            fine = accept(worker, status, "stat", &error);
            break;
        default:
            status = cairn_store_read_at(store, NULL, path, pick(worker, 2000000),
                                         piece, sizeof piece, &got, &error);
            fine = accept(worker, status, "read_at", &error);
        }
        if (!fine)
            return;
    }
}

/* -- Pairs: batches are never seen in part ------------------------------------------
 */

enum { PAIRS = 4 };

static void pair_paths(char (*rooms)[48], uint64_t pair) {
    snprintf(rooms[0], sizeof rooms[0], "pairs/%" PRIu64 "/a", pair);
    snprintf(rooms[1], sizeof rooms[1], "pairs/%" PRIu64 "/b", pair);
}

/* Each writer has pairs of its own; both values are the number of the round. */
void role_pair_write(struct worker *worker) {
    for (uint64_t round = 1; go_on(worker); round++) {
        char rooms[2][48], value[32];
        struct cairn_error error;
        pair_paths(rooms, worker->number * PAIRS + round % PAIRS);
        snprintf(value, sizeof value, "%" PRIu64, round);
        struct cairn_operation both[2] = {
            {.kind = CAIRN_WRITE, .path = slice(rooms[0]), .value = slice(value)},
            {.kind = CAIRN_WRITE, .path = slice(rooms[1]), .value = slice(value)}};
        if (!accept(worker,
                    cairn_store_apply(worker->stress->store, NULL, both, 2, 0, NULL,
                                      &error),
                    "pair", &error))
            return;
    }
}

static uint64_t number_at(struct worker *worker, const char *path) {
    struct cairn_error error;
    struct cairn_view view;
    enum cairn_status status =
        cairn_store_read(worker->stress->store, NULL, slice(path), &view, &error);
    if (status) {
        accept(worker, status, "pair-read", &error);
        return 0;
    }
    char text[32] = "";
    size_t size = view.entry.payload.size < 31 ? view.entry.payload.size : 31;
    memcpy(text, view.entry.payload.data, size);
    cairn_view_release(&view);
    return strtoull(text, NULL, 10);
}

/* b is read after a, so b may be newer, but never older. */
void role_pair_read(struct worker *worker) {
    while (go_on(worker)) {
        char rooms[2][48];
        pair_paths(rooms, pick(worker, PAIRS));
        uint64_t a = number_at(worker, rooms[0]);
        uint64_t b = number_at(worker, rooms[1]);
        if (b < a)
            complain(worker->stress, "pair: %s is %" PRIu64 " behind %s, %" PRIu64,
                     rooms[1], b, rooms[0], a);
    }
}

/* -- Races: if_absent has one winner ------------------------------------------------
 */

static void race(struct worker *worker, unsigned number) {
    struct cairn_error error;
    char path[32];
    snprintf(path, sizeof path, "races/%u", number);
    enum cairn_status status = change(worker,
                                      (struct cairn_operation){.kind = CAIRN_WRITE,
                                                               .path = slice(path),
                                                               .value = slice("mine"),
                                                               .if_absent = true},
                                      &error);
    if (!status)
        atomic_fetch_add(&worker->stress->winners[number], 1);
    accept(worker, status, "race", &error);
}

/* Every racer runs every race; the first to begin one raises the bar. */
void role_race(struct worker *worker) {
    struct stress *stress = worker->stress;
    for (unsigned number = 0; go_on(worker) && number < RACES; number++) {
        unsigned begun = atomic_load(&stress->races);
        while (begun <= number &&
               !atomic_compare_exchange_weak(&stress->races, &begun, number + 1))
            continue;
        race(worker, number);
    }
}

/* -- The counter: nothing is lost ---------------------------------------------------
 */

static struct cairn_slice one_more(struct cairn_slice number, char *room, size_t size) {
    char text[32] = "";
    memcpy(text, number.data, number.size < 31 ? number.size : 31);
    int length = snprintf(room, size, "%llu", strtoull(text, NULL, 10) + 1);
    return (struct cairn_slice){room, (size_t)length};
}

static enum cairn_status count_in_transaction(struct worker *worker,
                                              struct cairn_error *error) {
    struct cairn_transaction *transaction;
    struct cairn_view view;
    char room[32];
    enum cairn_status status =
        cairn_transaction_begin(worker->stress->store, NULL, &transaction, error);
    if (status)
        return status;
    status = cairn_transaction_read(transaction, slice("counter"), &view, error);
    if (!status) {
        struct cairn_operation write = {
            .kind = CAIRN_WRITE,
            .path = slice("counter"),
            .value = one_more(view.entry.payload, room, sizeof room)};
        cairn_view_release(&view);
        status = cairn_transaction_add(transaction, &write, error);
    }
    if (!status)
        status = cairn_transaction_commit(transaction, 0, error);
    cairn_transaction_end(transaction);
    return status;
}

static enum cairn_status count_if_equal(struct worker *worker,
                                        struct cairn_error *error) {
    struct cairn_view view;
    char room[32];
    enum cairn_status status =
        cairn_store_read(worker->stress->store, NULL, slice("counter"), &view, error);
    if (status)
        return status;
    struct cairn_operation write = {.kind = CAIRN_WRITE,
                                    .path = slice("counter"),
                                    .value =
                                        one_more(view.entry.payload, room, sizeof room),
                                    .if_equal = &view.entry.payload};
    status = change(worker, write, error);
    cairn_view_release(&view);
    return status;
}

void role_count(struct worker *worker) {
    bool can_batch = cairn_store_capabilities(worker->stress->store) & CAIRN_CAN_BATCH;
    while (go_on(worker)) {
        struct cairn_error error;
        enum cairn_status status = can_batch && pick(worker, 4)
                                       ? count_in_transaction(worker, &error)
                                       : count_if_equal(worker, &error);
        if (!status)
            atomic_fetch_add(&worker->stress->counted, 1);
        if (!accept(worker, status, "count", &error))
            return;
    }
}
