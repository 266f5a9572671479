---@meta cairn.workers
-- Workers: one computation for many callers, state kept in memory. Types for editors, and the
-- reference; the functions are in bindings/lua_workers.c, lua_worker.c, workers.lua and worker.lua.

local cairn = {}

-- -- All workers -------------------------------------------------------------------------

---@class cairn.WorkersOptions
---@field loops? integer threads that run workers; default: the cores of this process
---@field cache? cairn.Cache what handlers find as `context.cache`, and where durable workers are kept
---@field path? string where handlers and what they require are looked for; default: package.path as it is now
---@field cpath? string the same for modules in C
---@field queue? integer requests that may wait for one worker; more are `limit`; default 1,024
---@field most? integer workers at a time; default 1,000,000
---@field timeout? integer ms of idleness that end a worker; 0: none; default 10,000
---@field steps? integer instructions one request may take; default 1,000,000,000
---@field memory? integer bytes by which a request may let the heap grow; default 64 MiB
---@field message? integer bytes of a message a worker is started with or asked; default 16 MiB
---@field slice? number ms a worker has its turn while others of its thread wait; default 1
---@field drain? integer ms that closing waits for requests under way; default 10,000
---@field watch? boolean default true: handlers whose files change are loaded by themselves
---@field control? boolean|string default true: answers `cairn workers` of this user, at a socket in $XDG_RUNTIME_DIR/cairn (or /tmp/cairn-UID), or at the path given. Where the first cannot be made, the log says so; the second fails
---@field log? string a file to which what happens is appended, one JSON object a line: handlers that are loaded or refused, a worker that is "broken" by an error, a request that "failed" and nobody was told of
---@field clock? cairn.Clock what timeouts, sleeping and intervals believe

--- Without options the one set of workers that a process shares: made at the first call, closed
--- with the last Lua state that has it; in a handler, those it belongs to. With options a set of
--- its own.
---@param options? cairn.WorkersOptions
---@return cairn.Workers? workers
---@return string? message
---@return cairn.code? code
function cairn.workers(options) end

--- `cairn.workers():worker(options)`. The shared set has no cache, so nothing in it is durable.
---@param options cairn.WorkerOptions
---@return cairn.Worker? worker
---@return string? message
---@return cairn.code? code
function cairn.worker(options) end

--- Waits: in a worker others have their turns meanwhile, elsewhere the thread sleeps. On the
--- clock of the workers; elsewhere of the system.
---@param ms integer
function cairn.sleep(ms) end

---@class cairn.Workers
local Workers = {}

-- -- Workers that answer requests --------------------------------------------------------

---@class cairn.DurableOptions
---@field every? integer a checkpoint after so many requests; default 100
---@field interval? integer ms after a request at which a checkpoint is made at the latest; default 1,000
---@field log? boolean default true: each request is written down before it is answered and done again after a crash; false: what came after the last checkpoint is lost
---@field sync? boolean default false: what is written down survives a crash of the machine, too
---@field lease? integer ms: only one process at a time may have this worker, on a store that several share; others get `conflict`; renewed while it lives

---@class cairn.WorkerOptions
---@field handler string a module name, or a file: it ends in ".lua". It is code of yours as any: it has all libraries, and `os.exit` ends the process
---@field message? cairn.message what it begins with; default {}
---@field group? string its name; default: of `message` (Workers:group). A group has one worker: if it has, that is given; `conflict` if it is of another handler. Without group and message all are in the group of the empty message
---@field static? boolean default false: after an answer that is a message, that is what it holds, and its group is that of the answer. true: it stays on its group and holds what its handler made of the state
---@field timeout? integer ms of idleness after which it ends; 0: never
---@field error_strategy? "throw"|"ignore" what an error in the handler does: default "throw", it ends; "ignore", it goes on with the state as it is
---@field replace? boolean ends who has the group, after the request under way; those that wait are forwarded
---@field durable? boolean|cairn.DurableOptions kept in the cache: it comes back where it was
---@field queue? integer
---@field steps? integer
---@field memory? integer

--- Starts a worker, or finds the one that its group has.
---@param options cairn.WorkerOptions
---@return cairn.Worker? worker
---@return string|boolean|nil message_or_made true if it was started
---@return cairn.code? code
function Workers:worker(options) end

--- The same, as `hb_persistent` has it: `start_worker(message, { handler = ..., static_worker =
--- true, worker_timeout = 10000, error_strategy = "throw" })`.
---@param message cairn.message
---@param options table cairn.WorkerOptions, or those names
---@return cairn.Worker? worker
---@return string|boolean|nil message_or_made
---@return cairn.code? code
function Workers:start_worker(message, options) end

--- The worker of a group; `not_found`.
---@param group string
---@return cairn.Worker? worker
---@return string? message
---@return cairn.code? code
function Workers:find(group) end

---@class cairn.Worker
---@field group string as it is now
local Worker = {}

---@class cairn.AskOptions
---@field timeout? integer ms; then `timeout`, and the answer goes nowhere

--- Asks and waits for the answer: what `handle` returned; true if that was nothing. What it
--- raised is `unavailable` (the worker went on) or `leader_died` (it ended); what it returned as
--- nil, message, code comes as that. A request that cannot be copied (a function, a userdata)
--- raises here, its key named.
---@param request cairn.message|string|number|boolean
---@param options? cairn.AskOptions
---@return any answer
---@return string? message
---@return cairn.code? code
function Worker:ask(request, options) end

--- Puts a request into its queue. `limit` if that is full.
---@param request cairn.message|string|number|boolean
---@return true? ok
---@return string? message
---@return cairn.code? code
function Worker:send(request) end

--- Ends it after the requests it has, with its `shutdown`; waits for that. `infinite_recursion`,
--- and it goes on, if it waits for who calls.
---@param options? cairn.AskOptions
---@return true? ok
---@return string? message
---@return cairn.code? code
function Worker:stop(options) end

--- Ends it now, without `shutdown`: who waits is told `leader_died`.
---@param why? string
function Worker:kill(why) end

---@class cairn.WorkerInfo
---@field group string
---@field handler string
---@field state "idle"|"ready"|"running"|"waiting"|"ending"|"ended"
---@field thread integer
---@field queue integer requests that wait
---@field requests integer answered
---@field failures integer of them
---@field busy number ms of its turns
---@field memory integer bytes by which the heap has grown in its turns
---@field started integer ms since the epoch

---@return cairn.WorkerInfo
function Worker:info() end

-- -- Handlers ----------------------------------------------------------------------------

--- What a handler is given besides state and request.
---@class cairn.WorkerContext
---@field group string
---@field cache? cairn.Cache
---@field handler string
---@field version string
---@field replaying boolean the request is done again, after a crash
---@field worker cairn.Worker itself: to be asked by others

--- A module that a worker runs: a file that returns such a table. It is loaded again when it
--- changes, if it is sound; else the last version goes on.
---@class cairn.Handler
---@field handle fun(state: any, request: any, context: cairn.WorkerContext): any, any, any answers: the answer, and what becomes the state (nil: it stays the table it is, with what was changed in it); or nil, message, code
---@field init? fun(message: cairn.message, context: cairn.WorkerContext): any makes the state; default: the message
---@field migrate? fun(state: any, from: string): any makes a state of this version of one that version `from` had; before the first request after a reload. nil: as it is
---@field shutdown? fun(state: any, context: cairn.WorkerContext, why: string) before it ends in order; may write to the cache. What it raises is in the log; what is durable is kept all the same

-- -- One computation for many callers ----------------------------------------------------

---@class cairn.GroupOptions
---@field grouper? fun(base: any, request: any): string

--- The name under which callers meet: the grouper's, default: made of the ids of both.
---@param base cairn.message|string
---@param request? cairn.message|string
---@param options? cairn.GroupOptions
---@return string? group
---@return string? message
---@return cairn.code? code
function Workers:group(base, request, options) end

---@class cairn.Leader
---@field group string

---@class cairn.FindOptions: cairn.GroupOptions
---@field group? string instead of one made of base and request
---@field timeout? integer ms, of await
---@field max_waiters? integer of await; beyond: `limit`

--- "leader" and the leader's token: compute, then `unregister_notify(token, request, result)`; a
--- token that is closed or collected without tells the waiters `leader_died`. "wait" and who
--- leads, or the worker that has the group: `await` it. "infinite_recursion" and the group, if
--- this caller leads it already.
---@param base cairn.message|string
---@param request cairn.message|string
---@param options? cairn.FindOptions
---@return "leader"|"wait"|"infinite_recursion"|nil role
---@return cairn.Leader|cairn.Worker|string leader_or_message
---@return cairn.code? code
function Workers:find_or_register(base, request, options) end

--- What the leader's computation gives. Asks, if it is a worker that was found.
---@param leader cairn.Leader|cairn.Worker
---@param base cairn.message|string
---@param request cairn.message|string
---@param options? cairn.FindOptions
---@return any result
---@return string? message
---@return cairn.code? code
function Workers:await(leader, base, request, options) end

--- Tells those who wait, and leads on.
---@param leader cairn.Leader
---@param request cairn.message|string
---@param result any or nil, then:
---@param message? string
---@param code? cairn.code
---@return integer waiters that were told
function Workers:notify(leader, request, result, message, code) end

--- Tells those who wait; the group is free.
---@param leader cairn.Leader
---@param request cairn.message|string
---@param result any or nil, then:
---@param message? string
---@param code? cairn.code
---@return integer waiters that were told
function Workers:unregister_notify(leader, request, result, message, code) end

--- Gives the requests that wait for a worker to another; returns how many.
---@param from cairn.Worker
---@param to cairn.Worker
---@return integer count
function Workers:forward_work(from, to) end

-- -- Seen from outside -------------------------------------------------------------------

--- All that live, or whose group begins with `prefix`.
---@param prefix? string
---@return cairn.WorkerInfo[]
function Workers:list(prefix) end

--- Counters: workers, started, ended by reason (stopped, idle, closed, replaced, broken, killed),
--- posted, answered, failed, full (refused), rings, forwarded, waiting (computations under way).
---@return table<string, integer>
function Workers:stats() end

---@class cairn.HandlerInfo
---@field name string
---@field file string
---@field version string
---@field reloads integer
---@field problem? string why the file as it is now is not used

---@return cairn.HandlerInfo[]
function Workers:handlers() end

--- Looks at the files of handlers now.
---@return true? ok
---@return string? message
---@return cairn.code? code
function Workers:reload() end

---@class cairn.MonitorOptions
---@field every? integer ms; default 1,000
---@field file? string what is seen is appended to it, one JSON object a line

---@class cairn.Monitor
local Monitor = {}
--- What was seen since the last call, the newest last; of more than 1,000 the newest.
---@return { time: integer, groups: { group: string, state: string, queue: integer, requests: integer }[] }[]
function Monitor:read() end

--- Looks at groups and queue lengths from now on: those that begin with `group`, nil: all.
---@param group? string
---@param options? cairn.MonitorOptions
---@return cairn.Monitor
function Workers:start_monitor(group, options) end

--- Ends it and returns what it saw since it was read.
---@param monitor cairn.Monitor
---@return table[]
function Workers:stop_monitor(monitor) end

-- -- Which process leads -----------------------------------------------------------------

---@class cairn.ElectOptions
---@field lease? integer ms; default 10,000
---@field cache? cairn.Cache default: that of the workers

---@class cairn.Lease
---@field name string
---@field token integer grows with each leader: a fence for what the leader writes
local Lease = {}
--- Prolongs it, or begins the next term, with its token, if it had run out; `conflict` if somebody
--- else leads by now.
---@return true? ok
---@return string? message
---@return cairn.code? code
function Lease:renew() end
--- Whether it holds by this process's clock, with a tenth of it to spare.
---@return boolean
function Lease:holds() end
---@return true? ok
---@return string? message
---@return cairn.code? code
function Lease:release() end

--- Becomes the leader of a name among all processes on one store: a conditional put of a lease.
--- `conflict` while another one has it; `unsupported` where the store has no such put.
---@param name string
---@param options? cairn.ElectOptions
---@return cairn.Lease? lease
---@return string? message
---@return cairn.code? code
function Workers:elect(name, options) end

--- Refuses what comes, answers what was accepted, ends all workers with their `shutdown`.
function Workers:close() end

return cairn
