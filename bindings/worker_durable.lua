-- worker_durable.lua -- workers that come back where they were.
--
-- A durable worker lies in the cache's stores beneath ~workers/<id of its group>:
--   checkpoint       its state, and the number of the last request that made it so
--   log/<number>     requests since then, each written before it is answered
--   trying           the number of the request that is done again, as long as it is; who does,
--                    and how often somebody has
-- A checkpoint is one entry, so it is there or not; the log it covers is cleared behind it. All
-- are JSON as cairn.to_json writes it.

local cairn, elect, new_name = ...

local EVERY, INTERVAL_MS = 100, 1000
local NUMBER = "%016d"
local FRESH = { fresh = true } -- another process may have written it
local TRIES = 3 -- of a request during which processes ended that did it again

local life = new_name() -- of this Lua state

local keeper_class = {}
keeper_class.__index = keeper_class

local function must(value, message, code)
  if value == nil then error(("%s (%s)"):format(message, code), 0) end
  return value
end

-- Nothing is written by who does not lead any more.
local function check_lease(keeper)
  if keeper.lease and not keeper.lease:holds() then
    local ok, message, code = keeper.lease:renew()
    if not ok then keeper.core.give_up(message, code) end
  end
end

-- nil for what is not there.
local function read(keeper, name)
  local text, message, code = keeper.chain:read(keeper.folder .. "/" .. name, FRESH)
  if text == nil and code == "not_found" then return nil end
  return must(cairn.from_json(must(text, message, code)))
end

local function put(keeper, name, text)
  check_lease(keeper)
  must(keeper.chain:write(keeper.folder .. "/" .. name, text, keeper.write_options))
end

local function write(keeper, name, value)
  put(keeper, name, must(cairn.to_json(value)))
end

local function remove(keeper, name)
  check_lease(keeper)
  local ok, message, code = keeper.chain:delete(keeper.folder .. "/" .. name)
  if not ok and code ~= "not_found" then must(nil, message, code) end
end

local function log_name(number)
  return "log/" .. NUMBER:format(number)
end

-- -- Opening -----------------------------------------------------------------------------

local current = setmetatable({}, { __mode = "v" }) -- by folder: which worker keeps there

-- One that is replaced is at work until its last checkpoint, which its successor begins with.
local function succeed(keeper)
  local before = current[keeper.folder]
  current[keeper.folder] = keeper.worker
  if before then must(before:stop()) end
end

local function open(core, cache, settings)
  if not cache then
    error("a durable worker wants workers with a cache: cairn.workers { cache = ... }", 0)
  end
  local group = core.group()
  local keeper = setmetatable({
    core = core, chain = cache.chain, group = group, folder = "~workers/" .. cairn.id(group),
    every = settings.every or EVERY, interval = settings.interval or INTERVAL_MS,
    logs = settings.log ~= false, worker = core.worker(),
    write_options = { sync = settings.sync == true }, number = 0, covered = 0, tried = 0,
  }, keeper_class)
  succeed(keeper)
  if settings.lease then
    local lease, message, code = elect(keeper.chain, keeper.folder, settings.lease, core.now,
      life)
    if not lease then core.give_up(message, code) end
    keeper.lease = lease
  end
  return keeper
end

-- -- Coming back -------------------------------------------------------------------------

-- Numbers of the requests that came after the checkpoint, in order.
local function logged(keeper)
  local names, message, code = keeper.chain:list(keeper.folder .. "/log")
  if not names then
    if code == "not_found" then return {} end
    must(nil, message, code)
  end
  local numbers = {}
  for name in names do
    local number = math.tointeger(tonumber(name))
    if number then numbers[#numbers + 1] = number end
  end
  table.sort(numbers)
  return numbers
end

local spared = {} -- by folder: the request that a worker was doing again when somebody killed it

-- To be closed: a worker that is killed, not by what it does, did not end of that.
local function mind_kills(keeper, number)
  return setmetatable({}, { __close = function()
    if keeper.worker:info().state == "ending" then spared[keeper.folder] = number end
  end })
end

-- Does a request again, with the bounds of one. One that raises did so the first time, too, and
-- changed what it changed.
local function redo(keeper, own, module, number, times)
  local entry = read(keeper, log_name(number))
  if not entry then return end
  write(keeper, "trying", { number = number, times = times, life = life })
  local _ <close> = mind_kills(keeper, number)
  keeper.core.renew()
  local ok, answer, state = pcall(module.handle, own.state, entry.request, own.context)
  if not ok then
    keeper.core.report("not_redone", own.version, tostring(answer))
  elseif state ~= nil and not (answer == nil and type(state) == "string") then
    own.state = state
  end
end

-- How often the request was begun again by those that did not come to its end, and whether to
-- leave it at that: if it ended a worker in this process, or others with their processes.
local function tries_of(keeper, trying, number)
  if not trying or trying.number ~= number then return 0, false end
  if spared[keeper.folder] == number then
    spared[keeper.folder] = nil
    return trying.times - 1, false
  end
  return trying.times, trying.life == life or trying.times >= TRIES
end

-- Whether the last one was done again: then it is nothing to be left out the next time.
local function replay(keeper, own, module)
  local trying, was_redone = read(keeper, "trying"), false
  own.context.replaying = true
  for _, number in ipairs(logged(keeper)) do
    local times, is_enough = tries_of(keeper, trying, number)
    if number <= keeper.covered then
      remove(keeper, log_name(number)) -- the checkpoint came just before the end
    elseif is_enough then
      keeper.core.report("skipped", own.version,
        ("request %d of '%s' ended the worker when it was done again"):format(number, keeper.group))
    else
      redo(keeper, own, module, number, times + 1)
      was_redone = true
    end
    keeper.number = math.max(keeper.number, number)
  end
  own.context.replaying = false
  keeper.core.renew()
  return was_redone
end

function keeper_class.restore(keeper, own, module)
  local checkpoint = read(keeper, "checkpoint")
  if checkpoint then
    own.state = checkpoint.state
    keeper.number, keeper.covered = checkpoint.number, checkpoint.number
    if module.migrate and checkpoint.version ~= own.version then
      local state = module.migrate(own.state, checkpoint.version)
      if state ~= nil then own.state = state end
    end
  else
    local message = keeper.core.message()
    own.state = module.init and module.init(message, own.context) or message
  end
  local was_redone = replay(keeper, own, module)
  if was_redone then remove(keeper, "trying") end
  local is_kept = checkpoint and keeper.number == keeper.covered or keeper:checkpoint(own)
  -- Not before: what was skipped would be done again.
  if is_kept and not was_redone then remove(keeper, "trying") end
  if keeper.lease then keeper:renew_later() end
end

-- -- Going on ----------------------------------------------------------------------------

--- A state that cannot be written down is made again from the log, where there is one: false, why.
function keeper_class.checkpoint(keeper, own)
  local ok, text, message = pcall(cairn.to_json, {
    group = keeper.group, number = keeper.number, state = own.state, version = own.version,
    handler = own.context.handler, time = keeper.core.now(),
  })
  keeper.tried = keeper.number
  if not ok or not text then
    local why = tostring(ok and message or text)
    if not keeper.logs then error(why, 0) end
    keeper.core.report("not_kept", own.version, why)
    return false, why
  end
  put(keeper, "checkpoint", text)
  local covered = keeper.covered
  keeper.covered = keeper.number
  if keeper.logs then
    for number = covered + 1, keeper.number do remove(keeper, log_name(number)) end
  end
  return true
end

-- One reminder serves both: whichever is due first.
function keeper_class.renew_later(keeper)
  local wait = keeper.interval
  if keeper.lease then wait = math.min(wait, keeper.lease.length // 3) end
  keeper.core.remind(wait)
end

-- Its own request is over before it asks for the next one.
local function be_reminded(keeper, own)
  if keeper.lease then
    local ok, message, code = keeper.lease:renew()
    if not ok then keeper.core.give_up(message, code) end
  end
  if keeper.number > keeper.covered then keeper:checkpoint(own) end
  keeper.core.answer()
  if keeper.lease then keeper:renew_later() end
end

--- Before a request is answered.
function keeper_class.keep(keeper, own)
  check_lease(keeper)
  if keeper.number - math.max(keeper.covered, keeper.tried) >= keeper.every then
    local is_kept, why = keeper:checkpoint(own)
    if not is_kept then error(why, 0) end -- whose request it was that made it due is told
  else
    keeper:renew_later()
  end
end

--- A request; nil: the reminder. One that raises is not done again, unless the worker goes on with
--- what it changed.
function keeper_class.serve(keeper, own, request, conclude)
  if request == nil then
    be_reminded(keeper, own)
    return
  end
  local number = keeper.number + 1
  if keeper.logs then
    local text, message, code = cairn.to_json { request = request }
    if not text then return keeper.core.refuse(message, code) end -- its mistake alone
  end
  check_lease(keeper)
  keeper.number = number
  if keeper.logs then write(keeper, log_name(number), { request = request }) end
  local ok, why = pcall(function()
    conclude(own, own.module.handle(own.state, request, own.context))
  end)
  if not ok then
    if keeper.logs and not keeper.core.ignores() then remove(keeper, log_name(number)) end
    error(why, 0)
  end
end

function keeper_class.close(keeper, own)
  local ok, why = true, nil
  if keeper.number > keeper.covered then ok, why = pcall(keeper.checkpoint, keeper, own) end
  if keeper.lease then keeper.lease:release() end
  if not ok then error(why, 0) end
end

return { open = open }
