--- Workers watched: lists, counters, and monitors that look every so often.

local cairn = require "cairn"

local place = require "spec.support.place"
local workplace = require "spec.support.workplace"

local eventually, until_state = workplace.eventually, workplace.until_state

describe("a monitor", function()
  local here, workers, clock

  before_each(function()
    here = workplace.new()
    clock = cairn.clock(1000)
    workers = here:open { clock = clock, timeout = 0 }
  end)
  after_each(function() here:close() end)

  local function agent(group)
    return assert(workers:worker { handler = "agent", group = group, static = true })
  end

  -- What it saw, when it has looked so often.
  local function looks(monitor, count)
    local all = {}
    eventually(function()
      for _, look in ipairs(monitor:read()) do all[#all + 1] = look end
      return #all >= count
    end)
    assert.equal(count, #all)
    return all
  end

  it("sees groups, queues and what they do, every so often", function()
    local open = workplace.gate(workers, "gate")
    local busy, idle = agent "jobs/busy", agent "jobs/idle"
    agent "other"
    assert(idle:ask { op = "echo" })
    busy:send { op = "gate", name = "gate" }
    until_state(busy, "waiting")
    for _ = 1, 3 do busy:send { op = "echo" } end
    until_state(idle, "idle")
    local monitor = workers:start_monitor("jobs/", { every = 100 })
    local first = looks(monitor, 1)[1]
    assert.equal(1000, first.time)
    assert.same({
      { group = "jobs/busy", state = "waiting", queue = 3, requests = 0 },
      { group = "jobs/idle", state = "idle", queue = 0, requests = 1 },
    }, first.groups)
    clock:advance(99)
    assert.same({}, monitor:read())
    open()
    until_state(busy, "idle")
    clock:advance(1)
    local second = looks(monitor, 1)[1]
    assert.equal(1100, second.time)
    local found = {}
    for _, group in ipairs(second.groups) do found[group.group] = group end
    assert.same({ 0, 4 }, { found["jobs/busy"].queue, found["jobs/busy"].requests })
    -- Who looks for the second time after it knows that it has looked before.
    local watched = workers:start_monitor("", { every = 100 })
    looks(watched, 1)
    for _ = 1, 2 do
      clock:advance(100)
      looks(watched, 1)
    end
    local left = workers:stop_monitor(monitor)
    assert.equal(1200, left[1].time)
    clock:advance(100)
    looks(watched, 1)
    assert.same({}, monitor:read())
  end)

  it("sees all where no group is named", function()
    agent "a"
    agent "b"
    local groups = looks(workers:start_monitor(), 1)[1].groups
    assert.equal(2, #groups)
  end)

  it("keeps the newest thousand", function()
    local monitor = workers:start_monitor("", { every = 1 })
    local watched = workers:start_monitor("", { every = 1 })
    looks(watched, 1)
    for i = 1, 1200 do
      clock:advance(1)
      looks(watched, 1)
      if i == 600 then assert.is_true(#monitor:read() >= 600) end
    end
    assert.is_true(#monitor:read() >= 599)
    for _ = 1, 1200 do
      clock:advance(1)
      looks(watched, 1)
    end
    local seen = monitor:read()
    assert.equal(1000, #seen)
    for i = 2, #seen do assert.equal(seen[i - 1].time + 1, seen[i].time) end
    assert.is_true(seen[1000].time >= 3399)
  end)

  it("writes what it sees into a file, a line each", function()
    local file = here.directory .. "/seen"
    agent "a"
    local monitor = workers:start_monitor("a", { every = 10, file = file })
    looks(monitor, 1)
    clock:advance(10)
    looks(monitor, 1)
    local lines = {}
    for line in place.content(file):gmatch "[^\n]+" do
      lines[#lines + 1] = cairn.from_json(line)
    end
    assert.same({ 1000, 1010 }, { lines[1].time, lines[2].time })
    assert.equal("a", lines[2].groups[1].group)
    assert.has_error(function()
      workers:start_monitor("a", { file = here.directory .. "/no/such/folder" })
    end)
  end)

  it("ends when it is collected, and with its workers", function()
    for _ = 1, 50 do assert(workers:start_monitor("", { every = 1 })) end
    clock:advance(5)
    collectgarbage()
    collectgarbage()
    local last = workers:start_monitor("", { every = 1 })
    looks(last, 1)
    workers:close()
    assert.is_table(last:read())
    assert.has_error(function() workers:start_monitor() end)
  end)
end)

describe("counters of workers", function()
  it("tell what became of all", function()
    local here = workplace.new()
    local workers = here:open { timeout = 0 }
    local function agent(group, options)
      local all = { handler = "agent", group = group, static = true }
      for name, value in pairs(options or {}) do all[name] = value end
      return assert(workers:worker(all))
    end
    assert(agent "stopped":stop())
    agent "broken":ask { op = "fail" }
    local killed = agent "killed"
    killed:kill()
    agent("ignores", { error_strategy = "ignore" }):ask { op = "fail" }
    local replaced = agent "replaced"
    agent("replaced", { replace = true })
    agent "self":ask { op = "self" }
    for _, worker in ipairs { killed, replaced } do until_state(worker, "ended") end
    local _, leader <close> = workers:find_or_register("", "", { group = "computing" })
    assert.equal("computing", leader.group)
    eventually(function() return workers:stats().workers == 3 end)
    local stats = workers:stats()
    assert.same({ workers = 3, started = 7, stopped = 1, idle = 0, closed = 0, replaced = 1,
      broken = 1, killed = 1, posted = 3, answered = 3, failed = 2, full = 0, rings = 1,
      forwarded = 0, waiting = 1 }, stats)
    here:close()
  end)
end)
