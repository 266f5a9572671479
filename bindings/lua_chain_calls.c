/* lua_chain_calls.c -- what a chain does as a store does: reading and changing.
 *
 * Each call is made of three steps: what it is given is collected, `run_...` makes it
 * without Lua, `push_...` says what came of it. In a worker a call that may take long
 * is run away from the loop, while the worker is suspended. */
#include "lua_chain.h"

/* The circumstances of a call, from the options at `index` (or none), whose names have
 * been checked. Pushes one value, which stays during the call; allocates, so before
 * chain_opened. */
static struct lua_call *circumstances_among(lua_State *L, const struct chain_box *box,
                                            int index,
                                            const struct cairn_context **context) {
    *context = box->ref && box->clock ? &box->ref->context : NULL;
    if (lua_isnoneornil(L, index)) {
        lua_pushnil(L);
        return NULL;
    }
    return cairn_lua_call(L, index, box->clock, context);
}

/* ... which may say nothing else. */
static struct lua_call *circumstances(lua_State *L, const struct chain_box *box,
                                      int index, const struct cairn_context **context) {
    static const char *const known[] = {"timeout", "scopes", "explain", "fresh", NULL};
    cairn_lua_options(L, index, known);
    return circumstances_among(L, box, index, context);
}

/* Pushes the name of the member that answered; nil for nobody. */
static void push_member(lua_State *L, size_t member) {
    lua_getiuservalue(L, 1, CHAIN_NAMES);
    lua_rawgeti(L, -1, member == CAIRN_NOBODY ? 0 : (lua_Integer)member + 1);
    lua_remove(L, -2);
}

/* -- Calls ------------------------------------------------------------------------ */

#define CALL_TYPE "cairn.chain.call"

/* What a call is given, and what came of it. Only what the call needs is set. */
struct chain_call {
    struct lua_job job;
    struct chain_ref *ref; /* retained in one that is away */
    bool is_away;
    const struct cairn_context *context;
    struct lua_call *told;        /* the circumstances on the stack, and */
    int options;                  /* where their options are */
    struct cairn_view *view, own; /* what is read: the object's, or its own */

    struct cairn_slice path;
    struct lua_operation parsed;
    struct cairn_list_options listed;
    struct chain_hold *hold; /* on the stack, at `at` */
    int at;
    bool recursive;

    enum cairn_status status;
    struct cairn_error error;
    enum cairn_kind kind;
    size_t member;
    struct cairn_path resolved;
};

static void let_go(struct chain_call *call) {
    cairn_view_release(&call->own);
    cairn_lua_release_chain(call->ref);
    call->ref = NULL;
}

static int call_gc(lua_State *L) {
    let_go(luaL_checkudata(L, 1, CALL_TYPE));
    return 0;
}

/* Pushes one that is to be made away. */
static struct chain_call *new_call(lua_State *L, const struct chain_box *box) {
    struct chain_call *call = lua_newuserdatauv(L, sizeof *call, 0);
    memset(&call->job, 0, sizeof call->job);
    memset(&call->own, 0, sizeof call->own);
    call->ref = NULL;
    call->is_away = true;
    call->view = &call->own;
    luaL_setmetatable(L, CALL_TYPE);
    call->ref = chain_opened(L, box);
    cairn_lua_retain_chain(call->ref);
    return call;
}

/* The call that is to be filled: `room`, or, in a worker where members are not here or
 * the call `takes_long`, one that is made while the worker is suspended, pushed. After
 * the circumstances, and the last allocation. */
static struct chain_call *begin(lua_State *L, struct chain_box *box,
                                struct chain_call *room,
                                const struct cairn_context *context, bool takes_long) {
    struct chain_ref *ref = chain_opened(L, box);
    struct chain_call *call = room;
    if (lua_job_is_away(L, takes_long || chain_is_far(ref, context))) {
        call = new_call(L, box);
    } else {
        cairn_view_release(&box->pinned);
        room->ref = ref;
        room->is_away = false;
        room->view = &box->pinned;
    }
    call->context = context;
    return call;
}

static int make(lua_State *L, struct chain_call *call, void (*run)(struct lua_job *job),
                lua_KFunction push) {
    call->job.run = run;
    return lua_job_run(L, &call->job, call->is_away, (lua_KContext)call, push);
}

static struct chain_call *call_of(struct lua_job *job) {
    return (struct chain_call *)job;
}

/* Ends a call whose `results` are on the stack. */
static int finish(lua_State *L, struct chain_call *call, int results) {
    cairn_lua_explain(L, call->told, call->options);
    if (call->is_away)
        let_go(call);
    return results;
}

static int refuse(lua_State *L, struct chain_call *call) {
    return finish(L, call, cairn_lua_fail(L, call->status, &call->error));
}

/* A call with a path and the options of one that reads. */
static struct chain_call *begin_with_path(lua_State *L, struct chain_call *room) {
    const struct cairn_context *context;
    struct chain_box *box = chain_self(L);
    lua_settop(L, 3);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct lua_call *told = circumstances(L, box, 3, &context);
    struct chain_call *call = begin(L, box, room, context, false);
    call->told = told;
    call->options = 3;
    call->path = path;
    return call;
}

/* -- Reading ---------------------------------------------------------------------- */

static void run_read(struct lua_job *job) {
    struct chain_call *call = call_of(job);
    call->status = cairn_chain_read(call->ref->chain, call->context, call->path,
                                    call->view, &call->member, &call->error);
}

static int push_read(lua_State *L, int status, lua_KContext context) {
    struct chain_call *call = (struct chain_call *)context;
    (void)status;
    if (call->status)
        return refuse(L, call);
    cairn_lua_push(L, call->view->entry.payload);
    cairn_view_release(call->view);
    push_member(L, call->member);
    return finish(L, call, 2);
}

int chain_read(lua_State *L) {
    struct chain_call room;
    return make(L, begin_with_path(L, &room), run_read, push_read);
}

static void run_type(struct lua_job *job) {
    struct chain_call *call = call_of(job);
    call->status = cairn_chain_type(call->ref->chain, call->context, call->path,
                                    &call->kind, &call->member, &call->error);
}

static int push_kind(lua_State *L, int status, lua_KContext context) {
    struct chain_call *call = (struct chain_call *)context;
    (void)status;
    if (call->status)
        return refuse(L, call);
    lua_pushstring(L, cairn_lua_kind(call->kind));
    push_member(L, call->member);
    return finish(L, call, 2);
}

int chain_type(lua_State *L) {
    struct chain_call room;
    return make(L, begin_with_path(L, &room), run_type, push_kind);
}

static void run_resolve(struct lua_job *job) {
    struct chain_call *call = call_of(job);
    call->status = cairn_chain_resolve(call->ref->chain, call->context, call->path,
                                       &call->resolved, &call->member, &call->error);
}

static int push_resolved(lua_State *L, int status, lua_KContext context) {
    struct chain_call *call = (struct chain_call *)context;
    (void)status;
    if (call->status)
        return refuse(L, call);
    cairn_lua_push(L, call->resolved.text);
    push_member(L, call->member);
    return finish(L, call, 2);
}

int chain_resolve(lua_State *L) {
    struct chain_call room;
    return make(L, begin_with_path(L, &room), run_resolve, push_resolved);
}

static void run_stat(struct lua_job *job) {
    struct chain_call *call = call_of(job);
    call->status = cairn_chain_stat(call->ref->chain, call->context, call->path,
                                    &call->hold->view, &call->member, &call->error);
}

static int push_stat(lua_State *L, int status, lua_KContext context) {
    struct chain_call *call = (struct chain_call *)context;
    struct chain_hold *hold = call->hold;
    (void)status;
    if (call->status) {
        chain_hold_drop(hold);
        return refuse(L, call);
    }
    struct cairn_store *store = cairn_chain_store(hold->ref->chain, call->member);
    int results = cairn_lua_push_stat(L, store, &hold->view.entry);
    chain_hold_drop(hold);
    if (results > 1)
        return finish(L, call, results);
    push_member(L, call->member);
    return finish(L, call, 2);
}

int chain_stat(lua_State *L) {
    struct chain_call room;
    const struct cairn_context *context;
    struct chain_box *box = chain_self(L);
    lua_settop(L, 3);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct lua_call *told = circumstances(L, box, 3, &context);
    struct chain_hold *hold = chain_hold_new(L);
    struct chain_call *call = begin(L, box, &room, context, false);
    call->told = told;
    call->options = 3;
    call->path = path;
    call->hold = hold;
    chain_hold_take(hold, call->ref);
    return make(L, call, run_stat, push_stat);
}

/* -- Listing ---------------------------------------------------------------------- */

/* What the iterator answers. A failure raises: an end would be taken for all. */
static int answer_next(lua_State *L, struct chain_hold *hold) {
    struct cairn_list_item item;
    struct cairn_error error;
    enum cairn_status status = lua_listing_next(&hold->listing, &item, &error);
    if (status == CAIRN_NOT_FOUND) {
        chain_hold_drop(hold);
        return 0;
    }
    if (status)
        return luaL_error(L, "%s (%s)", error.message, cairn_status_word(status));
    enum cairn_kind kind = item.kind;
    cairn_lua_push(L, item.name);
    lua_pushstring(L, cairn_lua_kind(kind));
    return 2;
}

static int list_fetched(lua_State *L, int status, lua_KContext context) {
    struct chain_hold *hold = lua_touserdata(L, lua_upvalueindex(1));
    (void)status, (void)context;
    return lua_listing_back(&hold->listing) ? answer_next(L, hold) : 0;
}

/* The iterator; what it holds is upvalue 1, and upvalue 2 keeps the circumstances. */
static int list_next(lua_State *L) {
    struct chain_hold *hold = lua_touserdata(L, lua_upvalueindex(1));
    if (!hold->listing.list)
        return 0;
    if (!lua_listing_has(&hold->listing) &&
        lua_job_is_away(L, chain_is_far(hold->ref, NULL)))
        return lua_listing_fetch(L, &hold->listing, list_fetched);
    return answer_next(L, hold);
}

static void run_list(struct lua_job *job) {
    struct chain_call *call = call_of(job);
    call->status =
        cairn_chain_list(call->ref->chain, call->context, call->path, &call->listed,
                         &call->hold->listing.list, NULL, &call->error);
}

/* Answers iterator, nil, nil, and what it holds, which a generic for closes. The
 * iterator lies behind that. */
static int push_list(lua_State *L, int status, lua_KContext context) {
    struct chain_call *call = (struct chain_call *)context;
    int at = call->at;
    (void)status;
    if (call->status) {
        chain_hold_drop(call->hold);
        return refuse(L, call);
    }
    (void)finish(L, call, 0);
    lua_pushvalue(L, at + 1);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, at);
    return 4;
}

static struct cairn_list_options check_list(lua_State *L, int index) {
    static const char *const known[] = {"from",   "to",      "timeout",
                                        "scopes", "explain", NULL};
    struct cairn_list_options options = {.values = false};
    if (cairn_lua_options(L, index, known)) {
        cairn_lua_string(L, index, "from", &options.from);
        cairn_lua_string(L, index, "to", &options.to);
    }
    return options;
}

int chain_list(lua_State *L) {
    struct chain_call room;
    const struct cairn_context *context;
    struct chain_box *box = chain_self(L);
    lua_settop(L, 3);
    if (lua_isnil(L, 2)) {
        lua_pushliteral(L, "");
        lua_replace(L, 2);
    }
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct cairn_list_options options = check_list(L, 3);
    struct chain_hold *hold = chain_hold_new(L);
    int at = lua_gettop(L);
    lua_pushvalue(L, at);
    struct lua_call *told = circumstances_among(L, box, 3, &context);
    lua_pushcclosure(L, list_next, 2);
    struct chain_call *call = begin(L, box, &room, context, false);
    call->told = told;
    call->options = 3;
    call->path = path;
    call->listed = options;
    call->hold = hold;
    call->at = at;
    chain_hold_take(hold, call->ref);
    return make(L, call, run_list, push_list);
}

/* -- Changing --------------------------------------------------------------------- */

/* The answer to a change: true, or nil, message, code. */
static int push_true(lua_State *L, int status, lua_KContext context) {
    struct chain_call *call = (struct chain_call *)context;
    (void)status;
    if (call->status)
        return refuse(L, call);
    lua_pushboolean(L, true);
    return finish(L, call, 1);
}

static int push_changed(lua_State *L, int status, lua_KContext context) {
    struct chain_call *call = (struct chain_call *)context;
    (void)status;
    if (call->status)
        return refuse(L, call);
    lua_pushboolean(L, true);
    lua_pushboolean(L, call->parsed.operation.changed);
    return finish(L, call, 2);
}

static void run_apply(struct lua_job *job) {
    struct chain_call *call = call_of(job);
    call->status =
        cairn_chain_apply(call->ref->chain, call->context, &call->parsed.operation, 1,
                          call->parsed.sync ? CAIRN_STORE_SYNC : 0, NULL, &call->error);
}

/* Applies what was parsed into the room, in the circumstances at `options`. */
static int apply(lua_State *L, struct chain_box *box, int options,
                 struct chain_call *room, lua_KFunction push) {
    const struct cairn_context *context;
    struct lua_call *told = circumstances_among(L, box, options, &context);
    struct chain_call *call = begin(L, box, room, context, room->parsed.sync);
    if (call->is_away)
        cairn_lua_carry(&call->parsed, &room->parsed);
    call->told = told;
    call->options = options;
    return make(L, call, run_apply, push);
}

int chain_write(lua_State *L) {
    struct chain_call room;
    struct chain_box *box = chain_self(L);
    cairn_lua_parse_call(L, CAIRN_WRITE, 2, &room.parsed);
    return apply(L, box, 4, &room, push_true);
}

int chain_group(lua_State *L) {
    static const char *const known[] = {"timeout", "scopes", "explain", NULL};
    struct chain_call room;
    struct chain_box *box = chain_self(L);
    cairn_lua_parse(L, CAIRN_MAKE_GROUP, 2, &room.parsed);
    cairn_lua_options(L, 3, known);
    return apply(L, box, 3, &room, push_true);
}

int chain_link(lua_State *L) {
    struct chain_call room;
    struct chain_box *box = chain_self(L);
    cairn_lua_parse_call(L, CAIRN_MAKE_LINK, 2, &room.parsed);
    return apply(L, box, 4, &room, push_changed);
}

static void run_delete(struct lua_job *job) {
    struct chain_call *call = call_of(job);
    call->status = cairn_chain_delete(call->ref->chain, call->context, call->path,
                                      call->recursive, &call->error);
}

int chain_delete(lua_State *L) {
    static const char *const known[] = {"recursive", "timeout", "scopes", "explain",
                                        NULL};
    struct chain_call room;
    const struct cairn_context *context;
    bool recursive = false;
    struct chain_box *box = chain_self(L);
    lua_settop(L, 3);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    if (cairn_lua_options(L, 3, known))
        cairn_lua_boolean(L, 3, "recursive", &recursive);
    struct lua_call *told = circumstances_among(L, box, 3, &context);
    struct chain_call *call = begin(L, box, &room, context, recursive);
    call->told = told;
    call->options = 3;
    call->path = path;
    call->recursive = recursive;
    return make(L, call, run_delete, push_true);
}

/* A call without circumstances, on all that may be written. */
static int make_whole(lua_State *L, void (*run)(struct lua_job *job)) {
    struct chain_call room;
    struct chain_box *box = chain_self(L);
    struct chain_ref *ref = chain_opened(L, box);
    const struct cairn_context *context = ref->clock ? &ref->context : NULL;
    lua_settop(L, 1);
    struct chain_call *call = begin(L, box, &room, context, true);
    call->told = NULL;
    call->options = 0;
    return make(L, call, run, push_true);
}

static void run_reset(struct lua_job *job) {
    struct chain_call *call = call_of(job);
    call->status = cairn_chain_reset(call->ref->chain, call->context, &call->error);
}

int chain_reset(lua_State *L) {
    return make_whole(L, run_reset);
}

static void run_sync(struct lua_job *job) {
    struct chain_call *call = call_of(job);
    call->status = cairn_chain_sync(call->ref->chain, call->context, &call->error);
}

int chain_sync(lua_State *L) {
    return make_whole(L, run_sync);
}

void chain_init_calls(lua_State *L) {
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", call_gc}, {NULL, NULL}};
    cairn_lua_class(L, CALL_TYPE, none, metamethods);
}
