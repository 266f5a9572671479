/* lua_batch.c -- many changes as one: store:batch and store:transaction.
 *
 * Both hand a collector with the store's own method names to a Lua function. A batch
 * keeps what it is given (in a Lua table, so that nothing is copied); a transaction
 * passes it on to the engine, which copies. */
#include "lua_store.h"

#include <stdlib.h>

#define BATCH_TYPE "cairn.Batch"
#define TRANSACTION_TYPE "cairn.Transaction"

enum { RETRIES = 100 };

/* Uservalue 1: a table of everything that the operations point at. */
struct batch_box {
    struct lua_operation *operations;
    size_t count, capacity;
    bool open; /* its function is running */
};

struct transaction_box {
    struct store_ref *ref;
    struct cairn_transaction *transaction; /* NULL once ended */
    struct cairn_view pinned;
    enum cairn_status status; /* of the first change that was refused, */
    struct cairn_error error; /* after which nothing is committed */
};

/* -- Batches ---------------------------------------------------------------------- */

static struct batch_box *check_batch(lua_State *L) {
    struct batch_box *box = luaL_checkudata(L, 1, BATCH_TYPE);
    luaL_argcheck(L, box->open, 1, "the batch is over");
    return box;
}

static int batch_gc(lua_State *L) {
    struct batch_box *box = luaL_checkudata(L, 1, BATCH_TYPE);
    free(box->operations);
    *box = (struct batch_box){0};
    return 0;
}

static void grow(lua_State *L, struct batch_box *box) {
    if (box->count < box->capacity)
        return;
    size_t capacity = box->capacity ? box->capacity * 2 : 16;
    struct lua_operation *operations =
        realloc(box->operations, capacity * sizeof *operations);
    if (!operations)
        luaL_error(L, "not enough memory");
    box->operations = operations;
    box->capacity = capacity;
}

static int batch_add(lua_State *L, enum cairn_operation_kind kind) {
    (void)check_batch(L);
    struct lua_operation parsed;
    cairn_lua_parse(L, kind, 2, &parsed);
    struct batch_box *box = check_batch(L);
    if (parsed.sync)
        luaL_error(L, "sync is an option of the batch, not of one change in it");
    grow(L, box);

    int top = lua_gettop(L);
    lua_getiuservalue(L, 1, 1);
    lua_Integer at = (lua_Integer)lua_rawlen(L, -1);
    for (int i = 2; i <= top; i++) {
        if (lua_isnil(L, i))
            continue;
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, ++at);
    }
    box->operations[box->count++] = parsed;
    return 0;
}

static int batch_write(lua_State *L) {
    return batch_add(L, CAIRN_WRITE);
}

static int batch_group(lua_State *L) {
    return batch_add(L, CAIRN_MAKE_GROUP);
}

static int batch_link(lua_State *L) {
    return batch_add(L, CAIRN_MAKE_LINK);
}

static int batch_pack(lua_State *L) {
    return batch_add(L, CAIRN_MAKE_PACK);
}

static int batch_delete(lua_State *L) {
    return batch_add(L, CAIRN_DELETE);
}

static int apply(lua_State *L, const struct batch_box *box, bool sync, bool in_steps) {
    struct cairn_operation *operations =
        lua_newuserdatauv(L, box->count * sizeof *operations + 1, 0);
    struct cairn_error error;
    for (size_t i = 0; i < box->count; i++) {
        operations[i] = box->operations[i].operation;
        if (operations[i].if_equal)
            operations[i].if_equal = &box->operations[i].expected;
    }
    struct cairn_store *store = cairn_lua_checkstore(L, 1)->store;
    unsigned flags = sync ? CAIRN_STORE_SYNC : 0;
    /* Steps are for backends that cannot do better. */
    if (in_steps && !(cairn_store_capabilities(store) & CAIRN_CAN_BATCH))
        flags |= CAIRN_STORE_IN_STEPS;
    enum cairn_status status =
        cairn_store_apply(store, NULL, operations, box->count, flags, NULL, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_pushboolean(L, true);
    return 1;
}

int cairn_lua_batch(lua_State *L) {
    static const char *const known[] = {"sync", "in_steps", NULL};
    bool sync = false, in_steps = false;
    (void)cairn_lua_checkstore(L, 1);
    cairn_lua_function(L, 2, "fill");
    lua_settop(L, 3);
    if (cairn_lua_options(L, 3, known)) {
        cairn_lua_boolean(L, 3, "sync", &sync);
        cairn_lua_boolean(L, 3, "in_steps", &in_steps);
    }
    struct batch_box *box = lua_newuserdatauv(L, sizeof *box, 1);
    *box = (struct batch_box){.open = true};
    luaL_setmetatable(L, BATCH_TYPE);
    lua_newtable(L);
    lua_setiuservalue(L, 4, 1);

    lua_pushvalue(L, 2);
    lua_pushvalue(L, 4);
    lua_call(L, 1, 0);
    box->open = false;
    return apply(L, box, sync, in_steps);
}

static const luaL_Reg batch_methods[] = {
    {"delete", batch_delete}, {"group", batch_group}, {"link", batch_link},
    {"pack", batch_pack},     {"write", batch_write}, {NULL, NULL},
};

static const luaL_Reg batch_metamethods[] = {
    {"__gc", batch_gc},
    {NULL, NULL},
};

/* -- Transactions ----------------------------------------------------------------- */

static struct transaction_box *check_transaction(lua_State *L) {
    struct transaction_box *box = luaL_checkudata(L, 1, TRANSACTION_TYPE);
    luaL_argcheck(L, box->transaction, 1, "the transaction is over");
    return box;
}

static int transaction_end(lua_State *L) {
    struct transaction_box *box = luaL_checkudata(L, 1, TRANSACTION_TYPE);
    cairn_view_release(&box->pinned);
    cairn_transaction_end(box->transaction);
    cairn_lua_release(box->ref);
    box->transaction = NULL;
    box->ref = NULL;
    return 0;
}

static int transaction_read(lua_State *L) {
    (void)check_transaction(L);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct transaction_box *box = check_transaction(L);
    struct cairn_error error;
    cairn_view_release(&box->pinned);
    enum cairn_status status =
        cairn_transaction_read(box->transaction, path, &box->pinned, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push(L, box->pinned.entry.payload); /* copies first: see store_box */
    cairn_view_release(&box->pinned);
    return 1;
}

static int transaction_add(lua_State *L, enum cairn_operation_kind kind) {
    (void)check_transaction(L);
    struct lua_operation parsed;
    struct cairn_error error;
    cairn_lua_parse(L, kind, 2, &parsed);
    struct transaction_box *box = check_transaction(L);
    if (parsed.sync)
        luaL_error(L, "sync is an option of the transaction, not of one change in it");
    enum cairn_status status =
        cairn_transaction_add(box->transaction, &parsed.operation, &error);
    if (status) {
        if (!box->status) {
            box->status = status;
            box->error = error;
        }
        return cairn_lua_fail(L, status, &error);
    }
    lua_pushboolean(L, true);
    return 1;
}

static int transaction_write(lua_State *L) {
    return transaction_add(L, CAIRN_WRITE);
}

static int transaction_group(lua_State *L) {
    return transaction_add(L, CAIRN_MAKE_GROUP);
}

static int transaction_link(lua_State *L) {
    return transaction_add(L, CAIRN_MAKE_LINK);
}

static int transaction_pack(lua_State *L) {
    return transaction_add(L, CAIRN_MAKE_PACK);
}

static int transaction_delete(lua_State *L) {
    return transaction_add(L, CAIRN_DELETE);
}

/* Pushes a transaction that has begun; false: pushes the failure instead. */
static struct transaction_box *begin(lua_State *L) {
    struct transaction_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    struct cairn_error error;
    *box = (struct transaction_box){0};
    luaL_setmetatable(L, TRANSACTION_TYPE);
    struct store_ref *ref = cairn_lua_checkstore(L, 1);
    enum cairn_status status =
        cairn_transaction_begin(ref->store, NULL, &box->transaction, &error);
    if (status) {
        cairn_lua_fail(L, status, &error);
        return NULL;
    }
    box->ref = ref;
    cairn_lua_retain(ref);
    return box;
}

/* Runs the body once. Its results, and what the commit says, are left on the stack
 * above `base`; true when that is the answer, false when what was read has changed
 * since. A change that was refused is final, also with `conflict`: it would be refused
 * again. */
static bool attempt(lua_State *L, int base, unsigned flags) {
    struct cairn_error error;
    lua_settop(L, base);
    struct transaction_box *box = begin(L);
    if (!box) {
        lua_remove(L, base + 1); /* the box; its failure is the answer */
        return true;
    }
    lua_pushvalue(L, 2);
    lua_pushvalue(L, base + 1);
    lua_call(L, 1, LUA_MULTRET);
    int results = lua_gettop(L) - base - 1;
    bool gave_up = results >= 2 && lua_isnil(L, base + 2) && !lua_isnil(L, base + 3);

    if (!box->transaction)
        luaL_error(L, "the transaction was collected while its function ran");
    enum cairn_status status = gave_up ? CAIRN_OK : box->status;
    bool retry = false;
    error = box->error;
    if (!gave_up && !status) {
        status = cairn_transaction_commit(box->transaction, flags, &error);
        retry = status == CAIRN_CONFLICT;
    }
    lua_pushcfunction(L, transaction_end);
    lua_pushvalue(L, base + 1);
    lua_call(L, 1, 0);
    lua_remove(L, base + 1);
    if (status) {
        lua_settop(L, base);
        cairn_lua_fail(L, status, &error);
        return !retry;
    }
    if (results == 0)
        lua_pushboolean(L, true);
    return true;
}

int cairn_lua_transaction(lua_State *L) {
    static const char *const known[] = {"sync", "retries", NULL};
    bool sync = false;
    int64_t retries = RETRIES;
    (void)cairn_lua_checkstore(L, 1);
    cairn_lua_function(L, 2, "body");
    lua_settop(L, 3);
    if (cairn_lua_options(L, 3, known)) {
        cairn_lua_boolean(L, 3, "sync", &sync);
        cairn_lua_integer(L, 3, "retries", &retries);
    }
    luaL_argcheck(L, retries >= 0, 3, "options.retries: must not be negative");
    for (int64_t i = 0; i <= retries; i++)
        if (attempt(L, 3, sync ? CAIRN_STORE_SYNC : 0))
            break;
    return lua_gettop(L) - 3;
}

static const luaL_Reg transaction_methods[] = {
    {"delete", transaction_delete},
    {"group", transaction_group},
    {"link", transaction_link},
    {"pack", transaction_pack},
    {"read", transaction_read},
    {"write", transaction_write},
    {NULL, NULL},
};

static const luaL_Reg transaction_metamethods[] = {
    {"__gc", transaction_end},
    {NULL, NULL},
};

void cairn_lua_init_batch(lua_State *L) {
    cairn_lua_class(L, BATCH_TYPE, batch_methods, batch_metamethods);
    cairn_lua_class(L, TRANSACTION_TYPE, transaction_methods, transaction_metamethods);
}
