/* lua_store.h -- stores as Lua objects, and what the other bindings need of them. */
#ifndef CAIRN_LUA_STORE_H
#define CAIRN_LUA_STORE_H

#include "lua_support.h"

/* An open store and how many Lua objects need it: the store object itself, its
 * listings, writers and transactions. It is closed when the last lets go. All in one
 * Lua state, so no lock. */
struct store_ref {
    struct cairn_store *store;
    unsigned users;
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

/* Parses the arguments of write, group, link, pack or delete that begin at `first`. */
void cairn_lua_parse(lua_State *L, enum cairn_operation_kind kind, int first,
                     struct lua_operation *out);
/* The same, of write and link also where the options of a call (lua_context.h) are
 * among theirs. */
void cairn_lua_parse_call(lua_State *L, enum cairn_operation_kind kind, int first,
                          struct lua_operation *out);

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

/* Each makes the metatables of its file. */
void cairn_lua_init_store(lua_State *L);
void cairn_lua_init_batch(lua_State *L);
void cairn_lua_init_list(lua_State *L);
void cairn_lua_init_writer(lua_State *L);

#endif
