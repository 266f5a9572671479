--- What the Lua rows time: the loop a script would write, nothing around it.

local cairn = require "cairn"

local loops = {}

--- A store for the rows that read it.
---@param url string
---@return cairn.Store
function loops.open(url)
  return assert(cairn.open(url))
end

--- Reads what is at each path.
---@param store cairn.Store
---@param paths string[]
function loops.read(store, paths)
  for i = 1, #paths do
    local value = store:read(paths[i])
    if not value then error("there is no value at " .. paths[i]) end
  end
end

-- -- Messages ----------------------------------------------------------------------------

--- The policies of a directory over the shipped ones.
---@param directory string
---@return cairn.Policies
function loops.policies(directory)
  return assert(cairn.policies { directory = directory })
end

--- The same, but its files are loaded when `reload` is called only.
---@param directory string
---@return cairn.Policies
function loops.policies_unwatched(directory)
  return assert(cairn.policies { directory = directory, watch = false })
end

---@param policies cairn.Policies
---@param name string
---@return string source
function loops.source(policies, name)
  return assert(policies:show(name))
end

---@param policies cairn.Policies
---@param name string
function loops.reload(policies, name)
  assert(policies:reload(name))
end

--- A cache over a store as a user has it.
---@param url string
---@param policies cairn.Policies
---@return cairn.Cache
function loops.cache(url, policies)
  return assert(cairn.cache { store = url, policies = policies })
end

--- Writes each message.
---@param cache cairn.Cache
---@param messages table[]
function loops.write_messages(cache, messages)
  for i = 1, #messages do
    local id, message = cache:write(messages[i])
    if not id then error(message) end
  end
end

--- Reads the message at each id.
---@param cache cairn.Cache
---@param ids string[]
function loops.read_messages(cache, ids)
  for i = 1, #ids do
    local message = cache:read(ids[i])
    if not message then error("there is no message at " .. ids[i]) end
  end
end

-- -- Results -----------------------------------------------------------------------------

--- A cache with a tier in memory before a store, which looks up and keeps everything.
---@param url string
---@param policies cairn.Policies
---@return cairn.Cache
function loops.tiered(url, policies)
  return assert(cairn.cache {
    stores = { { store = "memory:", name = "memory", tier = true }, url },
    policies = policies, cache_control = "always",
  })
end

--- Computes the result of each request and keeps it.
---@param cache cairn.Cache
---@param bases string[]
---@param requests (string|table)[]
---@param answers string[]
function loops.compute(cache, bases, requests, answers)
  for i = 1, #bases do
    local _, info = cache:resolve(bases[i], requests[i], function() return answers[i] end)
    if not info.stored then error("the result was not kept") end
  end
end

local function never()
  error("the result should be in the cache")
end

--- Asks for the result of each request.
---@param cache cairn.Cache
---@param bases string[]
---@param requests (string|table)[]
function loops.resolve(cache, bases, requests)
  for i = 1, #bases do
    local answer, message = cache:resolve(bases[i], requests[i], never)
    if not answer then error(message) end
  end
end

--- Raises unless most of what was found was in the tier.
---@param cache cairn.Cache
function loops.check_hits(cache)
  local members = cache.chain:members()
  local tier, store = members[1].counts.found, members[2].counts.found
  if tier < store then
    error(("the tier answered %d times, the store %d times"):format(tier, store))
  end
end

-- -- Workers -----------------------------------------------------------------------------

--- As a user has them, but that nobody looks at them from outside, and that a queue takes what
--- a row sends.
---@param threads? integer
---@param path string
---@param cache? cairn.Cache
---@return cairn.Workers
function loops.workers(threads, path, cache)
  return assert(cairn.workers {
    loops = threads, path = path, cache = cache, control = false, queue = 1 << 20,
  })
end

---@param workers cairn.Workers
function loops.close(workers)
  workers:close()
end

-- What a handler may take before it is ended: a second or so of looping.
local STEPS = 100000000

--- One that stays until it is stopped.
---@param workers cairn.Workers
---@param handler string
---@param number integer
---@return cairn.Worker
function loops.worker(workers, handler, number)
  return assert(workers:worker {
    handler = handler, group = handler .. number, static = true, timeout = 0, steps = STEPS,
  })
end

--- Asks and waits for each answer.
---@param worker cairn.Worker
---@param count integer
function loops.ask(worker, count)
  for i = 1, count do
    if worker:ask(i) ~= i then error("that is not what it was asked") end
  end
end

--- Sends, and waits until the last one was handled.
---@param worker cairn.Worker
---@param count integer
function loops.send(worker, count)
  for i = 1, count - 1 do
    if not worker:send(i) then error("the queue is full") end
  end
  assert(worker:ask(count))
end

---@return thread
function loops.coroutine()
  return coroutine.create(function()
    while true do coroutine.yield() end
  end)
end

---@param thread thread
---@param count integer
function loops.resume(thread, count)
  local resume = coroutine.resume
  for _ = 1, count do
    if not resume(thread) then error("it is dead") end
  end
end

--- Starts so many. Their timeout is longer than the row takes.
---@param workers cairn.Workers
---@param count integer
---@return cairn.Worker[]
function loops.start(workers, count)
  local list = {}
  for i = 1, count do
    local worker, message = workers:worker {
      handler = "echo", group = "idle" .. i, static = true, timeout = 600000,
    }
    list[i] = worker or error(message)
  end
  return list
end

--- Has each of them answer once.
---@param workers cairn.Workers
---@param list cairn.Worker[]
function loops.wake(workers, list)
  local answered = workers:stats().answered + #list
  for i = 1, #list do
    if not list[i]:send(i) then error("it has ended") end
  end
  while workers:stats().answered < answered do cairn.sleep(10) end
end

return loops
