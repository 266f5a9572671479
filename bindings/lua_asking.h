/* lua_asking.h -- a request on its way to a worker, and whoever waits for its answer.
 */
#ifndef CAIRN_LUA_ASKING_H
#define CAIRN_LUA_ASKING_H

#include "lua_worker.h"

/* Posts the value at `index` and returns at once: true, or nil, message, code; how many
 * were pushed. */
int lua_send(lua_State *L, struct cairn_worker *worker, int index,
             const struct worker_bounds *bounds);

/* Posts it and waits, in a worker suspended; the answer, or nil, message, code. The
 * last thing a function does. `timeout_ms` < 0: as long as it takes. */
int lua_ask(lua_State *L, struct cairn_worker *worker, int index,
            const struct worker_bounds *bounds, int64_t timeout_ms);

/* Waits for the landing of a flight, the same way. */
int lua_await(lua_State *L, struct cairn_flight *flight, size_t most,
              int64_t timeout_ms);

/* Stops a worker and waits for its end. */
int lua_stop(lua_State *L, struct cairn_worker *worker, int64_t timeout_ms);

/* Waits for what becomes of something, once: whatever tells it may outlive who asked.
 */
struct lua_answer;
void lua_answer_init(lua_State *L); /* makes the metatable of what holds them */

#endif
