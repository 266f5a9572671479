--- Durable workers: they come back where they were.

local cairn = require "cairn"

local LEDGER = require "spec.support.ledger"
local workplace = require "spec.support.workplace"

local eventually, until_state = workplace.eventually, workplace.until_state

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
