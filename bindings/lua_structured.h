/* lua_structured.h -- structured fields, signature bases and JSON: functions of the
 * module. */
#ifndef CAIRN_LUA_STRUCTURED_H
#define CAIRN_LUA_STRUCTURED_H

#include "lua_support.h"

int cairn_lua_parse_structured(lua_State *L);     /* (text, kind, lax) */
int cairn_lua_serialize_structured(lua_State *L); /* (parsed, kind, lax) */
int cairn_lua_signature_base(lua_State *L);       /* (message, input) */
int cairn_lua_from_json(lua_State *L);            /* (text) */
int cairn_lua_to_json(lua_State *L);              /* (value, indent) */

#endif
