/* workers_monitor.h -- groups and queue lengths, looked at every so often. */
#ifndef CAIRN_WORKERS_MONITOR_H
#define CAIRN_WORKERS_MONITOR_H

#include "lua_worker.h"

/* (workers, prefix, every in ms, file or nil): a cairn.Monitor */
int workers_monitor(lua_State *L);
/* (workers, monitor): ends it; what it saw since it was read */
int workers_monitor_stop(lua_State *L);

void workers_monitor_init(lua_State *L);

#endif
