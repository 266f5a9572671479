/* lua_chain_calls.c -- what a chain does as a store does: reading and changing. */
#include "lua_chain.h"

/* The circumstances of a call, from the options at `index` (or none), whose names have
 * been checked. Pushes one value, which stays during the call; allocates, so before
 * chain_opened. */
static struct lua_call *circumstances_among(lua_State *L, int index,
                                            const struct cairn_context **context) {
    struct chain_box *box = chain_self(L);
    *context = box->ref && box->clock ? &box->ref->context : NULL;
    if (lua_isnoneornil(L, index)) {
        lua_pushnil(L);
        return NULL;
    }
    return cairn_lua_call(L, index, box->clock, context);
}

/* ... which may say nothing else. */
static struct lua_call *circumstances(lua_State *L, int index,
                                      const struct cairn_context **context) {
    static const char *const known[] = {"timeout", "scopes", "explain", NULL};
    cairn_lua_options(L, index, known);
    return circumstances_among(L, index, context);
}

/* Pushes the name of the member that answered; nil for nobody. */
static void push_member(lua_State *L, size_t member) {
    lua_getiuservalue(L, 1, CHAIN_NAMES);
    lua_rawgeti(L, -1, member == CAIRN_NOBODY ? 0 : (lua_Integer)member + 1);
    lua_remove(L, -2);
}

/* Ends a call whose `results` are on the stack. */
static int finish(lua_State *L, struct lua_call *call, int results) {
    cairn_lua_explain(L, call, 3);
    return results;
}

static int refuse(lua_State *L, struct lua_call *call, enum cairn_status status,
                  const struct cairn_error *error) {
    return finish(L, call, cairn_lua_fail(L, status, error));
}

/* -- Reading ---------------------------------------------------------------------- */

int chain_read(lua_State *L) {
    struct chain_box *box = chain_self(L);
    const struct cairn_context *context;
    struct cairn_error error;
    size_t member;
    lua_settop(L, 3);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct lua_call *call = circumstances(L, 3, &context);
    struct chain_ref *ref = chain_opened(L, box);
    cairn_view_release(&box->pinned);
    enum cairn_status status =
        cairn_chain_read(ref->chain, context, path, &box->pinned, &member, &error);
    if (status)
        return refuse(L, call, status, &error);
    cairn_lua_push(L, box->pinned.entry.payload);
    cairn_view_release(&box->pinned);
    push_member(L, member);
    return finish(L, call, 2);
}

int chain_type(lua_State *L) {
    struct chain_box *box = chain_self(L);
    const struct cairn_context *context;
    struct cairn_error error;
    enum cairn_kind kind;
    size_t member;
    lua_settop(L, 3);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct lua_call *call = circumstances(L, 3, &context);
    enum cairn_status status = cairn_chain_type(chain_opened(L, box)->chain, context,
                                                path, &kind, &member, &error);
    if (status)
        return refuse(L, call, status, &error);
    lua_pushstring(L, cairn_lua_kind(kind));
    push_member(L, member);
    return finish(L, call, 2);
}

int chain_resolve(lua_State *L) {
    struct chain_box *box = chain_self(L);
    const struct cairn_context *context;
    struct cairn_error error;
    struct cairn_path resolved;
    size_t member;
    lua_settop(L, 3);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct lua_call *call = circumstances(L, 3, &context);
    enum cairn_status status = cairn_chain_resolve(chain_opened(L, box)->chain, context,
                                                   path, &resolved, &member, &error);
    if (status)
        return refuse(L, call, status, &error);
    cairn_lua_push(L, resolved.text);
    push_member(L, member);
    return finish(L, call, 2);
}

int chain_stat(lua_State *L) {
    struct chain_box *box = chain_self(L);
    const struct cairn_context *context;
    struct cairn_error error;
    size_t member;
    lua_settop(L, 3);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct lua_call *call = circumstances(L, 3, &context);
    struct chain_hold *hold = chain_hold_new(L);
    chain_hold_take(hold, chain_opened(L, box));
    enum cairn_status status =
        cairn_chain_stat(hold->ref->chain, context, path, &hold->view, &member, &error);
    if (status) {
        chain_hold_drop(hold);
        return refuse(L, call, status, &error);
    }
    struct cairn_store *store = cairn_chain_store(hold->ref->chain, member);
    int results = cairn_lua_push_stat(L, store, &hold->view.entry);
    chain_hold_drop(hold);
    if (results > 1)
        return finish(L, call, results);
    push_member(L, member);
    return finish(L, call, 2);
}

/* The iterator; what it holds is upvalue 1, and upvalue 2 keeps the circumstances. A
 * failure raises: an end would be taken for all. */
static int list_next(lua_State *L) {
    struct chain_hold *hold = lua_touserdata(L, lua_upvalueindex(1));
    struct cairn_list_item item;
    struct cairn_error error;
    if (!hold->list)
        return 0;
    enum cairn_status status = cairn_list_next(hold->list, &item, &error);
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

/* Answers iterator, nil, nil, and what it holds, which a generic for closes. */
int chain_list(lua_State *L) {
    static const char *const known[] = {"from",   "to",      "timeout",
                                        "scopes", "explain", NULL};
    struct chain_box *box = chain_self(L);
    struct cairn_list_options options = {.values = false};
    const struct cairn_context *context;
    struct cairn_error error;
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
    struct chain_hold *hold = chain_hold_new(L);
    int at = lua_gettop(L);
    lua_pushvalue(L, at);
    struct lua_call *call = circumstances_among(L, 3, &context);
    lua_pushcclosure(L, list_next, 2);
    struct chain_ref *ref = chain_opened(L, box);
    chain_hold_take(hold, ref);
    enum cairn_status status = cairn_chain_list(ref->chain, context, path, &options,
                                                &hold->list, NULL, &error);
    if (status) {
        chain_hold_drop(hold);
        return refuse(L, call, status, &error);
    }
    cairn_lua_explain(L, call, 3);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, at);
    return 4;
}

/* -- Changing --------------------------------------------------------------------- */

/* The answer to a change whose options are at `options`: true, or nil, message, code.
 */
static int answer(lua_State *L, struct lua_call *call, int options,
                  enum cairn_status status, const struct cairn_error *error) {
    cairn_lua_explain(L, call, options);
    if (status)
        return cairn_lua_fail(L, status, error);
    lua_pushboolean(L, true);
    return 1;
}

/* Applies what was parsed, in the circumstances at `options`. */
static int apply(lua_State *L, int options, struct lua_operation *parsed) {
    struct chain_box *box = chain_self(L);
    const struct cairn_context *context;
    struct cairn_error error;
    struct lua_call *call = circumstances_among(L, options, &context);
    enum cairn_status status =
        cairn_chain_apply(chain_opened(L, box)->chain, context, &parsed->operation, 1,
                          parsed->sync ? CAIRN_STORE_SYNC : 0, NULL, &error);
    return answer(L, call, options, status, &error);
}

int chain_write(lua_State *L) {
    struct lua_operation parsed;
    chain_self(L);
    cairn_lua_parse_call(L, CAIRN_WRITE, 2, &parsed);
    return apply(L, 4, &parsed);
}

int chain_group(lua_State *L) {
    static const char *const known[] = {"timeout", "scopes", "explain", NULL};
    struct lua_operation parsed;
    chain_self(L);
    cairn_lua_parse(L, CAIRN_MAKE_GROUP, 2, &parsed);
    cairn_lua_options(L, 3, known);
    return apply(L, 3, &parsed);
}

int chain_link(lua_State *L) {
    struct lua_operation parsed;
    chain_self(L);
    cairn_lua_parse_call(L, CAIRN_MAKE_LINK, 2, &parsed);
    int results = apply(L, 4, &parsed);
    if (results > 1)
        return results;
    lua_pushboolean(L, parsed.operation.changed);
    return 2;
}

int chain_delete(lua_State *L) {
    static const char *const known[] = {"recursive", "timeout", "scopes", "explain",
                                        NULL};
    struct chain_box *box = chain_self(L);
    const struct cairn_context *context;
    struct cairn_error error;
    bool recursive = false;
    lua_settop(L, 3);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    if (cairn_lua_options(L, 3, known))
        cairn_lua_boolean(L, 3, "recursive", &recursive);
    struct lua_call *call = circumstances_among(L, 3, &context);
    enum cairn_status status = cairn_chain_delete(chain_opened(L, box)->chain, context,
                                                  path, recursive, &error);
    return answer(L, call, 3, status, &error);
}

static const struct cairn_context *plain(const struct chain_ref *ref) {
    return ref->clock ? &ref->context : NULL;
}

int chain_reset(lua_State *L) {
    struct chain_ref *ref = chain_opened(L, chain_self(L));
    struct cairn_error error;
    enum cairn_status status = cairn_chain_reset(ref->chain, plain(ref), &error);
    return answer(L, NULL, 0, status, &error);
}

int chain_sync(lua_State *L) {
    struct chain_ref *ref = chain_opened(L, chain_self(L));
    struct cairn_error error;
    enum cairn_status status = cairn_chain_sync(ref->chain, plain(ref), &error);
    return answer(L, NULL, 0, status, &error);
}
