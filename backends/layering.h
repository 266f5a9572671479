/* layering.h -- included before everything in this folder by the build: see that of
 * engine/. Backends are called by the engine and know neither Lua nor its insides. */
#pragma GCC poison lua_State luaL_Reg lua_newstate
#pragma GCC poison find_entry plan_commit upload_begin
