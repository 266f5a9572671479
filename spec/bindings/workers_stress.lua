-- What the threads of workers_stress.c do, each in a state of its own: workers_stress_spec.lua.

local role, directory, seed, for_ms = ...

local cairn = require "cairn"

math.randomseed(seed + 20261121)
local late = cairn.now() + for_ms

local GROUPS = 24

-- What a call may be told: anything but a mistake.
local FINE = {
  limit = true, leader_died = true, timeout = true, infinite_recursion = true,
  unavailable = true, not_found = true,
}

local function check(value, message, code)
  if value == nil and not FINE[code] then
    error(("%s: %s"):format(code, message), 2)
  end
  return value
end

-- A worker; nil: there cannot be one now. What a set has not loaded yet may just be broken.
local function start_in(set, options)
  local worker, message, code = set:worker(options)
  if worker or message:find("busy.lua", 1, true) then return worker end
  return check(worker, message, code)
end

-- -- Who saves handlers ------------------------------------------------------------------

local HANDLER = [[
local cairn = require "cairn"
local VERSION = %d
local doing = {}
function doing.add(state, request)
  state.count, state.sum = state.count + 1, state.sum + request.by
  return { id = state.id, count = state.count, sum = state.sum, by = request.by,
    version = VERSION, made = state.made }
end
function doing.relay(_, request)
  local workers = cairn.workers()
  local other, message, code = workers:find(request.group)
  if not other then return nil, message, code end
  return other:ask(request.request, { timeout = 1000 })
end
function doing.share(_, request)
  local workers = cairn.workers()
  local role, leader = workers:find_or_register("", "", { group = request.name })
  if role == "wait" then return workers:await(leader, "", "", { timeout = 1000 }) end
  if role ~= "leader" then return nil, "leads already", role end
  if request.fail then error "fails while it leads" end
  cairn.sleep(1)
  workers:unregister_notify(leader, "", { name = request.name })
  return { name = request.name }
end
function doing.sleep() cairn.sleep(math.random(0, 3)) end
function doing.fail() error "as told" end
function doing.loop() while true do end end
function doing.bloat() local t = {} while true do t[#t + 1] = ("b"):rep(100) .. #t end end
return {
  init = function(message) return { id = message.id, count = 0, sum = 0, made = VERSION } end,
  handle = function(state, request) return doing[request.op](state, request) end,
  migrate = function(state)
    if state.made > VERSION then error "versions only grow" end
    return { id = state.id, count = state.count, sum = state.sum, made = state.made }
  end,
  shutdown = function(state, context)
    if context.cache then
      context.cache:write { group = context.group, sum = state.sum }
    end
  end,
}
]]

local BROKEN = { "return {", "return 1", "error 'broken'", "x.y = 1", "" }

local function save(text)
  local file <close> = assert(io.open(directory .. "/busy.lua.new", "w"))
  assert(file:write(text))
  file:close()
  assert(os.rename(directory .. "/busy.lua.new", directory .. "/busy.lua"))
end

local function save_all()
  local count = 0
  local version = seed < 0 and 0 or cairn.now()
  save(HANDLER:format(version))
  if seed < 0 then return 1 end
  local workers = assert(cairn.workers())
  while cairn.now() < late do
    local now = math.max(version + 1, cairn.now())
    local dice = math.random(10)
    if dice == 1 then
      save(BROKEN[math.random(#BROKEN)])
    else
      version = now
      save(HANDLER:format(version))
      count = count + 1
    end
    if dice > 5 then workers:reload() end
    workers:handlers()
    cairn.sleep(math.random(1, 10))
  end
  save(HANDLER:format(math.max(version + 1, cairn.now())))
  return count + 1
end

-- -- Who calls ---------------------------------------------------------------------------

local workers, seen, answers -- `seen`: by the id of a worker, what it had counted

local function group_at_random()
  return "g" .. math.random(GROUPS)
end

local function start(options)
  local all = {
    handler = "busy", group = group_at_random(), static = true, steps = 200000, queue = 50,
    memory = 1 << 20, timeout = math.random(3) == 1 and 5 or 10000,
    error_strategy = math.random(2) == 1 and "ignore" or "throw",
    message = { id = ("%d/%d"):format(seed, math.random(0)) },
  }
  for name, value in pairs(options or {}) do all[name] = value end
  return start_in(workers, all)
end

local function check_sum(answer, by)
  if answer == nil then return end
  assert(answer.by == by, "the answer to another request")
  assert(answer.count > (seen[answer.id] or 0), "it counts on")
  assert(answer.sum >= by, "it adds up")
  seen[answer.id] = answer.count
  answers = answers + 1
end

local function share(worker, name)
  local answer = check(worker:ask { op = "share", name = name, fail = math.random(4) == 1 })
  assert(answer == nil or answer.name == name, "the result of another computation")
end

local function lead(name)
  local kind, leader = workers:find_or_register("", "", { group = name })
  if kind == "leader" then
    if math.random(3) > 1 then workers:unregister_notify(leader, "", { name = name }) end
  elseif kind == "wait" then
    local result = check(workers:await(leader, "", "", { timeout = 1000, max_waiters = 20 }))
    assert(result == nil or result.name == name, "the result of another computation")
  end
end

local function look()
  for _, info in ipairs(workers:list "g") do assert(info.handler == "busy") end
  local stats = workers:stats()
  assert(stats.answered <= stats.posted, "answers without requests")
  local monitor = workers:start_monitor("g", { every = 1 })
  if math.random(2) == 1 then workers:stop_monitor(monitor) end
end

local actions = {
  ask = function(worker)
    local by = math.random(1000)
    check_sum(check(worker:ask { op = "add", by = by }), by)
  end,
  send = function(worker)
    for _ = 1, math.random(20) do check(worker:send { op = "add", by = 1 }) end
  end,
  hurry = function(worker)
    local by = math.random(1000)
    check_sum(check(worker:ask({ op = "add", by = by }, { timeout = math.random(0, 2) })), by)
  end,
  relay = function(worker)
    local by = math.random(1000)
    local request = { op = "add", by = by }
    for _ = 1, math.random(3) do
      request = { op = "relay", group = group_at_random(), request = request }
    end
    check_sum(check(worker:ask(request)), by)
  end,
  share = function(worker) share(worker, "s" .. math.random(3)) end,
  lead = function() lead("s" .. math.random(3)) end,
  sleep = function(worker) check(worker:send { op = "sleep" }) end,
  fail = function(worker) check(worker:ask { op = "fail" }) end,
  loop = function(worker) check(worker:send { op = "loop" }) end,
  bloat = function(worker) check(worker:send { op = "bloat" }) end,
  stop = function(worker) check(worker:stop { timeout = math.random(0, 100) }) end,
  kill = function(worker) worker:kill "for no reason" end,
  replace = function() start { replace = true } end,
  forward = function(worker)
    local other = start()
    if other and other.group ~= worker.group then workers:forward_work(worker, other) end
  end,
  look = look,
}

-- How often, of a hundred.
local SHARES = {
  ask = 30, send = 12, hurry = 8, relay = 14, share = 8, lead = 6, sleep = 4, fail = 3, loop = 1,
  bloat = 1, stop = 4, kill = 3, replace = 2, forward = 2, look = 2,
}
local deck = {}
for name, share_of in pairs(SHARES) do
  for _ = 1, share_of do deck[#deck + 1] = name end
end
table.sort(deck)

local function call_all()
  workers, seen, answers = assert(cairn.workers()), {}, 0
  while cairn.now() < late do
    local worker = start()
    if worker then actions[deck[math.random(#deck)]](worker) end
  end
  if math.random(3) == 1 then workers:close() end
  return answers
end

-- -- Who opens and closes sets -----------------------------------------------------------

-- All that was accepted is done before a set is closed.
local function open_all()
  local count = 0
  while cairn.now() < late do
    local cache <close> = assert(cairn.cache { store = "memory:" })
    local own = assert(cairn.workers { loops = 2, cache = cache, control = false })
    local sums = {}
    for i = 1, 6 do
      local group = "own" .. i
      local worker = start_in(own, { handler = "busy", group = group, static = true })
      sums[group] = worker and 0
      for _ = 1, worker and math.random(40) or 0 do
        assert(worker:send { op = "add", by = i })
        sums[group] = sums[group] + i
      end
    end
    own:close()
    for group, sum in pairs(sums) do
      assert(cache:read(cairn.id { group = group, sum = sum }), group .. " lost what it was sent")
    end
    count = count + 1
  end
  return count
end

-- -- Who keeps what survives --------------------------------------------------------------

-- One caller of a durable worker: what it was told is done is there, whatever ended it.
local function keep_all()
  local url = "fs:" .. directory .. "/kept"
  local rounds, sum, owed = 0, nil, 0
  while cairn.now() < late do
    local cache <close> = assert(cairn.cache { store = url })
    local own <close> = assert(cairn.workers { loops = 2, cache = cache, control = false,
      drain = 1000 })
    for _ = 1, math.random(60) do
      local worker = start_in(own, { handler = "busy", group = "kept", steps = 200000,
        error_strategy = "ignore", durable = { every = math.random(20), interval = 5 } })
      if not worker then break end
      local by, dice = math.random(1000), math.random(20)
      if dice == 1 then worker:kill() end
      if dice == 2 then check(worker:stop()) end
      if dice == 3 then check(worker:send { op = "loop" }) end
      local answer = check(worker:ask({ op = "add", by = by },
        dice == 4 and { timeout = 1 } or nil))
      if answer then
        assert(not sum or (answer.sum >= sum + by and answer.sum <= sum + owed + by),
          "a durable worker has what it answered")
        sum, owed, rounds = answer.sum, 0, rounds + 1
      else
        owed = owed + by
      end
    end
  end
  return rounds
end

return ({ caller = call_all, saver = save_all, opener = open_all, keeper = keep_all })[role]()
