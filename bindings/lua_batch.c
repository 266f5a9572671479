/* lua_batch.c -- many changes as one: store:batch.
 *
 * A collector with the store's own method names is handed to a Lua function. It keeps
 * what it is given, in a Lua table, so that nothing is copied. */
#include "lua_store.h"

#include <stdlib.h>

#define BATCH_TYPE "cairn.Batch"

/* Uservalue 1: a table of everything that the operations point at. */
struct batch_box {
    struct lua_operation *operations;
    size_t count, capacity;
    bool open; /* its function is running */
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

static struct cairn_operation *push_operations(lua_State *L,
                                               const struct batch_box *box) {
    struct cairn_operation *operations =
        lua_newuserdatauv(L, box->count * sizeof *operations + 1, 0);
    for (size_t i = 0; i < box->count; i++) {
        operations[i] = box->operations[i].operation;
        if (operations[i].if_equal)
            operations[i].if_equal = &box->operations[i].expected;
    }
    return operations;
}

enum { BATCH_SYNC = 1 << 0, BATCH_IN_STEPS = 1 << 1 };

/* The function has filled the batch, which is at 4. */
static int filled(lua_State *L, int status, lua_KContext options) {
    struct store_call room;
    struct batch_box *box = luaL_checkudata(L, 4, BATCH_TYPE);
    (void)status;
    box->open = false;
    struct cairn_operation *operations = push_operations(L, box);
    struct store_call *call =
        store_begin(L, store_self(L), &room, options & BATCH_SYNC);
    call->operations = operations;
    call->count = box->count;
    call->flags = options & BATCH_SYNC ? CAIRN_STORE_SYNC : 0;
    /* Steps are for backends that cannot do better. */
    if (options & BATCH_IN_STEPS &&
        !(cairn_store_capabilities(call->ref->store) & CAIRN_CAN_BATCH))
        call->flags |= CAIRN_STORE_IN_STEPS;
    return store_make(L, call, store_run_apply, store_push_true);
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

    lua_KContext options = (sync ? BATCH_SYNC : 0) | (in_steps ? BATCH_IN_STEPS : 0);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 4);
    lua_callk(L, 1, 0, options, filled);
    return filled(L, LUA_OK, options);
}

static const luaL_Reg batch_methods[] = {
    {"delete", batch_delete}, {"group", batch_group}, {"link", batch_link},
    {"pack", batch_pack},     {"write", batch_write}, {NULL, NULL},
};

static const luaL_Reg batch_metamethods[] = {
    {"__gc", batch_gc},
    {NULL, NULL},
};

void cairn_lua_init_batch(lua_State *L) {
    cairn_lua_class(L, BATCH_TYPE, batch_methods, batch_metamethods);
}
