-- workers.lua -- the part of `cairn.workers` that is Lua: options, names, what is asked of whom.
-- Compiled into the module; `class` is the metatable of cairn.Workers, `core` is in lua_workers.c.

local cairn, class, core, elect = ...

local methods = class.__index
class.__methods = methods

local DEFAULTS = {
  loops = 0, queue = 1024, most = 1000000, timeout = 10000, steps = 1000000000,
  memory = 64 << 20, message = 16 << 20, slice = 1, drain = 10000, watch = true, control = true,
}
local LOOPS_MAX = 64
local GROUP_BYTES = 1024
local LEASE_MOST = 2147483647 -- ms: its end stays a number

-- -- Checking ----------------------------------------------------------------------------

-- Mistakes are raised where the caller of `name` is: level 3 of whoever calls this.
local function refuse(argument, name, what, ...)
  error(("bad argument #%d to '%s' (" .. what .. ")"):format(argument, name, ...), 0)
end

local kinds = {}

function kinds.integer(value, least, most)
  local highest = most or math.maxinteger
  if math.type(value) == "integer" and value >= least and value <= highest then return true end
  return false, most and ("an integer from %d to %d"):format(least, most)
    or ("an integer of at least %d"):format(least)
end

function kinds.number(value, least)
  if type(value) == "number" and value >= least and value < math.huge then return true end
  return false, ("a number of at least %g"):format(least)
end

function kinds.boolean(value) return type(value) == "boolean", "a boolean" end
function kinds.string(value) return type(value) == "string", "a string" end

-- An object of that class: C looks at it again.
function kinds.object(value, name)
  local its = type(value) == "userdata" and getmetatable(value)
  return its and its.__name == name, "a " .. name
end

function kinds.callable(value) return type(value) == "function", "a function" end
function kinds.message(value) return type(value) == "table", "a message" end

function kinds.control(value)
  return type(value) == "boolean" or type(value) == "string", "a boolean or a path"
end

function kinds.strategy(value)
  return value == "throw" or value == "ignore", "'throw' or 'ignore'"
end

function kinds.durable(value)
  return type(value) == "boolean" or type(value) == "table", "a boolean or a table"
end

function kinds.group(value)
  if type(value) == "string" and #value > 0 and #value <= GROUP_BYTES then return true end
  return false, ("a string of 1 to %d bytes"):format(GROUP_BYTES)
end

-- `known` says of each option its kind and bounds.
local function check_options(options, known, argument, name, prefix)
  prefix = prefix or "options"
  if type(options) ~= "table" then
    refuse(argument, name, "%s: table expected, got %s", prefix, type(options))
  end
  for key, value in next, options do
    local kind = known[key]
    if not kind then
      refuse(argument, name, "%s: there is no option '%s'", prefix, tostring(key))
    end
    local fits, wanted = kinds[kind[1]](value, kind[2], kind[3])
    if not fits then
      local given = type(value)
      if given == "number" or given == "string" then given = tostring(value) end
      refuse(argument, name, "%s.%s: %s expected, got %s", prefix, key, wanted, given)
    end
  end
end

-- What cannot have an id is called as the caller calls it.
local function id_of(value, name)
  local ok, id, message, code = pcall(cairn.id, value)
  if not ok then error((id:gsub("^value", name)), 0) end
  return id, message, code
end

-- Of a call that was tail-called to get here: so level 2 is its caller.
local function conclude(name, selves, ok, ...)
  if ok then return ... end
  local message = ...
  if type(message) == "string" then
    message = message:gsub("^cairn/workers%.lua:%d+: ", "")
    message = message:gsub("^bad argument #(%d+) to '[^']*'", function(number)
      return ("bad argument #%d to '%s'"):format(number - selves, name)
    end)
  end
  error(message, 2)
end

-- What was raised by ours is raised again as the caller's mistake.
local function blaming(name, method)
  return function(...) return conclude(name, 0, pcall(method, ...)) end
end

-- The same of a function of C, which counts the object among the arguments.
local function blaming_core(name, method)
  return function(...) return conclude(name, 1, pcall(method, ...)) end
end

-- -- Sets of workers ---------------------------------------------------------------------

local WORKERS_OPTIONS = {
  loops = { "integer", 1, LOOPS_MAX }, cache = { "object", "cairn.Cache" }, path = { "string" },
  cpath = { "string" }, queue = { "integer", 1 }, most = { "integer", 1 },
  timeout = { "integer", 0 }, steps = { "integer", 1 }, memory = { "integer", 4096 },
  message = { "integer", 1024 }, slice = { "number", 0 }, drain = { "integer", 0 },
  watch = { "boolean" }, control = { "control" }, log = { "string" },
  clock = { "object", "cairn.Clock" },
}

local function settings_of(options)
  local settings = { path = package.path, cpath = package.cpath }
  for name, value in next, DEFAULTS do settings[name] = value end
  for name, value in next, options do settings[name] = value end
  settings.slice_ns = math.floor(settings.slice * 1000000)
  return settings
end

local shared -- this state's hold on the workers of the process

cairn.workers = blaming("workers", function(options)
  if options ~= nil then
    check_options(options, WORKERS_OPTIONS, 1, "workers")
    return core.open(settings_of(options))
  end
  if not shared then
    local message, code
    shared, message, code = core.shared(settings_of {})
    if not shared then return nil, message, code end
  end
  return shared
end)

function methods.close(workers)
  if workers == shared then shared = nil end
  core.close(workers)
end

-- -- Workers -----------------------------------------------------------------------------

local WORKER_OPTIONS = {
  handler = { "string" }, message = { "message" }, group = { "group" }, static = { "boolean" },
  timeout = { "integer", 0 }, error_strategy = { "strategy" }, replace = { "boolean" },
  durable = { "durable" }, queue = { "integer", 1 }, steps = { "integer", 1 },
  memory = { "integer", 4096 },
}
local DURABLE_OPTIONS = {
  every = { "integer", 1 }, interval = { "integer", 1 }, log = { "boolean" },
  sync = { "boolean" }, lease = { "integer", 10, LEASE_MOST },
}

-- What is durable is found again by its group, so it stays on it.
local function check_durable(workers, options)
  local durable = options.durable
  if type(durable) == "table" then
    check_options(durable, DURABLE_OPTIONS, 1, "worker", "options.durable")
  end
  if durable and options.static == false then
    refuse(1, "worker", "options.static: what is durable stays on its group")
  end
  if durable and not core.cache(workers) then
    refuse(1, "worker", "options.durable: these workers have no cache to keep it in")
  end
end

-- One that has its last turn is waited for: what it keeps is there for the next.
local function start_afresh(workers, spec)
  while true do
    local worker, made, ends = core.start(workers, spec)
    if not worker then return nil, made, ends end
    if not ends or not worker:stop() then return worker, made end
  end
end

local function start(workers, options)
  check_options(options, WORKER_OPTIONS, 1, "worker")
  if not options.handler then refuse(1, "worker", "options.handler: a string expected, got nil") end
  if options.group and options.durable == nil then return start_afresh(workers, options) end
  local spec = {}
  for name, value in next, options do spec[name] = value end
  if options.durable ~= nil then
    check_durable(workers, options)
    spec.durable = options.durable == true and {} or options.durable or nil
    if spec.durable then spec.static = true end
  end
  if not spec.group then
    local message, code
    spec.group, message, code = id_of(spec.message or {}, "message")
    if not spec.group then return nil, message, code end
  end
  return start_afresh(workers, spec)
end

methods.worker = blaming("worker", start)

cairn.worker = blaming("worker", function(options)
  local workers, message, code = cairn.workers()
  if not workers then return nil, message, code end
  return start(workers, options)
end)

local SEED_NAMES = { static_worker = "static", worker_timeout = "timeout" }

methods.start_worker = blaming("start_worker", function(workers, message, options)
  if type(message) ~= "table" then
    refuse(1, "start_worker", "message: a message expected, got %s", type(message))
  end
  if type(options) ~= "table" then
    refuse(2, "start_worker", "options: table expected, got %s", type(options))
  end
  local own = { message = message }
  for name, value in next, options do own[SEED_NAMES[name] or name] = value end
  return start(workers, own)
end)

methods.find = blaming_core("find", core.find)
methods.forward_work = blaming_core("forward_work", core.forward)
methods.list = blaming_core("list", core.list)
methods.stats = blaming_core("stats", core.stats)
methods.handlers = blaming_core("handlers", core.handlers)
methods.reload = blaming_core("reload", core.reload)

-- -- One computation for many callers ----------------------------------------------------

local FIND_OPTIONS = {
  grouper = { "callable" }, group = { "group" }, timeout = { "integer", 0 },
  max_waiters = { "integer", 1 },
}

local function grouped(base, request, grouper)
  local group = grouper(base, request)
  local fits, wanted = kinds.group(group)
  if not fits then error(("grouper: %s expected, got %s"):format(wanted, type(group)), 0) end
  return group
end

local function group_of(base, request, options)
  if options and options.group then return options.group end
  if options and options.grouper then return grouped(base, request, options.grouper) end
  local first, message, code = id_of(base, "base")
  if not first or request == nil then return first, message, code end
  local second
  second, message, code = id_of(request, "request")
  if not second then return nil, message, code end
  return first .. "/" .. second
end

methods.group = blaming("group", function(_, base, request, options)
  if options ~= nil then check_options(options, FIND_OPTIONS, 3, "group") end
  return group_of(base, request, options)
end)

methods.find_or_register = blaming("find_or_register", function(workers, base, request, options)
  if options ~= nil then check_options(options, FIND_OPTIONS, 3, "find_or_register") end
  local group, message, code = group_of(base, request, options)
  if not group then return nil, message, code end
  return core.join(workers, group)
end)

methods.await = blaming("await", function(workers, leader, _, request, options)
  if options ~= nil then check_options(options, FIND_OPTIONS, 4, "await") end
  options = options or {}
  return core.await(workers, leader, request, options.timeout, options.max_waiters)
end)

methods.notify = blaming("notify", function(workers, leader, _, result, message, code)
  return core.notify(workers, leader, result, message, code)
end)

methods.unregister_notify = blaming("unregister_notify",
  function(workers, leader, _, result, message, code)
    return core.land(workers, leader, result, message, code)
  end)

-- -- Monitors ----------------------------------------------------------------------------

local MONITOR_OPTIONS = { every = { "integer", 1, 2147483647 }, file = { "string" } }
local MONITOR_MS = 1000

methods.start_monitor = blaming("start_monitor", function(workers, group, options)
  if group ~= nil and type(group) ~= "string" then
    refuse(1, "start_monitor", "group: string expected, got %s", type(group))
  end
  if options ~= nil then check_options(options, MONITOR_OPTIONS, 2, "start_monitor") end
  options = options or {}
  return core.monitor(workers, group or "", options.every or MONITOR_MS, options.file)
end)

methods.stop_monitor = blaming_core("stop_monitor", core.monitor_stop)

-- -- Which process leads -----------------------------------------------------------------

local ELECT_OPTIONS = {
  lease = { "integer", 10, LEASE_MOST }, cache = { "object", "cairn.Cache" },
}

methods.elect = blaming("elect", function(workers, name, options)
  if not kinds.group(name) then
    refuse(1, "elect", "name: a string of 1 to %d bytes expected", GROUP_BYTES)
  end
  if options ~= nil then check_options(options, ELECT_OPTIONS, 2, "elect") end
  options = options or {}
  local cache = options.cache or core.cache(workers)
  if not cache then
    refuse(2, "elect", "options.cache: these workers have none, so a cache must be given")
  end
  return elect(cache.chain, name, options.lease, function() return core.now(workers) end)
end)
