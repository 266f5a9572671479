--- Durable workers whose store fails, or whose process is killed.

local cairn = require "cairn"
local faulty = require "spec.faulty"
local uv = require "luv"

local LEDGER = require "spec.support.ledger"
local place = require "spec.support.place"
local workplace = require "spec.support.workplace"

local eventually, until_state = workplace.eventually, workplace.until_state

-- -- Stores that fail ---------------------------------------------------------------------

describe("a durable worker on a store that fails", function()
  local here, cache, workers, name

  local function open(backend)
    name = "durable-" .. math.random(1 << 40)
    cache = assert(cairn.cache { store = backend .. ":" .. name })
    workers = here:open { loops = 1, cache = cache, timeout = 0 }
  end

  before_each(function()
    here = workplace.new()
    here:handler("ledger", LEDGER)
  end)
  after_each(function()
    faulty.clear(name)
    here:close()
    cache:close()
  end)

  local function ledger(options)
    local all = { handler = "ledger", group = "l", durable = { every = 3 } }
    for key, value in pairs(options or {}) do all[key] = value end
    return assert(workers:worker(all))
  end

  it("does not what it cannot write down, and says why", function()
    open "faulty"
    local worker = ledger()
    for i = 1, 4 do assert(worker:ask { op = "add", by = i }) end
    faulty.set(name, { writes = { "io", "the disk is full" }, next = -1 })
    local _, message, code = worker:ask { op = "add", by = 5 }
    assert.equal("leader_died", code)
    assert.matches("the disk is full", message, 1, true)
    eventually(function() return worker:info().state == "ended" end)
    assert.matches("the disk is full", select(2, ledger():ask { op = "get" }), 1, true)
    faulty.set(name, { writes = false })
    eventually(function() return not workers:find "l" end)
    assert.same({ 10, 4 }, { ledger():ask({ op = "get" }).sum, ledger():ask({ op = "get" }).count })
  end)

  it("goes on when that is over, if it is told to ignore errors", function()
    open "faulty"
    local worker = ledger { error_strategy = "ignore" }
    for i = 1, 4 do assert(worker:ask { op = "add", by = i }) end
    faulty.set(name, { writes = "io", next = -1 })
    for _ = 1, 2 do assert.equal("unavailable", select(3, worker:ask { op = "add", by = 5 })) end
    faulty.set(name, { writes = false })
    assert(worker:ask { op = "add", by = 6 })
    assert.equal(16, worker:ask({ op = "get" }).sum)
    worker:kill()
    eventually(function() return not workers:find "l" end)
    assert.equal(16, ledger():ask({ op = "get" }).sum)
  end)

  it("lets the others of its thread go on while it waits for it, also when it is killed", function()
    open "faulty-remote"
    local other = assert(workers:worker { handler = "agent", group = "other", static = true })
    local worker = ledger()
    assert(worker:ask { op = "add", by = 1 })
    faulty.set(name, { hang = "writes" })
    worker:send { op = "add", by = 2 }
    assert.is_true(faulty.wait(name, 1, 20000))
    until_state(worker, "waiting")
    assert.equal("fine", other:ask { op = "echo", value = "fine" })
    worker:kill "it takes too long"
    assert.equal("leader_died", select(3, worker:ask({ op = "get" }, { timeout = 20000 })))
    assert.equal("fine", other:ask { op = "echo", value = "fine" })
    faulty.set(name, { hang = false })
    eventually(function() return not workers:find "l" end)
    assert.is_true(ledger():ask({ op = "get" }).sum >= 1)
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
