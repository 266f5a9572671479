/* lua_list.c -- listings as iterators: store:list and store:range. */
#include "lua_page.h"
#include "lua_store.h"

#define LIST_TYPE "cairn.List"

struct list_box {
    struct store_ref *ref;
    struct lua_listing listing;
    bool values;
};

static int list_gc(lua_State *L) {
    struct list_box *box = luaL_checkudata(L, 1, LIST_TYPE);
    lua_listing_free(&box->listing);
    cairn_lua_release(box->ref);
    box->ref = NULL;
    return 0;
}

/* One that is away is closed when it is back; its store stays until it is collected. */
static int list_close(lua_State *L) {
    struct list_box *box = luaL_checkudata(L, 1, LIST_TYPE);
    if (!box->listing.is_away)
        return list_gc(L);
    lua_listing_close(&box->listing);
    return 0;
}

/* Pushes name, value and kind. The value is copied before anything can run (see struct
 * store_box); then a finalizer may move the listing on, and the item is gone. */
static int push_with_value(lua_State *L, const struct cairn_list_item *item) {
    char name[CAIRN_PATH_MAX];
    struct cairn_slice kept = {name, item->name.size};
    enum cairn_kind kind = item->kind;
    if (kept.size > sizeof name)
        return luaL_error(L, "a name longer than any path");
    memcpy(name, item->name.data, kept.size);
    if (kind == CAIRN_GROUP)
        lua_pushboolean(L, false);
    else
        cairn_lua_push(L, item->value);
    cairn_lua_push(L, kept);
    lua_insert(L, -2);
    lua_pushstring(L, cairn_lua_kind(kind));
    return 3;
}

/* What the iterator answers. A failure raises: an end would be taken for all. */
static int answer_next(lua_State *L, struct list_box *box) {
    struct cairn_list_item item;
    struct cairn_error error;
    enum cairn_status status = lua_listing_next(&box->listing, &item, &error);
    if (status == CAIRN_NOT_FOUND) {
        lua_listing_free(&box->listing);
        return 0;
    }
    if (status)
        return luaL_error(L, "%s (%s)", error.message, cairn_status_word(status));
    if (box->values)
        return push_with_value(L, &item);
    enum cairn_kind kind = item.kind;
    cairn_lua_push(L, item.name);
    lua_pushstring(L, cairn_lua_kind(kind));
    return 2;
}

static int list_fetched(lua_State *L, int status, lua_KContext context) {
    struct list_box *box = luaL_checkudata(L, lua_upvalueindex(1), LIST_TYPE);
    (void)status, (void)context;
    return lua_listing_back(&box->listing) ? answer_next(L, box) : 0;
}

/* The iterator; its box is upvalue 1. */
static int list_next(lua_State *L) {
    struct list_box *box = luaL_checkudata(L, lua_upvalueindex(1), LIST_TYPE);
    if (!box->listing.list)
        return 0;
    if (!lua_listing_has(&box->listing) && lua_job_is_away(L, store_is_far(box->ref)))
        return lua_listing_fetch(L, &box->listing, list_fetched);
    return answer_next(L, box);
}

/* -- Opening ---------------------------------------------------------------------- */

struct opening {
    struct lua_job job;
    struct list_box *box; /* on the stack, at `at` */
    int at;
    struct cairn_slice path;
    struct cairn_list_options options;
    enum cairn_status status;
    struct cairn_error error;
};

static void run_open(struct lua_job *job) {
    struct opening *opening = (struct opening *)job;
    opening->status = cairn_list_open(opening->box->ref->store, NULL, opening->path,
                                      &opening->options, &opening->box->listing.list,
                                      &opening->error);
}

/* Answers iterator, nil, nil, and the box, which a generic for closes. */
static int push_open(lua_State *L, int status, lua_KContext context) {
    struct opening *opening = (struct opening *)context;
    (void)status;
    if (opening->status) {
        cairn_lua_release(opening->box->ref);
        opening->box->ref = NULL;
        return cairn_lua_fail(L, opening->status, &opening->error);
    }
    int at = opening->at;
    lua_pushvalue(L, at);
    lua_pushcclosure(L, list_next, 1);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, at);
    return 4;
}

static int open_list(lua_State *L, struct cairn_slice path,
                     const struct cairn_list_options *options) {
    struct opening room, *opening = &room;
    struct list_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (struct list_box){.values = options->values};
    luaL_setmetatable(L, LIST_TYPE);
    int at = lua_gettop(L);
    bool is_away = lua_job_is_away(L, store_is_far(cairn_lua_checkstore(L, 1)));
    if (is_away) {
        opening = lua_newuserdatauv(L, sizeof *opening, 0);
        memset(opening, 0, sizeof *opening);
    }
    opening->job.run = run_open;
    opening->box = box;
    opening->at = at;
    opening->path = path;
    opening->options = *options;
    box->ref = cairn_lua_checkstore(L, 1);
    cairn_lua_retain(box->ref);
    return lua_job_run(L, &opening->job, is_away, (lua_KContext)opening, push_open);
}

int cairn_lua_list(lua_State *L) {
    static const char *const known[] = {"from", "to", NULL};
    struct cairn_list_options options = {0};
    (void)cairn_lua_checkstore(L, 1);
    lua_settop(L, 3);
    if (lua_isnil(L, 2)) {
        lua_pushliteral(L, "");
        lua_replace(L, 2);
    }
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    if (cairn_lua_options(L, 3, known)) {
        cairn_lua_string(L, 3, "from", &options.from);
        cairn_lua_string(L, 3, "to", &options.to);
    }
    return open_list(L, path, &options);
}

int cairn_lua_range(lua_State *L) {
    struct cairn_list_options options = {.values = true};
    (void)cairn_lua_checkstore(L, 1);
    lua_settop(L, 4);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    if (!lua_isnil(L, 3))
        options.from = cairn_lua_bytes(L, 3, "from");
    if (!lua_isnil(L, 4))
        options.to = cairn_lua_bytes(L, 4, "to");
    return open_list(L, path, &options);
}

static const luaL_Reg list_methods[] = {{NULL, NULL}};

static const luaL_Reg list_metamethods[] = {
    {"__close", list_close},
    {"__gc", list_gc},
    {NULL, NULL},
};

void cairn_lua_init_list(lua_State *L) {
    cairn_lua_class(L, LIST_TYPE, list_methods, list_metamethods);
}
