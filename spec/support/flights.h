/* flights.h -- shared by the parts of the module. */
#ifndef SPEC_FLIGHTS_H
#define SPEC_FLIGHTS_H

#include "cairn/context.h"
#include "cairn/flight.h"
#include "module.h"

int luaopen_flights(lua_State *L);

/* Many threads at once; see flights_threads.c. */
int flights_gather(lua_State *L);
int flights_exchange(lua_State *L);
int flights_leave_or_land(lua_State *L);

#endif
