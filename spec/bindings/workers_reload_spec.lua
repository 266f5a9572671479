--- Handlers whose files change while workers run them.

local cairn = require "cairn"

local place = require "spec.support.place"
local workplace = require "spec.support.workplace"

local eventually, until_state = workplace.eventually, workplace.until_state

-- A version that tells its number and what it has counted.
local function version(number, more)
  return ([[
local counter = { number = %d }
function counter.init(message) return { count = message.count or 0, made_by = %d } end
function counter.handle(state, request, context)
  if request.op == "look" then
    return { number = counter.number, count = state.count, made_by = state.made_by,
      migrations = state.migrations, version = context.version }
  end
  state.count = state.count + 1
  return { number = counter.number, count = state.count }
end
%s
return counter
]]):format(number, number, more or "")
end

local MIGRATES = [[
function counter.migrate(state, from)
  return { count = state.count, made_by = state.made_by, from = from,
    migrations = (state.migrations or 0) + 1 }
end
]]

describe("a handler", function()
  local here, workers

  before_each(function()
    here = workplace.new()
    here:handler("counter", version(1))
    workers = here:open { watch = false, log = here.directory .. "/log", timeout = 0 }
  end)
  after_each(function() here:close() end)

  local function counter(group, options)
    local all = { handler = "counter", group = group or "c", static = true }
    for name, value in pairs(options or {}) do all[name] = value end
    return assert(workers:worker(all))
  end

  local function change(source)
    here:handler("counter", source)
    return workers:reload()
  end

  local function logged(event)
    local found = {}
    for line in place.content(here.directory .. "/log"):gmatch("[^\n]+") do
      local entry = cairn.from_json(line)
      if entry.event == event then found[#found + 1] = entry end
    end
    return found
  end

  local function info()
    for _, handler in ipairs(workers:handlers()) do
      if handler.name == "counter" then return handler end
    end
  end

  it("that fails is in the log, where nobody asked or the worker ended", function()
    here:handler("counter", [[return {
      handle = function(_, request) return request.by + 1 end,
      shutdown = function() error "not today" end,
    }]])
    local patient = counter("patient", { error_strategy = "ignore" })
    patient:send { by = "much" }
    assert.equal("unavailable", select(3, patient:ask { by = "more" }))
    assert.is_true(patient:stop())
    assert.equal("leader_died", select(3, counter("hasty"):ask { by = "much" }))
    local failed = logged "failed"
    assert.equal(2, #failed)
    assert.matches("counter.lua:2: .* %(in 'patient'%)$", failed[1].message)
    assert.matches("counter.lua:3: not today", failed[2].message, 1, true)
    assert.matches("counter.lua:2: .* %(in 'hasty'%)$", logged("broken")[1].message)
  end)

  it("that changes goes on with the state that there is", function()
    local worker = counter()
    for _ = 1, 3 do worker:ask {} end
    local before = info()
    assert.equal(12, #before.version)
    assert.equal(here.directory .. "/counter.lua", before.file)
    assert.is_true(change(version(2)))
    assert.same({ number = 2, count = 4 }, worker:ask {})
    assert.equal(before.reloads + 1, info().reloads)
    assert.is_not.equal(before.version, info().version)
    assert.equal(info().version, worker:ask({ op = "look" }).version)
    assert.is_nil(info().problem)
  end)

  it("is given what its last version had, once, by `migrate`", function()
    local worker = counter()
    worker:ask {}
    local from = info().version
    assert.is_true(change(version(2, MIGRATES:gsub("migrations = ", "last = state.from, %0"))))
    for _ = 1, 3 do worker:ask {} end
    local state = worker:ask { op = "look" }
    assert.same({ 2, 4, 1, 1 }, { state.number, state.count, state.made_by, state.migrations })
    assert.is_true(change(version(3, MIGRATES)))
    assert.equal(2, worker:ask({ op = "look" }).migrations)
    assert.equal(12, #from)
    -- Who began with this version has nothing to migrate.
    assert.is_nil(counter("new"):ask({ op = "look" }).migrations)
  end)

  local broken = {
    { "has a syntax error", "return {" },
    { "raises", "error 'not today'" },
    { "returns no table", "return 1" },
    { "has no `handle`", "return { init = function() end }" },
    { "loops for ever", "while true do end" },
    { "requires what there is not", "local x = require 'nobody.has.this' return { handle = x }" },
    { "has a `migrate` that is no function", "return { handle = print, migrate = 1 }" },
    { "is empty", "" },
    { "is a binary", "\27Lua\0\0" },
  }
  for _, case in ipairs(broken) do
    local what, source = table.unpack(case)
    it("that " .. what .. " is not used, and its last version goes on", function()
      local worker = counter()
      worker:ask {}
      local before = info()
      local ok, message = change(source)
      assert.is_nil(ok)
      assert.is_string(message)
      assert.same({ number = 1, count = 2 }, worker:ask {})
      assert.same({ number = 1, count = 1 }, counter("late"):ask {})
      assert.equal(before.version, info().version)
      assert.matches("counter", info().problem, 1, true)
      assert.is_true(change(version(2)))
      assert.same({ number = 2, count = 3 }, worker:ask {})
      assert.is_nil(info().problem)
    end)
  end

  it("whose file is gone goes on", function()
    local worker = counter()
    worker:ask {}
    assert(os.remove(here.directory .. "/counter.lua"))
    local ok, message = workers:reload()
    assert.is_nil(ok)
    assert.is_string(message)
    assert.same({ number = 1, count = 2 }, worker:ask {})
    assert.same({ number = 1, count = 1 }, counter("late"):ask {})
    assert.is_string(info().problem)
    assert.is_true(change(version(2)))
    assert.same({ number = 2, count = 3 }, worker:ask {})
  end)

  it("whose `migrate` raises leaves the version that a worker has, and says so", function()
    local worker = counter()
    worker:ask {}
    assert.is_true(change(version(2, "function counter.migrate() error 'no way' end")))
    for i = 2, 4 do assert.same({ number = 1, count = i }, worker:ask {}) end
    assert.same({ number = 2, count = 1 }, counter("late"):ask {})
    local said = logged "not_migrated"
    assert.equal(1, #said)
    assert.equal("counter", said[1].handler)
    assert.matches("no way", said[1].message, 1, true)
    assert.is_true(change(version(3, MIGRATES)))
    local state = worker:ask { op = "look" }
    assert.same({ 3, 4, 1 }, { state.number, state.count, state.migrations })
  end)

  it("whose `migrate` takes for ever ends the worker, and nobody else", function()
    local worker, other = counter("a", { steps = 100000 }), counter "b"
    worker:ask {}
    other:ask {}
    change(version(2, [[function counter.migrate(state)
      while state.count == 1 do end
      return state
    end]]))
    other:send {}
    assert.equal("leader_died", select(3, worker:ask {}))
    eventually(function() return not workers:find "a" end)
    other:kill()
  end)

  it("that changes is loaded on every thread, once", function()
    workers = here:open { loops = 4, watch = false, timeout = 0 }
    local all = {}
    for i = 1, 40 do
      all[i] = counter("c" .. i)
      all[i]:ask {}
    end
    change(version(2, MIGRATES))
    for i = 1, 40 do
      local state = all[i]:ask { op = "look" }
      assert.same({ 2, 1, 1 }, { state.number, state.count, state.migrations })
    end
  end)

  it("that changes does so between two requests, not within one", function()
    here:handler("counter", version(1, [[
local handle = counter.handle
function counter.handle(state, request, context)
  if request.op == "gate" then
    local workers = require "cairn".workers()
    local _, gate = workers:find_or_register("", "", { group = "gate" })
    workers:await(gate, "", "")
    state.seen = counter.number
  end
  return handle(state, request, context)
end]]))
    local worker = counter()
    local open = workplace.gate(workers, "gate")
    worker:send { op = "gate" }
    until_state(worker, "waiting")
    assert.is_true(change(version(2, MIGRATES)))
    assert.equal("waiting", worker:info().state)
    open()
    local state = worker:ask { op = "look" }
    assert.same({ 2, 1, 1 }, { state.number, state.count, state.migrations })
  end)

  it("is looked at by itself", function()
    workers = here:open { timeout = 0 }
    local worker = counter()
    assert.equal(1, worker:ask({}).number)
    for number = 2, 4 do
      here:handler("counter", version(number))
      eventually(function() return worker:ask({ op = "look" }).number == number end)
    end
    here:handler("counter", "return {")
    eventually(function() return info().problem end)
    assert.equal(4, worker:ask({ op = "look" }).number)
  end)

  it("changes under load without an answer that is lost", function()
    workers = here:open { loops = 4, timeout = 0 }
    local all, counts = {}, {}
    for i = 1, 8 do all[i], counts[i] = counter("c" .. i), 0 end
    local newest = {}
    for number = 2, 30 do
      here:handler("counter", number % 5 == 0 and "return {" or version(number, MIGRATES))
      for _ = 1, 20 do
        for i, worker in ipairs(all) do
          worker:send {}
          local answer = assert(worker:ask {})
          counts[i] = counts[i] + 2
          assert.equal(counts[i], answer.count)
          assert.is_true(answer.number >= (newest[i] or 0), "versions only follow one another")
          newest[i] = answer.number
        end
      end
    end
    here:handler("counter", version(31, MIGRATES))
    for i, worker in ipairs(all) do
      eventually(function() return worker:ask({ op = "look" }).number == 31 end)
      assert.equal(counts[i], worker:ask({ op = "look" }).count)
    end
  end)
end)
