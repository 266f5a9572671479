/* lua_writer.c -- `cairn.Writer`: a value that arrives in pieces. */
#include "lua_store.h"

#define WRITER_TYPE "cairn.Writer"

struct writer_box {
    struct store_ref *ref;
    struct cairn_writer *writer; /* NULL once closed */
};

static struct writer_box *check_writer(lua_State *L) {
    struct writer_box *box = luaL_checkudata(L, 1, WRITER_TYPE);
    luaL_argcheck(L, box->writer, 1, "the writer is closed");
    return box;
}

static int writer_append(lua_State *L) {
    struct writer_box *box = check_writer(L);
    struct cairn_slice bytes = cairn_lua_bytes(L, 2, "bytes");
    struct cairn_error error;
    enum cairn_status status = cairn_writer_append(box->writer, bytes, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_settop(L, 1);
    return 1;
}

static int writer_close(lua_State *L) {
    struct writer_box *box = luaL_checkudata(L, 1, WRITER_TYPE);
    cairn_writer_close(box->writer);
    cairn_lua_release(box->ref);
    *box = (struct writer_box){0};
    return 0;
}

/* commit(path, options): the arguments of a write without its value. */
static int writer_commit(lua_State *L) {
    (void)check_writer(L);
    struct lua_operation parsed;
    struct cairn_error error;
    lua_settop(L, 3);
    lua_pushliteral(L, "");
    lua_insert(L, 3);
    cairn_lua_parse(L, CAIRN_WRITE, 2, &parsed);
    struct writer_box *box = check_writer(L); /* a finalizer may have closed it */
    enum cairn_status status = cairn_writer_commit(
        box->writer, &parsed.operation, parsed.sync ? CAIRN_STORE_SYNC : 0, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_settop(L, 1);
    writer_close(L);
    lua_pushboolean(L, true);
    return 1;
}

int cairn_lua_writer(lua_State *L) {
    struct writer_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    struct cairn_error error;
    *box = (struct writer_box){0};
    luaL_setmetatable(L, WRITER_TYPE);
    struct store_ref *ref = cairn_lua_checkstore(L, 1);
    enum cairn_status status =
        cairn_writer_open(ref->store, NULL, &box->writer, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    box->ref = ref;
    cairn_lua_retain(ref);
    return 1;
}

static const luaL_Reg writer_methods[] = {
    {"append", writer_append},
    {"close", writer_close},
    {"commit", writer_commit},
    {NULL, NULL},
};

static const luaL_Reg writer_metamethods[] = {
    {"__close", writer_close},
    {"__gc", writer_close},
    {NULL, NULL},
};

void cairn_lua_init_writer(lua_State *L) {
    cairn_lua_class(L, WRITER_TYPE, writer_methods, writer_metamethods);
}
