/* lua_import.c -- `cairn.import`: stores that HyperBEAM wrote, read into one of ours.
 */
#include "cairn/import.h"

#include "lua_store.h"

#define IMPORT_TYPE "cairn.import"

/* A running import and the Lua function that is told how far it is. */
struct watcher {
    lua_State *L;
    int function; /* its place on the stack */
    bool raised;  /* it failed: what it raised is on top of the stack */
};

/* An error must not jump over the import, which holds the source open: it is kept, the
 * import stops, and it is raised when that has come back. */
static bool tell(void *arg, uint64_t done, uint64_t total) {
    struct watcher *watcher = arg;
    lua_State *L = watcher->L;
    if (watcher->raised)
        return false;
    lua_pushvalue(L, watcher->function);
    lua_pushinteger(L, (lua_Integer)done);
    lua_pushinteger(L, (lua_Integer)total);
    watcher->raised = lua_pcall(L, 2, 1, 0) != LUA_OK;
    if (watcher->raised)
        return false;
    bool stop = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
    lua_pop(L, 1);
    return !stop;
}

static void check_options(lua_State *L, int index, struct watcher *watcher,
                          struct cairn_import_options *out) {
    static const char *const known[] = {"link_prefix", "progress", NULL};
    if (!cairn_lua_options(L, index, known))
        return;
    cairn_lua_string(L, index, "link_prefix", &out->link_prefix);
    int type = cairn_lua_field(L, index, "progress");
    if (type == LUA_TNIL)
        return;
    if (type != LUA_TFUNCTION)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "options.progress: function expected, got %s",
                                      lua_typename(L, type)));
    watcher->function = lua_gettop(L);
    out->progress = tell;
    out->progress_arg = watcher;
}

static void set_count(lua_State *L, const char *name, uint64_t count) {
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, name);
}

static void push_result(lua_State *L, const struct cairn_import_result *result) {
    lua_createtable(L, 0, 5);
    set_count(L, "raws", result->raws);
    set_count(L, "links", result->links);
    set_count(L, "groups", result->groups);
    set_count(L, "skipped", result->skipped);
    if (result->skipped) {
        lua_pushstring(L, result->first_skipped);
        lua_setfield(L, -2, "first_skipped");
    }
}

/* What an import is given, and what came of it. */
struct importing {
    struct lua_job job;
    struct store_ref *ref; /* retained */
    struct cairn_slice directory;
    struct cairn_import_options options;
    struct cairn_import_result result;
    enum cairn_status status;
    struct cairn_error error;
};

static int importing_gc(lua_State *L) {
    struct importing *importing = luaL_checkudata(L, 1, IMPORT_TYPE);
    cairn_lua_release(importing->ref);
    importing->ref = NULL;
    return 0;
}

static struct importing *new_importing(lua_State *L) {
    struct importing *importing = lua_newuserdatauv(L, sizeof *importing, 0);
    memset(importing, 0, sizeof *importing);
    if (luaL_newmetatable(L, IMPORT_TYPE)) {
        lua_pushcfunction(L, importing_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return importing;
}

static void run_import(struct lua_job *job) {
    struct importing *importing = (struct importing *)job;
    importing->status = cairn_import_hyperbeam(
        importing->directory, importing->ref->store, NULL, &importing->options,
        &importing->result, &importing->error);
}

static int push_imported(lua_State *L, int status, lua_KContext context) {
    struct importing *importing = (struct importing *)context;
    const struct watcher *watcher = importing->options.progress_arg;
    (void)status;
    cairn_lua_release(importing->ref);
    importing->ref = NULL;
    if (watcher && watcher->raised)
        return lua_error(L);
    if (importing->status)
        return cairn_lua_fail(L, importing->status, &importing->error);
    push_result(L, &importing->result);
    return 1;
}

/* One that tells how far it is calls Lua from within: no worker is suspended then. */
int cairn_lua_import(lua_State *L) {
    struct cairn_slice directory = cairn_lua_bytes(L, 1, "directory");
    (void)cairn_lua_checkstore(L, 2);
    lua_settop(L, 3);
    struct watcher watcher = {.L = L};
    struct importing *importing = new_importing(L);
    importing->directory = directory;
    check_options(L, 3, &watcher, &importing->options);
    /* The watcher may close the store: not before the import is done with it. */
    importing->ref = cairn_lua_checkstore(L, 2);
    cairn_lua_retain(importing->ref);
    importing->job.run = run_import;
    return lua_job_run(L, &importing->job, !importing->options.progress,
                       (lua_KContext)importing, push_imported);
}
