-- worker.lua -- what a worker does with a request, in the state of its loop. bindings/
-- worker_state.c runs this file once for each loop; worker_run.c calls `serve` and `stop`, each in
-- a coroutine that may wait.
--
-- `own` is the worker's table, which lives as long as it does:
--   state      what the handler keeps
--   module     the handler, as it was loaded; version, the first characters of its hash
--   context    what the handler is given
--   keeper     of a durable worker, from worker_durable.lua

local id_of, core, durable, cache, pending = ...

local modules = {} -- by name: the newest version that this loop has loaded

-- -- What a handler is given -------------------------------------------------------------

-- Names that are looked up when somebody wants them: they may change.
local looked_up = {
  group = core.group,
  worker = core.worker,
}

local context_class = {
  __index = function(_, name)
    local look = looked_up[name]
    return look and look()
  end,
}

local function new_context(version, name)
  return setmetatable({
    cache = cache, handler = name, version = version, replaying = false,
  }, context_class)
end

-- -- Versions ----------------------------------------------------------------------------

-- The handler's newest version: the table it returned, and the characters that name it; or nil and
-- why. Loaded once for each loop.
local function newest()
  local name, serial = core.handler()
  local known = modules[name]
  if not known or known.serial ~= serial then
    local module, version, loaded = core.load()
    if not module then return nil, version end
    known = { module = module, version = version, serial = loaded }
    modules[name] = known
  end
  return known
end

-- What a worker begins with: where it was kept, else what its handler makes of its message.
-- It has a module once it has begun.
local function begin(own, known)
  local module, settings = known.module, core.durable()
  own.context = new_context(known.version, core.handler())
  own.version = known.version
  if settings then
    own.opened = own.opened or durable.open(core, cache, settings) -- once, however often it begins
    own.opened:restore(own, module)
    own.keeper = own.opened
  else
    local message = core.message()
    if module.init then message = module.init(message, own.context) end
    own.state = message
  end
  own.module = module
  core.begun()
end

-- The state of one version for the next. One that cannot be taken over leaves the version that
-- the worker has.
local function migrate(own, known)
  local before = own.version
  if known.module.migrate then
    local ok, state = pcall(known.module.migrate, own.state, before)
    if not ok then
      core.report("not_migrated", known.version, tostring(state))
      return
    end
    if state ~= nil then own.state = state end
  end
  own.module, own.version, own.context.version = known.module, known.version, known.version
end

local function update(own)
  local known, why = newest()
  if known and not own.module then
    begin(own, known)
  elseif known and known.module ~= own.module then
    migrate(own, known)
  elseif not known and not own.module then
    error(why, 0)
  elseif not known then
    core.report("not_loaded", own.version, why)
  end
  core.updated(known and known.serial)
end

-- -- Requests ----------------------------------------------------------------------------

-- Bytes that a value takes, about: each table once, each string each time.
local function weigh(value, seen)
  local kind = type(value)
  if kind == "string" then return 24 + #value end
  if kind ~= "table" or seen[value] then return 0 end
  seen[value] = true
  local bytes = 56
  for key, each in next, value do bytes = bytes + 40 + weigh(key, seen) + weigh(each, seen) end
  return bytes
end

-- What the heap grew by in its turns is mostly what it threw away. Whether it is too much is
-- known when what it kept is weighed.
local function check_weight(own)
  local limit = core.heavy()
  if not limit then return end
  local bytes = weigh(own.state, {})
  core.weighed(bytes)
  if bytes > limit then
    core.exceed(("its state takes %d bytes, of %d that it may"):format(bytes, limit))
  end
end

-- What cannot be copied is the handler's mistake, which is over by then: no line is to blame.
local function of_answer(ok, ...)
  if ok then return ... end
  local why = tostring((...)):gsub("^value", "what handle returned")
  error(("handler '%s': %s"):format(core.handler(), why), 0)
end

local function take_over(own, answer, state)
  if state ~= nil then own.state = state end
  if not core.static() and type(answer) == "table" then
    local group = assert(of_answer(pcall(id_of, answer)))
    own.state = answer
    core.move(group)
  end
  check_weight(own)
end

-- What the handler returned becomes the answer; state or message and code are the rest of it.
local function conclude(own, answer, second, third)
  local is_refused = answer == nil and type(second) == "string"
  if not is_refused then take_over(own, answer, second) end
  if own.keeper then own.keeper:keep(own) end
  if is_refused then
    core.refuse(second, third)
  else
    of_answer(pcall(core.answer, answer))
  end
end

local function serve(own, is_outdated, request)
  if is_outdated then update(own) end
  local keeper = own.keeper
  if keeper then
    keeper:serve(own, request, conclude)
  else
    conclude(own, own.module.handle(own.state, request, own.context))
  end
  if pending and pending[1] then cache:revalidate() end -- what was answered stale
end

-- A shutdown that raises does not keep its worker from being kept.
local function stop(own, why)
  local module = own.module
  if not module then return end
  local ok, problem = true, nil
  if module.shutdown then ok, problem = pcall(module.shutdown, own.state, own.context, why) end
  if own.keeper then own.keeper:close(own) end
  if not ok then error(problem, 0) end
end

return { serve = serve, stop = stop }
