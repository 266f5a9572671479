--- Durable workers: they come back where they were.

local cairn = require "cairn"
local uv = require "luv"

local place = require "spec.support.place"
local workplace = require "spec.support.workplace"

local eventually, until_state = workplace.eventually, workplace.until_state

-- Counts, and remembers in which order it was asked, and what was done again.
local LEDGER = [[
local cairn = require "cairn"

local doing = {}

function doing.add(state, request)
  state.sum = state.sum + request.by
  state.last = request.by
  state.count = state.count + 1
end

function doing.get(state) return state end
function doing.fail(state) state.failed = (state.failed or 0) + 1 error "no luck" end
function doing.spoil(state) state.spoilt = { deep = print } end
function doing.loop(state)
  state.tried = (state.tried or 0) + 1
  while true do end
end
function doing.work(state, request)
  for _ = 1, request.steps do end
  state.count = state.count + 1
end
function doing.wait(state)
  state.waited = true
  local workers = cairn.workers()
  local _, leader = workers:find_or_register("", "", { group = "gate" })
  workers:await(leader, "", "")
end

return {
  init = function(message) return { sum = message.from or 0, count = 0 } end,
  handle = function(state, request, context)
    if context.replaying then state.redone = (state.redone or 0) + 1 end
    return doing[request.op](state, request)
  end,
}
]]

describe("a durable worker", function()
  local here, cache, workers, clock

  before_each(function()
    here = workplace.new()
    here:handler("ledger", LEDGER)
    clock = cairn.clock(1000000)
    cache = assert(cairn.cache { store = "memory:", clock = clock })
    workers = here:open { cache = cache, clock = clock, steps = 2000000, timeout = 0 }
  end)
  after_each(function()
    here:close()
    cache:close()
  end)

  local function ledger(durable, options, set)
    local all = { handler = "ledger", group = "l", durable = durable == nil or durable }
    for name, value in pairs(options or {}) do all[name] = value end
    return assert((set or workers):worker(all))
  end

  -- It ends as by a crash: without `shutdown`, and without a checkpoint.
  local function crash(worker)
    worker:kill "a crash"
    eventually(function() return worker:info().state == "ended" end)
  end

  -- The checkpoint there is.
  local function kept()
    return cairn.from_json(assert(cache.chain:read("~workers/" .. cairn.id "l" .. "/checkpoint")))
  end

  local function state_of(worker)
    return assert(worker:ask { op = "get" })
  end

  it("has lost nothing of what it had answered", function()
    local worker = ledger()
    for i = 1, 37 do assert(worker:ask { op = "add", by = i }) end
    crash(worker)
    worker = ledger()
    local state = state_of(worker)
    assert.same({ sum = 37 * 38 // 2, count = 37, last = 37 },
      { sum = state.sum, count = state.count, last = state.last })
    crash(worker)
    assert.equal(37, state_of(ledger()).count)
  end)

  it("does what came after its last checkpoint again, in its order, and says so", function()
    local worker = ledger { every = 10 }
    for i = 1, 25 do assert(worker:ask { op = "add", by = i }) end
    crash(worker)
    local state = state_of(ledger { every = 10 })
    assert.same({ 25 * 26 // 2, 25, 25, 5 }, { state.sum, state.count, state.last, state.redone })
  end)

  it("without a log has lost no more than its window", function()
    local worker = ledger { every = 10, log = false }
    for i = 1, 25 do assert(worker:ask { op = "add", by = i }) end
    crash(worker)
    local state = state_of(ledger { every = 10, log = false })
    assert.same({ 20 * 21 // 2, 20, 20 }, { state.sum, state.count, state.last })
    assert.is_nil(state.redone)
  end)

  it("makes a checkpoint when its interval is over", function()
    local worker = ledger { every = 1000, interval = 500, log = false }
    for i = 1, 3 do assert(worker:ask { op = "add", by = i }) end
    until_state(worker, "idle")
    local before = worker:info().requests
    clock:advance(500)
    eventually(function() return kept().number == 3 end)
    until_state(worker, "idle")
    assert.equal(before, worker:info().requests)
    crash(worker)
    assert.equal(3, state_of(ledger { log = false }).count)
  end)

  it("makes a checkpoint when it stops, and when all are closed", function()
    local worker = ledger { every = 1000, log = false }
    for _ = 1, 3 do assert(worker:ask { op = "add", by = 1 }) end
    assert.is_true(worker:stop())
    worker = ledger { every = 1000, log = false }
    assert.equal(3, state_of(worker).count)
    assert(worker:ask { op = "add", by = 1 })
    workers:close()
    workers = here:open { cache = cache }
    assert.equal(4, state_of(ledger { log = false }).count)
  end)

  it("leaves nothing of its log behind a checkpoint", function()
    local folder = "~workers/" .. cairn.id "l"
    for _ = 1, 3 do
      local worker = ledger { every = 10 }
      for i = 1, 15 do assert(worker:ask { op = "add", by = i }) end
      crash(worker)
    end
    local worker = ledger { every = 10 }
    state_of(worker)
    assert.is_true(worker:stop())
    local left = {}
    for name in cache.chain:list(folder .. "/log") or function() end do left[#left + 1] = name end
    assert.same({}, left)
    assert.is_nil((cache.chain:read(folder .. "/trying")))
  end)

  it("begins with `init` the first time only", function()
    local worker = ledger(true, { message = { from = 1000 } })
    assert(worker:ask { op = "add", by = 1 })
    crash(worker)
    assert.equal(1001, state_of(ledger(true, { message = { from = 5000 } })).sum)
  end)

  it("gives its state to the handler that there is when it comes back", function()
    local worker = ledger()
    for i = 1, 5 do assert(worker:ask { op = "add", by = i }) end
    assert.is_true(worker:stop())
    here:handler("ledger", (LEDGER:gsub("return {\n  init", [[return {
      migrate = function(state, from)
        return { sum = state.sum * 100, count = state.count, from = #from }
      end,
      init]])))
    workers:reload()
    local state = state_of(ledger())
    assert.same({ 1500, 5, 12 }, { state.sum, state.count, state.from })
  end)

  it("keeps what a request changed before it raised, if it goes on", function()
    local worker = ledger(true, { error_strategy = "ignore" })
    assert.equal("unavailable", select(3, worker:ask { op = "fail" }))
    assert(worker:ask { op = "add", by = 1 })
    assert.equal(1, state_of(worker).failed)
    crash(worker)
    local state = state_of(ledger(true, { error_strategy = "ignore" }))
    assert.same({ 1, 1 }, { state.failed, state.count })
  end)

  it("that a request ended is where it was before it", function()
    local worker = ledger()
    assert(worker:ask { op = "add", by = 1 })
    assert.equal("leader_died", select(3, worker:ask { op = "fail" }))
    eventually(function() return worker:info().state == "ended" end)
    local state = state_of(ledger())
    assert.equal(1, state.count)
    assert.is_nil(state.failed)
  end)

  it("skips a request that ends it when it is done again", function()
    local worker = ledger()
    for i = 1, 3 do assert(worker:ask { op = "add", by = i }) end
    local _, message, code = worker:ask { op = "loop" }
    assert.equal("leader_died", code)
    assert.matches("steps", message, 1, true)
    local state
    for _ = 1, 4 do
      worker = ledger()
      state = worker:ask { op = "get" }
      if state then break end
      eventually(function() return worker:info().state == "ended" end)
    end
    assert.equal(3, state.count)
    assert(worker:ask { op = "add", by = 4 })
    crash(worker)
    assert.equal(4, state_of(ledger()).count)
  end)

  it("has for each request that is done again what it had the first time", function()
    local worker = ledger()
    for _ = 1, 20 do assert(worker:ask { op = "work", steps = 400000 }) end
    crash(worker)
    assert.equal(20, state_of(ledger()).count)
  end)

  it("is told which key of its state is none of a message", function()
    local worker = ledger { every = 1 }
    assert(worker:ask { op = "add", by = 1 })
    local _, message, code = worker:ask { op = "spoil" }
    assert.equal("leader_died", code)
    assert.matches("spoilt.deep", message, 1, true)
    eventually(function() return worker:info().state == "ended" end)
    assert.equal(1, state_of(ledger { every = 1 }).count)
  end)

  it("wants workers that have a cache", function()
    local bare = here:open()
    local ok, message = pcall(ledger, true, {}, bare)
    assert.is_false(ok)
    assert.matches("options.durable: these workers have no cache", message, 1, true)
    assert.is_nil((bare:find "l"))
  end)

  it("that is replaced hands over what it has, when its request is done", function()
    for _, log in ipairs { true, false } do
      local options = { group = "replaced " .. tostring(log) }
      local worker = ledger({ log = log }, options)
      for i = 1, 3 do assert(worker:ask { op = "add", by = i }) end
      local open = workplace.gate(workers, "gate")
      worker:send { op = "wait" }
      until_state(worker, "waiting")
      local second = ledger({ log = log, every = 2 },
        { group = options.group, replace = true, message = { from = 1000 } })
      second:send { op = "add", by = 4 }
      until_state(second, "waiting")
      open()
      for i = 5, 8 do assert(second:ask { op = "add", by = i }) end
      assert.equal("ended", worker:info().state)
      assert.equal(36, state_of(second).sum)
      crash(second)
      assert.equal(36, state_of(ledger({ log = log }, options)).sum)
    end
  end)

  it("is not the same as one of another group", function()
    for i = 1, 3 do
      local worker = ledger(true, { group = "g" .. i })
      for _ = 1, i do assert(worker:ask { op = "add", by = 1 }) end
      crash(worker)
    end
    for i = 1, 3 do assert.equal(i, state_of(ledger(true, { group = "g" .. i })).count) end
  end)

  it("keeps every value of a message", function()
    here:handler("keeps", [[return { handle = function(state, request)
      if request == "look" then return state end
      return true, request
    end }]])
    local value = {
      Upper = 1, bytes = "\0\255", float = 2.0, whole = math.maxinteger, empty = {},
      list = { 1, "two", { three = true } }, truth = false, ["a/b"] = "slash",
    }
    local function keeps()
      return assert(workers:worker { handler = "keeps", group = "k", durable = true })
    end
    assert(keeps():ask(value))
    crash(keeps())
    local back = keeps():ask "look"
    assert.same(value, back)
    assert.equal("float", math.type(back.float))
  end)

  describe("with a lease", function()
    local other

    before_each(function()
      other = here:open { cache = cache, clock = clock, timeout = 0 }
    end)

    it("is one among all sets on its store", function()
      local worker = ledger { lease = 3000 }
      assert(worker:ask { op = "add", by = 1 })
      local second = ledger({ lease = 3000 }, {}, other)
      local none, message, code = second:ask { op = "get" }
      assert.is_nil(none)
      assert.equal("conflict", code)
      assert.matches("led by another", message, 1, true)
      eventually(function() return second:info().state == "ended" end)
      assert.is_true(worker:stop())
      assert.equal(1, state_of(ledger({ lease = 3000 }, {}, other)).count)
      assert.equal("conflict", select(3, ledger({ lease = 3000 }):ask { op = "get" }))
    end)

    it("is free when that has run out", function()
      local worker = ledger { lease = 3000 }
      assert(worker:ask { op = "add", by = 1 })
      crash(worker)
      assert.equal("conflict", select(3, ledger({ lease = 3000 }, {}, other):ask { op = "get" }))
      clock:advance(3000)
      assert.equal(1, state_of(eventually(function()
        local again = ledger({ lease = 3000 }, {}, other)
        return again:info().state ~= "ended" and again
      end)).count)
    end)

    it("has it again at once when it comes back where it ended", function()
      local worker = ledger { lease = 3000 }
      assert(worker:ask { op = "add", by = 1 })
      assert.equal("leader_died", select(3, worker:ask { op = "fail" }))
      eventually(function() return worker:info().state == "ended" end)
      worker = ledger { lease = 3000 }
      assert.equal(1, state_of(worker).count)
      crash(worker)
      assert.equal(1, state_of(ledger { lease = 3000 }).count)
      assert.equal("conflict", select(3, ledger({ lease = 3000 }, {}, other):ask { op = "get" }))
    end)

    it("begins again with it after a handler that could not", function()
      here:handler("late", [[
        local begun = 0
        return {
          init = function() begun = begun + 1 assert(begun > 2, "not yet") return { sum = 0 } end,
          handle = function(state) return state.sum end,
        }]])
      local worker = assert(workers:worker { handler = "late", group = "l",
        error_strategy = "ignore", durable = { lease = 3000 } })
      for _ = 1, 2 do assert.equal("unavailable", select(3, worker:ask {})) end
      assert.equal(0, worker:ask {})
    end)

    it("prolongs it while it lives", function()
      local worker = ledger { lease = 3000 }
      assert(worker:ask { op = "add", by = 1 })
      local term = ("~leaders/%s/%016d"):format(cairn.id("~workers/" .. cairn.id "l"), 1)
      local function ends() return cairn.from_json(assert(cache.chain:read(term))).ends end
      for _ = 1, 10 do
        until_state(worker, "idle", 0)
        local before = ends()
        clock:advance(1000)
        eventually(function() return ends() > before end)
      end
      local second = ledger({ lease = 3000 }, {}, other)
      assert.equal("conflict", select(3, second:ask { op = "get" }))
      assert.equal(1, state_of(worker).count)
    end)

    it("ends when it was idle for its timeout all the same", function()
      local worker = ledger({ lease = 3000 }, { timeout = 5000 })
      assert(worker:ask { op = "add", by = 1 })
      eventually(function()
        if worker:info().state == "idle" then clock:advance(500) end
        return worker:info().state == "ended"
      end)
      assert.equal(1, workers:stats().idle)
      assert.equal(1, state_of(ledger({ lease = 3000 }, {}, other)).count)
    end)

    it("writes nothing more when it slept too long and another one leads", function()
      local open = workplace.gate(workers, "gate")
      local worker = ledger { lease = 3000, every = 1 }
      assert(worker:ask { op = "add", by = 1 })
      worker:send { op = "wait" }
      until_state(worker, "waiting")
      clock:advance(5000)
      local second = ledger({ lease = 3000, every = 1, log = false }, {}, other)
      -- What it was in the midst of is done again, and waits for another gate.
      local gate = workplace.gate(other, "gate")
      second:send { op = "add", by = 5 }
      until_state(second, "waiting")
      gate()
      for _ = 1, 10 do assert(second:ask { op = "add", by = 1 }) end
      assert.equal(13, kept().number)
      open()
      eventually(function() return worker:info().state == "ended" end)
      assert.equal(13, kept().number)
      crash(second)
      clock:advance(5000)
      assert.equal(12, state_of(ledger({ lease = 3000 }, {}, other)).count)
    end)
  end)
end)

-- -- Processes that are killed -----------------------------------------------------------

-- Adds 1, 2, 3, ... and says after each answer which it was.
local WRITER = [[
local cairn = require "cairn"
local url, path, every, log = arg[1], arg[2], math.tointeger(arg[3]), arg[4] == "log"
local cache <close> = assert(cairn.cache { store = url })
local workers <close> = assert(cairn.workers { cache = cache, path = path, control = false,
  loops = 2 })
local function ledger()
  return assert(workers:worker { handler = "ledger", group = "l",
    durable = { every = every, log = log, interval = 100000 } })
end
local state = assert(ledger():ask { op = "get" })
assert(state.sum == state.count * (state.count + 1) // 2, "what it holds does not add up")
print("at", state.count)
io.stdout:flush()
if arg[5] == "look" then os.exit(0, true) end
for i = state.count + 1, math.huge do
  assert(ledger():ask { op = "add", by = i })
  print("did", i)
  io.stdout:flush()
end
]]

describe("a process with a durable worker", function()
  local here

  before_each(function()
    here = workplace.new()
    here:handler("ledger", LEDGER)
    place.put(here.directory .. "/writer.lua", WRITER)
  end)
  after_each(function() here:close() end)

  local function start(...)
    return place.start { place.build .. "/cairn", "run", here.directory .. "/writer.lua", ... }
  end

  local ROUNDS = math.tointeger(os.getenv("CAIRN_KILLS")) or 8

  for _, url in ipairs { "fs", "rocksdb" } do
    for _, log in ipairs { "log", "none" } do
      it(("killed at any moment goes on, on %s, with %s"):format(url, log), function()
        math.randomseed(20261121)
        local every = 20
        local store, path = url .. ":" .. here.directory .. "/store", here.directory .. "/?.lua"
        local last, went = 0, 0
        for _ = 1, ROUNDS do
          local process = start(store, path, tostring(every), log)
          place.until_said(process, "at")
          local at = math.tointeger(process.out:match("at%s+(%d+)"))
          if log == "log" then
            assert.is_true(at >= last and at <= last + 1, ("%d after %d"):format(at, last))
          else
            assert.is_true(at > last - every and at <= last + 1, ("%d after %d"):format(at, last))
          end
          last = at
          place.until_said(process, "did")
          uv.sleep(math.random(0, 60))
          place.signal(process, "sigkill")
          place.wait(process)
          for done in process.out:gmatch("did%s+(%d+)") do last = math.tointeger(done) end
          went = went + last - at
        end
        assert.is_true(went >= ROUNDS)
        local process = place.wait(start(store, path, tostring(every), log, "look"))
        assert.equal("", process.err)
        assert.equal(0, process.code)
      end)
    end
  end

  it("that is killed while it does a request again does it once more", function()
    here:handler("ledger", (LEDGER:gsub("if context.replaying then", [[%0
      print("again", request.by)
      io.stdout:flush()
      cairn.sleep(100)]])))
    local store, path = "fs:" .. here.directory .. "/store", here.directory .. "/?.lua"
    local process = start(store, path, "100", "log")
    place.until_said(process, "did%s+3")
    for again = 1, 3 do
      place.signal(process, "sigkill")
      place.wait(process)
      process = start(store, path, "100", "log")
      place.until_said(process, "again%s+" .. again)
    end
    place.until_said(process, "at%s+%d+")
    assert.is_true(tonumber(process.out:match("at%s+(%d+)")) >= 3)
    place.signal(process, "sigkill")
    place.wait(process)
  end)

  it("shares it with others by a lease", function()
    local store, script = "fs:" .. here.directory .. "/store", here.directory .. "/leads.lua"
    place.put(script, [[
      local cairn = require "cairn"
      local cache <close> = assert(cairn.cache { store = arg[1] })
      local workers <close> = assert(cairn.workers { cache = cache, path = arg[2],
        control = false })
      local late = cairn.now() + 60000
      while true do
        local ledger = assert(workers:worker { handler = "ledger", group = "l",
          durable = { lease = 1000 } })
        local ok, message, code = ledger:ask { op = "add", by = 1 }
        if ok then print("leads", ledger:ask({ op = "get" }).count) break end
        if arg[3] == "once" or cairn.now() > late then print(code) os.exit(0, true) end
        cairn.sleep(20)
      end
      io.stdout:flush()
      while true do cairn.sleep(1000) end
    ]])
    local function lead(...)
      return place.start { place.build .. "/cairn", "run", script, store,
        here.directory .. "/?.lua", ... }
    end
    local first = lead()
    place.until_said(first, "leads%s+1")
    assert.equal("conflict\n", place.wait(lead "once").out)
    local second = lead()
    place.signal(first, "sigkill")
    place.wait(first)
    place.until_said(second, "leads%s+2")
    place.signal(second, "sigkill")
    place.wait(second)
    assert.equal("", second.err)
  end)
end)
