/* lua_leader.h -- computations that callers lead: functions that workers.lua calls when
 * it has looked at their arguments. */
#ifndef CAIRN_LUA_LEADER_H
#define CAIRN_LUA_LEADER_H

#include "lua_worker.h"

/* (workers, group): "leader" or "wait" and a cairn.Leader; "wait" and the worker that
 * has the group; "infinite_recursion" and the group; or nil, message, code */
int lua_leader_join(lua_State *L);
/* (workers, leader or worker, request, timeout or nil, most or nil) */
int lua_leader_await(lua_State *L);
/* (workers, leader, result or nil, message, code): how many were told */
int lua_leader_notify(lua_State *L);
int lua_leader_land(lua_State *L);

void lua_leader_init(lua_State *L);

#endif
