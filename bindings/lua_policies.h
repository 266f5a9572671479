/* lua_policies.h -- what the files lua_policies*.c share. */
#ifndef CAIRN_LUA_POLICIES_H
#define CAIRN_LUA_POLICIES_H

#include "policy_inner.h"
#include "policy_situation.h"

#define POLICIES_TYPE "cairn.Policies"

/* User value 1: the function `log`, or nil. */
struct policies_box {
    struct policy_host *host;        /* NULL: closed */
    struct policy_settings settings; /* while it is opened */
    uint64_t told;                   /* number of the last event given to `log` */
};

/* An empty box; pushed. */
struct policies_box *cairn_lua_newpolicies(lua_State *L);

/* The open object that a method was called on, after its `log` has been told what
 * happened: anything may have run. */
struct policies_box *policies_self(lua_State *L);

/* Methods. */
int policies_events(lua_State *L);
int policies_list(lua_State *L);
int policies_test(lua_State *L);

/* The policy's name at `index`; raises if it cannot be one. */
const char *policies_checkname(lua_State *L, int index);

/* The name of a file at `index`; raises. */
const char *policies_checkfile(lua_State *L, int index);

/* The question at `index`; raises. */
enum policy_question policies_checkquestion(lua_State *L, int index);

/* A module, a situation that Lua frees; pushed. */
struct policy_module **policies_newmodule(lua_State *L);
struct policy_situation *policies_newsituation(lua_State *L);

/* Compiles, checks and tries a file that is not in use; `name` may be NULL: the file's
 * own. */
enum cairn_status policies_load_file(struct policy_host *host, const char *file,
                                     const char *name, struct policy_module **out,
                                     struct cairn_error *error);

/* Its text, and the name that a policy in it would have. */
enum cairn_status policies_read_file(const char *file, char name[POLICY_NAME_ROOM],
                                     struct cairn_bytes *out,
                                     struct cairn_error *error);

/* Pushes the table `core` of policies.lua and its neighbours. */
void cairn_lua_push_policies_core(lua_State *L);
void cairn_lua_init_policies_core(lua_State *L);

#endif
