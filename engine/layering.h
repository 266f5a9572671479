/* layering.h -- included before everything in this folder by the build.
 *
 * Data flows down: the engine is called by bindings and calls backends through
 * backend.h only. Naming what belongs to either stops the build. */
#pragma GCC poison lua_State luaL_Reg lua_newstate
#pragma GCC poison rocksdb_t rocksdb_open cairn_memory_backend cairn_fs_backend
#pragma GCC poison cairn_rocksdb_backend cairn_backend_find
