/* lua_import.c -- `cairn.import`: stores that HyperBEAM wrote, read into one of ours.
 */
#include "cairn/import.h"

#include "lua_store.h"

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

int cairn_lua_import(lua_State *L) {
    struct cairn_slice directory = cairn_lua_bytes(L, 1, "directory");
    (void)cairn_lua_checkstore(L, 2);
    struct watcher watcher = {.L = L};
    struct cairn_import_options options = {0};
    check_options(L, 3, &watcher, &options);
    struct store_ref *ref = cairn_lua_checkstore(L, 2);

    /* The watcher may close the store: not before the import is done with it. Nothing
     * raises in between. */
    struct cairn_import_result result;
    struct cairn_error error;
    cairn_lua_retain(ref);
    enum cairn_status status =
        cairn_import_hyperbeam(directory, ref->store, NULL, &options, &result, &error);
    cairn_lua_release(ref);
    if (watcher.raised)
        return lua_error(L);
    if (status)
        return cairn_lua_fail(L, status, &error);
    push_result(L, &result);
    return 1;
}
