/* lua_store.h -- stores as Lua objects, and what the other bindings need of them. */
#ifndef CAIRN_LUA_STORE_H
#define CAIRN_LUA_STORE_H

#include <stdatomic.h>

#include "lua_wait.h"

/* An open store and how many need it: the store object itself, its listings, writers
 * and transactions, chains in any Lua state, calls under way on other threads. It is
 * closed when the last lets go. Counted atomically. */
struct store_ref {
    struct cairn_store *store;
    atomic_uint users;
};

/* The store object at `index`; raises if it is none or closed. */
struct store_ref *cairn_lua_checkstore(lua_State *L, int index);
void cairn_lua_retain(struct store_ref *ref);
void cairn_lua_release(struct store_ref *ref); /* NULL is fine */

/* Pushes a store object for the store that is to be put into it: made before the store,
 * so that nothing can fail once that is open. */
struct store_ref *cairn_lua_newstore(lua_State *L);

/* One operation parsed from Lua arguments. All it points at is on the stack above
 * `base`, or in the arguments. */
struct lua_operation {
    struct cairn_operation operation;
    struct cairn_slice expected; /* what if_equal points at */
    bool sync;
};

/* Whether a call on it may take its time. */
static inline bool store_is_far(const struct store_ref *ref) {
    return cairn_store_scope(ref->store) != CAIRN_SCOPE_LOCAL;
}

/* Parses the arguments of write, group, link, pack or delete that begin at `first`. */
void cairn_lua_parse(lua_State *L, enum cairn_operation_kind kind, int first,
                     struct lua_operation *out);
/* The same, of write and link also where the options of a call (lua_context.h) are
 * among theirs. */
void cairn_lua_parse_call(lua_State *L, enum cairn_operation_kind kind, int first,
                          struct lua_operation *out);

/* Copies one, which points at parts of itself. */
void cairn_lua_carry(struct lua_operation *to, const struct lua_operation *from);

/* Pushes the table that stat gives, or nil, message, code; how many. */
int cairn_lua_push_stat(lua_State *L, struct cairn_store *store,
                        const struct cairn_entry *entry);

int cairn_lua_batch(lua_State *L);       /* store:batch(fill, options) */
int cairn_lua_transaction(lua_State *L); /* store:transaction(body, options) */
int cairn_lua_list(lua_State *L);        /* store:list(path, options) */
int cairn_lua_range(lua_State *L);       /* store:range(path, from, to) */
int cairn_lua_writer(lua_State *L);      /* store:writer() */

/* Functions of the module. */
int cairn_lua_open(lua_State *L);
int cairn_lua_backends(lua_State *L);
int cairn_lua_import(lua_State *L);
int cairn_lua_normalize(lua_State *L);
int cairn_lua_segments(lua_State *L);
int cairn_lua_encode(lua_State *L);
int cairn_lua_decode(lua_State *L);

/* -- Between the files that make up the class ------------------------------------- */

#define STORE_TYPE "cairn.Store"

/* `pinned` is what a read holds while Lua copies it: if that runs out of memory, the
 * next call or the collector lets go. So a read needs no box of its own.
 *
 * A finalizer may use the same store and so let go of `pinned`, but not too early:
 * lua_pushlstring copies first and only then runs a step of the collector, with the
 * finalizers; and the emergency collection of an allocation that fails runs none. What
 * pushes more than one thing of a view needs a box of its own, see stat_box. */
struct store_box {
    struct store_ref *ref; /* NULL once closed */
    struct cairn_view pinned;
};

static inline struct store_box *store_self(lua_State *L) {
    return cairn_lua_self(L, STORE_TYPE);
}

/* Raises if it is closed: after the last allocation before the store is used. */
static inline struct store_ref *store_opened(lua_State *L,
                                             const struct store_box *box) {
    luaL_argcheck(L, box->ref, 1, "the store is closed");
    return box->ref;
}

/* What a call is given, and what came of it. Only what the call needs is set. */
struct store_call {
    struct lua_job job;
    struct store_ref *ref; /* retained in one that is away */
    bool is_away;
    struct cairn_view *view, own; /* what is read: the object's, or its own */

    struct cairn_slice path;
    struct lua_operation parsed;
    struct cairn_operation *operations;
    size_t count;
    unsigned flags;
    uint64_t offset;
    char *room;
    size_t size;

    enum cairn_status status;
    struct cairn_error error;
    enum cairn_kind kind;
    struct cairn_path resolved;
};

/* The call that is to be filled: `room`, or, in a worker where the store is not here
 * or the call `takes_long`, one that is made while the worker is suspended, pushed.
 * After the last allocation. */
struct store_call *store_begin(lua_State *L, struct store_box *box,
                               struct store_call *room, bool takes_long);
/* Runs it, then `push`, which ends with store_over. */
int store_make(lua_State *L, struct store_call *call, void (*run)(struct lua_job *job),
               lua_KFunction push);
int store_over(struct store_call *call, int results);
/* Ends one that failed: nil, message, code. */
int store_refuse(lua_State *L, struct store_call *call);

/* Both, of `operations`. */
void store_run_apply(struct lua_job *job);
int store_push_true(lua_State *L, int status, lua_KContext context);

int store_delete(lua_State *L);
int store_group(lua_State *L);
int store_link(lua_State *L);
int store_pack(lua_State *L);
int store_read(lua_State *L);
int store_read_at(lua_State *L);
int store_reset(lua_State *L);
int store_resolve(lua_State *L);
int store_stat(lua_State *L);
int store_sync(lua_State *L);
int store_type(lua_State *L);
int store_write(lua_State *L);
void store_init_calls(lua_State *L);

/* Each makes the metatables of its file. */
void cairn_lua_init_store(lua_State *L);
void cairn_lua_init_batch(lua_State *L);
void cairn_lua_init_transaction(lua_State *L);
void cairn_lua_init_list(lua_State *L);
void cairn_lua_init_writer(lua_State *L);

#endif
