/* lua_chain.h -- chains as Lua objects, and what the other bindings need of them. */
#ifndef CAIRN_LUA_CHAIN_H
#define CAIRN_LUA_CHAIN_H

#include "lua_context.h"
#include "lua_page.h"
#include "lua_store.h"
#include "policy_host.h"

/* An open chain, what it needs, and how many need it: objects in any Lua state, caches,
 * calls under way on other threads. Closed when the last lets go. Counted atomically;
 * all else stays as it was when it was opened. */
struct chain_ref {
    struct cairn_chain *chain;
    struct chain_ref *whole;      /* what it was narrowed from, retained; or NULL */
    struct policy_host *policies; /* retained; NULL: nobody, or the whole's */
    struct lua_clock *clock;      /* retained by the whole; NULL: the system's */
    struct cairn_context context; /* believes the clock, and nothing else */
    struct store_ref *stores[CAIRN_CHAIN_MAX]; /* retained */
    size_t store_count;
    unsigned scopes; /* of all members */
    atomic_uint users;
};

/* The chain at `index`; raises if it is none or closed. */
struct chain_ref *cairn_lua_checkchain(lua_State *L, int index);
void cairn_lua_retain_chain(struct chain_ref *ref);
void cairn_lua_release_chain(struct chain_ref *ref); /* NULL is fine */
/* Pushes an object for it, in this state; retains. */
void cairn_lua_push_chain(lua_State *L, struct chain_ref *ref);

/* Whether a call may have to do with a member that is not here, and so take its time.
 */
static inline bool chain_is_far(const struct chain_ref *ref,
                                const struct cairn_context *context) {
    unsigned asked = context && context->scopes ? context->scopes : ~0u;
    return ref->scopes & asked & ~(unsigned)CAIRN_SCOPE_LOCAL;
}

/* Pushes a cairn.Chain of the members in the table at `members`: stores are retained,
 * URLs and options opened. `policies` is a cairn.Policies object, false (nobody but the
 * engine's defaults), or nil: the default policies; `clock` a cairn.Clock or nil. The
 * object, or nil, message, code; how many. */
int cairn_lua_open_chain(lua_State *L, int members, int policies, int clock);

int cairn_lua_chain(lua_State *L); /* cairn.chain */
void cairn_lua_init_chain(lua_State *L);

/* -- Between the files that make up the class ------------------------------------- */

#define CHAIN_TYPE "cairn.Chain"

/* User values of a chain object. The clock's object keeps the clock, whatever a
 * finalizer closes while a call collects its arguments. */
enum { CHAIN_CLOCK = 1, CHAIN_NAMES, CHAIN_USER_VALUES = CHAIN_NAMES };

/* `pinned`: see struct store_box. */
struct chain_box {
    struct chain_ref *ref;   /* NULL once closed */
    struct lua_clock *clock; /* as the object in CHAIN_CLOCK keeps it */
    struct cairn_view pinned;
};

static inline struct chain_box *chain_self(lua_State *L) {
    return cairn_lua_self(L, CHAIN_TYPE);
}

/* Raises if it is closed: after the last allocation before the chain is used. */
static inline struct chain_ref *chain_opened(lua_State *L,
                                             const struct chain_box *box) {
    luaL_argcheck(L, box->ref, 1, "the chain is closed");
    return box->ref;
}

/* Keeps a chain open, with a view or a list from it, while Lua may run anything. */
struct chain_hold {
    struct chain_ref *ref;
    struct cairn_view view;
    struct lua_listing listing;
};

/* Pushed, empty. */
struct chain_hold *chain_hold_new(lua_State *L);
void chain_hold_take(struct chain_hold *hold, struct chain_ref *ref);
void chain_hold_drop(struct chain_hold *hold);

/* Pushes a chain object, its ref made and empty. */
struct chain_box *chain_new(lua_State *L);
void chain_take_clock(struct chain_box *box, struct lua_clock *clock);
/* The names of the members become a user value of the object at `index`. */
void chain_keep_names(lua_State *L, int index, const struct chain_ref *ref);
/* What is known of the members once the chain is open. */
void chain_note_scopes(struct chain_ref *ref);

/* lua_chain_members.c */
int chain_members(lua_State *L);
int chain_filter(lua_State *L);
int chain_scope(lua_State *L);
int chain_sort(lua_State *L);
/* The scope that the string at `slot` names; 0: it names none. */
enum cairn_scope chain_scope_named(lua_State *L, int slot);

/* lua_chain_calls.c */
int chain_read(lua_State *L);
int chain_type(lua_State *L);
int chain_resolve(lua_State *L);
int chain_stat(lua_State *L);
int chain_list(lua_State *L);
int chain_write(lua_State *L);
int chain_group(lua_State *L);
int chain_link(lua_State *L);
int chain_delete(lua_State *L);
int chain_reset(lua_State *L);
int chain_sync(lua_State *L);
void chain_init_calls(lua_State *L);

#endif
