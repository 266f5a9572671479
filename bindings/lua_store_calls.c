/* lua_store_calls.c -- what a store does in one call into the engine.
 *
 * Each is made of three steps: what it is given is collected, `run_...` makes it
 * without Lua, `push_...` says what came of it. In a worker a call that may take long
 * is run away from the loop, while the worker is suspended. */
#include "lua_store.h"

#define CALL_TYPE "cairn.store.call"
#define STAT_TYPE "cairn.stat"

/* The most that read_at gives at once. */
#define PIECE_MAX ((int64_t)1 << 31)
#define PIECE_SMALL CAIRN_PATH_MAX /* bytes that need no room of their own */

/* -- Calls ------------------------------------------------------------------------ */

static void let_go(struct store_call *call) {
    cairn_view_release(&call->own);
    cairn_lua_release(call->ref);
    call->ref = NULL;
}

static int call_gc(lua_State *L) {
    let_go(luaL_checkudata(L, 1, CALL_TYPE));
    return 0;
}

/* Pushes one that is to be made away. */
static struct store_call *new_call(lua_State *L, const struct store_box *box) {
    struct store_call *call = lua_newuserdatauv(L, sizeof *call, 0);
    memset(&call->job, 0, sizeof call->job);
    memset(&call->own, 0, sizeof call->own);
    call->ref = NULL;
    call->is_away = true;
    call->view = &call->own;
    luaL_setmetatable(L, CALL_TYPE);
    call->ref = store_opened(L, box);
    cairn_lua_retain(call->ref);
    return call;
}

struct store_call *store_begin(lua_State *L, struct store_box *box,
                               struct store_call *room, bool takes_long) {
    struct store_ref *ref = store_opened(L, box);
    if (lua_job_is_away(L, takes_long || store_is_far(ref)))
        return new_call(L, box);
    cairn_view_release(&box->pinned);
    room->ref = ref;
    room->is_away = false;
    room->view = &box->pinned;
    return room;
}

int store_make(lua_State *L, struct store_call *call, void (*run)(struct lua_job *job),
               lua_KFunction push) {
    call->job.run = run;
    return lua_job_run(L, &call->job, call->is_away, (lua_KContext)call, push);
}

int store_over(struct store_call *call, int results) {
    if (call->is_away)
        let_go(call);
    return results;
}

int store_refuse(lua_State *L, struct store_call *call) {
    return store_over(call, cairn_lua_fail(L, call->status, &call->error));
}

static struct store_call *call_of(struct lua_job *job) {
    return (struct store_call *)job;
}

/* -- Reading ---------------------------------------------------------------------- */

static void run_read(struct lua_job *job) {
    struct store_call *call = call_of(job);
    call->status =
        cairn_store_read(call->ref->store, NULL, call->path, call->view, &call->error);
}

static int push_read(lua_State *L, int status, lua_KContext context) {
    struct store_call *call = (struct store_call *)context;
    (void)status;
    if (call->status)
        return store_refuse(L, call);
    cairn_lua_push(L, call->view->entry.payload);
    cairn_view_release(call->view);
    return store_over(call, 1);
}

int store_read(lua_State *L) {
    struct store_box *box = store_self(L);
    struct store_call room;
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct store_call *call = store_begin(L, box, &room, false);
    call->path = path;
    return store_make(L, call, run_read, push_read);
}

static void run_read_at(struct lua_job *job) {
    struct store_call *call = call_of(job);
    call->status =
        cairn_store_read_at(call->ref->store, NULL, call->path, call->offset,
                            call->room, call->size, &call->size, &call->error);
}

static int push_piece(lua_State *L, int status, lua_KContext context) {
    struct store_call *call = (struct store_call *)context;
    (void)status;
    if (call->status)
        return store_refuse(L, call);
    lua_pushlstring(L, call->room, call->size);
    return store_over(call, 1);
}

/* No buffer of Lua's: that would not outlast being suspended. */
int store_read_at(lua_State *L) {
    struct store_box *box = store_self(L);
    struct store_call room;
    char small[PIECE_SMALL];
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    int64_t offset = cairn_lua_count(L, 3, "offset", INT64_MAX);
    int64_t size = cairn_lua_count(L, 4, "size", PIECE_MAX);
    bool fits = size <= PIECE_SMALL;
    char *piece = fits ? small : lua_newuserdatauv(L, (size_t)size, 0);
    struct store_call *call = store_begin(L, box, &room, false);
    call->room = fits && call->is_away ? call->resolved.room : piece;
    call->path = path;
    call->offset = (uint64_t)offset;
    call->size = (size_t)size;
    return store_make(L, call, run_read_at, push_piece);
}

static void run_type(struct lua_job *job) {
    struct store_call *call = call_of(job);
    call->status =
        cairn_store_type(call->ref->store, NULL, call->path, &call->kind, &call->error);
}

static int push_kind(lua_State *L, int status, lua_KContext context) {
    struct store_call *call = (struct store_call *)context;
    (void)status;
    if (call->status)
        return store_refuse(L, call);
    lua_pushstring(L, cairn_lua_kind(call->kind));
    return store_over(call, 1);
}

int store_type(lua_State *L) {
    struct store_box *box = store_self(L);
    struct store_call room;
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct store_call *call = store_begin(L, box, &room, false);
    call->path = path;
    return store_make(L, call, run_type, push_kind);
}

static void run_resolve(struct lua_job *job) {
    struct store_call *call = call_of(job);
    call->status = cairn_store_resolve(call->ref->store, NULL, call->path,
                                       &call->resolved, &call->error);
}

static int push_resolved(lua_State *L, int status, lua_KContext context) {
    struct store_call *call = (struct store_call *)context;
    (void)status;
    if (call->status)
        return store_refuse(L, call);
    cairn_lua_push(L, call->resolved.text);
    return store_over(call, 1);
}

int store_resolve(lua_State *L) {
    struct store_box *box = store_self(L);
    struct store_call room;
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct store_call *call = store_begin(L, box, &room, false);
    call->path = path;
    return store_make(L, call, run_resolve, push_resolved);
}

/* What one call of stat holds: the view, and the store, which a finalizer may close. */
struct stat_box {
    struct store_ref *ref;
    struct cairn_view view;
};

static void stat_let_go(struct stat_box *box) {
    cairn_view_release(&box->view);
    cairn_lua_release(box->ref);
    box->ref = NULL;
}

static int stat_gc(lua_State *L) {
    stat_let_go(luaL_checkudata(L, 1, STAT_TYPE));
    return 0;
}

static struct stat_box *new_stat(lua_State *L) {
    struct stat_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (struct stat_box){.ref = NULL};
    luaL_setmetatable(L, STAT_TYPE);
    return box;
}

static void run_stat(struct lua_job *job) {
    struct store_call *call = call_of(job);
    call->status =
        cairn_store_stat(call->ref->store, NULL, call->path, call->view, &call->error);
}

static int push_stat(lua_State *L, int status, lua_KContext context) {
    struct store_call *call = (struct store_call *)context;
    struct stat_box *held =
        (struct stat_box *)((char *)call->view - offsetof(struct stat_box, view));
    (void)status;
    int results = call->status
                      ? cairn_lua_fail(L, call->status, &call->error)
                      : cairn_lua_push_stat(L, held->ref->store, &held->view.entry);
    stat_let_go(held);
    return store_over(call, results);
}

int store_stat(lua_State *L) {
    struct store_box *box = store_self(L);
    struct store_call room;
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct stat_box *held = new_stat(L);
    struct store_call *call = store_begin(L, box, &room, false);
    call->path = path;
    call->view = &held->view;
    held->ref = call->ref;
    cairn_lua_retain(held->ref);
    return store_make(L, call, run_stat, push_stat);
}

/* -- Changing one thing ----------------------------------------------------------- */

void store_run_apply(struct lua_job *job) {
    struct store_call *call = call_of(job);
    call->status = cairn_store_apply(call->ref->store, NULL, call->operations,
                                     call->count, call->flags, NULL, &call->error);
}

int store_push_true(lua_State *L, int status, lua_KContext context) {
    struct store_call *call = (struct store_call *)context;
    (void)status;
    if (call->status)
        return store_refuse(L, call);
    lua_pushboolean(L, true);
    return store_over(call, 1);
}

static int push_changed(lua_State *L, int status, lua_KContext context) {
    struct store_call *call = (struct store_call *)context;
    (void)status;
    if (call->status)
        return store_refuse(L, call);
    lua_pushboolean(L, true);
    lua_pushboolean(L, call->parsed.operation.changed);
    return store_over(call, 2);
}

/* Parses and applies it. */
static int apply(lua_State *L, enum cairn_operation_kind kind, lua_KFunction push) {
    struct store_box *box = store_self(L);
    struct store_call room;
    cairn_lua_parse(L, kind, 2, &room.parsed);
    struct store_call *call = store_begin(L, box, &room, room.parsed.sync);
    if (call->is_away)
        cairn_lua_carry(&call->parsed, &room.parsed);
    call->operations = &call->parsed.operation;
    call->count = 1;
    call->flags = call->parsed.sync ? CAIRN_STORE_SYNC : 0;
    return store_make(L, call, store_run_apply, push);
}

int store_write(lua_State *L) {
    return apply(L, CAIRN_WRITE, store_push_true);
}

int store_group(lua_State *L) {
    return apply(L, CAIRN_MAKE_GROUP, store_push_true);
}

int store_pack(lua_State *L) {
    return apply(L, CAIRN_MAKE_PACK, store_push_true);
}

int store_link(lua_State *L) {
    return apply(L, CAIRN_MAKE_LINK, push_changed);
}

static void run_delete_tree(struct lua_job *job) {
    struct store_call *call = call_of(job);
    call->status =
        cairn_store_delete_tree(call->ref->store, NULL, call->path, &call->error);
}

int store_delete(lua_State *L) {
    static const char *const known[] = {"recursive", NULL};
    struct store_box *box = store_self(L);
    struct store_call room;
    bool recursive = false;
    if (cairn_lua_options(L, 3, known))
        cairn_lua_boolean(L, 3, "recursive", &recursive);
    if (!recursive)
        return apply(L, CAIRN_DELETE, store_push_true);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct store_call *call = store_begin(L, box, &room, true);
    call->path = path;
    return store_make(L, call, run_delete_tree, store_push_true);
}

/* -- The whole store -------------------------------------------------------------- */

static void run_reset(struct lua_job *job) {
    struct store_call *call = call_of(job);
    call->status = cairn_store_reset(call->ref->store, NULL, &call->error);
}

int store_reset(lua_State *L) {
    struct store_box *box = store_self(L);
    struct store_call room;
    return store_make(L, store_begin(L, box, &room, true), run_reset, store_push_true);
}

static void run_sync(struct lua_job *job) {
    struct store_call *call = call_of(job);
    call->status = cairn_store_sync(call->ref->store, NULL, &call->error);
}

int store_sync(lua_State *L) {
    struct store_box *box = store_self(L);
    struct store_call room;
    return store_make(L, store_begin(L, box, &room, true), run_sync, store_push_true);
}

void store_init_calls(lua_State *L) {
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg call_metamethods[] = {{"__gc", call_gc}, {NULL, NULL}};
    static const luaL_Reg stat_metamethods[] = {{"__gc", stat_gc}, {NULL, NULL}};
    cairn_lua_class(L, CALL_TYPE, none, call_metamethods);
    cairn_lua_class(L, STAT_TYPE, none, stat_metamethods);
}
