/* transaction.c -- optimistic transactions: read freely, check at the end.
 *
 * A transaction is a log of what was read (as fingerprints) and what is to be done. A
 * plan that is never committed shows it its own changes. To commit, the log is run
 * once more from its start, under locks: reads must come out as they did. (The scheme
 * is backward validation: Kung and Robinson, "On Optimistic Methods for Concurrency
 * Control", 1981.) */
#include <stdlib.h>

#include "check.h"
#include "operation.h"

struct cairn_transaction {
    struct core *core;
    const struct cairn_context *context;
    struct plan *plan;        /* what its reads see */
    struct cairn_arena arena; /* copies of what operations hold */
    struct cairn_operation *log;
    size_t count, capacity;
    enum cairn_status
        failed; /* of a read that could not be told: nothing is committed */
    struct cairn_error failure;
};

enum cairn_status cairn_transaction_begin(struct cairn_store *store,
                                          const struct cairn_context *context,
                                          struct cairn_transaction **out,
                                          struct cairn_error *error) {
    struct core *core = store->core;
    enum cairn_status status = core_enter(core, context, error);
    if (status)
        return status;
    if (store->snapshot)
        return cairn_fail(error, CAIRN_UNSUPPORTED, "a snapshot cannot be changed");
    if (!(core->capabilities & CAIRN_CAN_BATCH))
        return cairn_fail(error, CAIRN_UNSUPPORTED, "%s: has no transactions",
                          core->url);
    struct cairn_transaction *transaction = calloc(1, sizeof *transaction);
    struct plan *plan = transaction ? plan_new(core, context) : NULL;
    if (!plan) {
        free(transaction);
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a transaction");
    }
    transaction->core = core;
    transaction->context = context;
    transaction->plan = plan;
    cairn_arena_init(&transaction->arena);
    *out = transaction;
    return CAIRN_OK;
}

static struct cairn_operation *append(struct cairn_transaction *transaction,
                                      struct cairn_error *error) {
    if (transaction->count == transaction->capacity) {
        size_t capacity = transaction->capacity ? transaction->capacity * 2 : 8;
        struct cairn_operation *log = realloc(transaction->log, capacity * sizeof *log);
        if (!log) {
            cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a transaction");
            return NULL;
        }
        transaction->log = log;
        transaction->capacity = capacity;
    }
    return &transaction->log[transaction->count];
}

enum cairn_status cairn_transaction_read(struct cairn_transaction *transaction,
                                         struct cairn_slice path,
                                         struct cairn_view *out,
                                         struct cairn_error *error) {
    struct cairn_path normal;
    struct cairn_operation *entry;
    struct cairn_slice copy;
    out->release = NULL;
    enum cairn_status status =
        core_enter(transaction->core, transaction->context, error);
    if (status || (status = cairn_path_normalize(path, &normal, error)))
        return status;
    if (!(entry = append(transaction, error)) ||
        !cairn_arena_copy(&transaction->arena, normal.text, &copy))
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a transaction");
    /* A value whose chunks vanish while they are collected was replaced: look again. */
    struct cairn_error failure = {""};
    status = operation_read(transaction->plan, normal.text, out, &failure);
    for (int attempt = 0; status == CAIRN_CONFLICT && attempt < 32; attempt++)
        status = operation_read(transaction->plan, normal.text, out, &failure);
    if (status && error)
        *error = failure;
    if (status && status != CAIRN_NOT_FOUND) {
        transaction->failed = status;
        transaction->failure = failure;
        return status;
    }
    struct cairn_slice value =
        status ? (struct cairn_slice){"", 0} : out->entry.payload;
    *entry = (struct cairn_operation){.kind = CAIRN_EXPECT, .path = copy};
    entry->fingerprint = cairn_store_fingerprint(status, value);
    transaction->count++;
    return status;
}

static bool copy_children(struct cairn_arena *arena,
                          struct cairn_operation *operation) {
    struct cairn_pack_child *children =
        cairn_arena_take(arena, operation->child_count * sizeof *children + 1);
    if (!children)
        return false;
    for (size_t i = 0; i < operation->child_count; i++) {
        children[i] = operation->children[i];
        if (!cairn_arena_copy(arena, children[i].name, &children[i].name) ||
            !cairn_arena_copy(arena, children[i].entry.payload,
                              &children[i].entry.payload) ||
            !cairn_arena_copy(arena, children[i].entry.metadata,
                              &children[i].entry.metadata))
            return false;
    }
    operation->children = children;
    return true;
}

static bool copy_operation(struct cairn_arena *arena,
                           struct cairn_operation *operation) {
    if (operation->if_equal) {
        struct cairn_slice *expected = cairn_arena_take(arena, sizeof *expected);
        if (!expected || !cairn_arena_copy(arena, *operation->if_equal, expected))
            return false;
        operation->if_equal = expected;
    }
    return cairn_arena_copy(arena, operation->path, &operation->path) &&
           cairn_arena_copy(arena, operation->value, &operation->value) &&
           cairn_arena_copy(arena, operation->metadata, &operation->metadata) &&
           copy_children(arena, operation);
}

static struct task task_of(struct cairn_operation *operation) {
    struct task task = {.operation = operation};
    task.entry = (struct cairn_entry){.kind = CAIRN_RAW,
                                      .payload = operation->value,
                                      .size = operation->value.size,
                                      .expires_ms = operation->expires_ms,
                                      .metadata = operation->metadata};
    return task;
}

/* A refused operation may have left something in the plan: it is made anew from the
 * log. Returns `status`, or why that could not be done. */
static enum cairn_status replan(struct cairn_transaction *transaction,
                                enum cairn_status status, struct cairn_error *error) {
    struct plan *plan = plan_new(transaction->core, transaction->context);
    if (!plan)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a transaction");
    plan_free(transaction->plan);
    transaction->plan = plan;
    for (size_t i = 0; i < transaction->count; i++) {
        struct task task = task_of(&transaction->log[i]);
        if (transaction->log[i].kind != CAIRN_EXPECT)
            (void)operation_plan(plan, &task,
                                 NULL); /* commit asks again, and answers */
    }
    return status;
}

enum cairn_status cairn_transaction_add(struct cairn_transaction *transaction,
                                        struct cairn_operation *operation,
                                        struct cairn_error *error) {
    struct cairn_operation *entry = append(transaction, error);
    struct cairn_operation copy = *operation;
    if (!entry || !copy_operation(&transaction->arena, &copy))
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a transaction");
    *entry = copy;
    struct task task = task_of(entry);
    enum cairn_status status = check_operation(entry, error);
    if (status)
        return status;
    status = operation_plan(transaction->plan, &task, error);
    operation->changed = entry->changed;
    if (status)
        return replan(transaction, status, error);
    transaction->count++;
    return CAIRN_OK;
}

enum cairn_status cairn_transaction_commit(struct cairn_transaction *transaction,
                                           unsigned flags, struct cairn_error *error) {
    struct cairn_store store = {.core = transaction->core};
    if (transaction->failed) {
        if (error)
            *error = transaction->failure;
        return transaction->failed;
    }
    return cairn_store_apply(&store, transaction->context, transaction->log,
                             transaction->count,
                             flags & ~(unsigned)CAIRN_STORE_IN_STEPS, NULL, error);
}

void cairn_transaction_end(struct cairn_transaction *transaction) {
    if (!transaction)
        return;
    plan_free(transaction->plan);
    cairn_arena_free(&transaction->arena);
    free(transaction->log);
    free(transaction);
}
