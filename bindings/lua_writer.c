/* lua_writer.c -- `cairn.Writer`: a value that arrives in pieces. */
#include "lua_store.h"

#define WRITER_TYPE "cairn.Writer"

struct writer_box {
    struct store_ref *ref;
    struct cairn_writer *writer; /* NULL once closed */
    bool is_away;                /* one thread at a time, and it has another */
};

/* A step of writing, and what came of it. */
struct writing {
    struct lua_job job;
    struct writer_box *box; /* on the stack */
    struct cairn_slice bytes;
    struct lua_operation parsed;
    enum cairn_status status;
    struct cairn_error error;
};

static struct writer_box *check_writer(lua_State *L) {
    struct writer_box *box = luaL_checkudata(L, 1, WRITER_TYPE);
    luaL_argcheck(L, box->writer, 1, "the writer is closed");
    luaL_argcheck(L, !box->is_away, 1, "the writer is in use elsewhere");
    return box;
}

/* The step that is to be filled: `room`, or one that is made away, pushed. */
static struct writing *begin(lua_State *L, struct writing *room, bool takes_long) {
    struct writing *writing = room;
    bool is_away = lua_job_is_away(L, takes_long || store_is_far(check_writer(L)->ref));
    if (is_away) {
        writing = lua_newuserdatauv(L, sizeof *writing, 0);
        memset(writing, 0, sizeof *writing);
    }
    writing->box = check_writer(L); /* a finalizer may have closed it */
    writing->box->is_away = is_away;
    return writing;
}

static int make(lua_State *L, struct writing *writing, void (*run)(struct lua_job *job),
                lua_KFunction push) {
    writing->job.run = run;
    return lua_job_run(L, &writing->job, writing->box->is_away, (lua_KContext)writing,
                       push);
}

static void run_append(struct lua_job *job) {
    struct writing *writing = (struct writing *)job;
    writing->status =
        cairn_writer_append(writing->box->writer, writing->bytes, &writing->error);
}

static int push_self(lua_State *L, int status, lua_KContext context) {
    struct writing *writing = (struct writing *)context;
    (void)status;
    writing->box->is_away = false;
    if (writing->status)
        return cairn_lua_fail(L, writing->status, &writing->error);
    lua_settop(L, 1);
    return 1;
}

static int writer_append(lua_State *L) {
    struct writing room;
    (void)check_writer(L);
    struct cairn_slice bytes = cairn_lua_bytes(L, 2, "bytes");
    struct writing *writing = begin(L, &room, false);
    writing->bytes = bytes;
    return make(L, writing, run_append, push_self);
}

static int writer_gc(lua_State *L) {
    struct writer_box *box = luaL_checkudata(L, 1, WRITER_TYPE);
    cairn_writer_close(box->writer);
    cairn_lua_release(box->ref);
    *box = (struct writer_box){0};
    return 0;
}

static int writer_close(lua_State *L) {
    struct writer_box *box = luaL_checkudata(L, 1, WRITER_TYPE);
    luaL_argcheck(L, !box->is_away, 1, "the writer is in use elsewhere");
    return writer_gc(L);
}

static void run_commit(struct lua_job *job) {
    struct writing *writing = (struct writing *)job;
    writing->status = cairn_writer_commit(
        writing->box->writer, &writing->parsed.operation,
        writing->parsed.sync ? CAIRN_STORE_SYNC : 0, &writing->error);
}

static int push_committed(lua_State *L, int status, lua_KContext context) {
    struct writing *writing = (struct writing *)context;
    (void)status;
    writing->box->is_away = false;
    if (writing->status)
        return cairn_lua_fail(L, writing->status, &writing->error);
    lua_settop(L, 1);
    writer_gc(L);
    lua_pushboolean(L, true);
    return 1;
}

/* commit(path, options): the arguments of a write without its value. */
static int writer_commit(lua_State *L) {
    struct writing room;
    (void)check_writer(L);
    lua_settop(L, 3);
    lua_pushliteral(L, "");
    lua_insert(L, 3);
    cairn_lua_parse(L, CAIRN_WRITE, 2, &room.parsed);
    struct writing *writing = begin(L, &room, room.parsed.sync);
    if (writing != &room)
        cairn_lua_carry(&writing->parsed, &room.parsed);
    return make(L, writing, run_commit, push_committed);
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
    {"__gc", writer_gc},
    {NULL, NULL},
};

void cairn_lua_init_writer(lua_State *L) {
    cairn_lua_class(L, WRITER_TYPE, writer_methods, writer_metamethods);
}
