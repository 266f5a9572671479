--- Loops, their tasks and timers, and what is offloaded: real threads, put to work by
--- spec/support/scheduler.c.

local place = require "spec.support.place"

local library = place.build .. "/spec/scheduler.so"
local scheduler = assert(package.loadlib(library, "luaopen_scheduler"))()

-- Under the sanitizers all takes longer.
local SLOW = os.getenv "CAIRN_PRELOAD" and 10 or 1

describe("tasks that are posted", function()
  -- Loops, threads that post, tasks of each.
  for _, row in ipairs { { 1, 1, 1000 }, { 1, 8, 50000 }, { 3, 4, 50000 }, { 64, 2, 20000 } } do
    local loops, producers, each = table.unpack(row)
    it(("by %d threads to %d loops are all run, each thread's in order, before all is closed")
        :format(producers, loops), function()
      local seen = scheduler.post(loops, producers, each)
      assert.equal(producers * each, seen.run)
      assert.equal(0, seen.wrong)
      assert.equal(loops, seen.starts)
      assert.equal(loops, seen.stops)
    end)
  end

  it("by nobody keep no loop from closing", function()
    assert.same({ run = 0, wrong = 0, starts = 4, stops = 4 }, scheduler.post(4, 1, 0))
  end)

  it("one at a time wake the loop each time", function()
    local seen = scheduler.call(20000 // SLOW)
    assert.equal(20000 // SLOW, seen.run)
    assert.equal(0, seen.wrong)
  end)

  it("just when the loop falls asleep wake it", function()
    assert.equal(100000 // SLOW, scheduler.spin(100000 // SLOW).run)
  end)

  it("by tasks are run before all is closed, on whatever loop", function()
    for round = 1, 50 // SLOW do
      local loops = 1 + round % 5
      local seen = scheduler.hop(loops, 20, 500, 0)
      assert.equal(20 * 500, seen.run)
      assert.equal(0, seen.wrong)
      assert.equal(loops, seen.stops)
    end
  end)

  it("by a single task that wanders while all others sleep are run before all is closed", function()
    for round = 1, 40 // SLOW do
      local seen = scheduler.hop(2 + round % 3, 2, 2000, 0)
      assert.equal(2 * 2000, seen.run)
      assert.equal(0, seen.wrong)
    end
  end)

  it("of those that have had their time come after all others, one a turn", function()
    assert.equal("bbxyxcy", scheduler.later())
  end)

  it("cost nothing while there are none", function()
    local seen = scheduler.idle(200)
    assert.equal(1, seen.tasks)
    assert.is_true(seen.sleeps <= 1, seen.sleeps .. " times woken")
    assert.is_true(seen.busy_ns < 20e6, seen.busy_ns .. " ns busy")
  end)
end)

describe("the threads of loops", function()
  it("have names, and leave signals to others", function()
    assert.same({ "cairn-loop-0", "cairn-loop-1", "cairn-loop-2" }, scheduler.threads(3))
  end)

  it("are as many as there are cores, if nobody says how many", function()
    local pipe <close> = assert(io.popen "nproc")
    assert.equal(math.min(64, tonumber(pipe:read "l")), #scheduler.threads(0))
  end)
end)

describe("a scheduler that cannot be", function()
  it("says which loop did not start, and stops the others", function()
    local seen = scheduler.refuse(4, 0, 3)
    assert.equal("corrupt", seen.code)
    assert.equal("loop 2 has no wish to start", seen.message)
    assert.same({ 3, 3, 0 }, { seen.starts, seen.stops, seen.wrong })
  end)

  it("says how many loops and threads there may be", function()
    local loops = scheduler.refuse(65, 0, 0)
    assert.same({ "invalid_argument", 0 }, { loops.code, loops.starts })
    assert.matches("65 loops: at most 64", loops.message, 1, true)
    local threads = scheduler.refuse(1, 5000, 0)
    assert.same({ "invalid_argument", 0 }, { threads.code, threads.starts })
    assert.matches("5000 threads for what blocks: at most 4096", threads.message, 1, true)
  end)
end)

describe("what is offloaded", function()
  it("lets the loop go on, on as many threads as there may be", function()
    local seen = scheduler.offload(12, 50, 4)
    assert.equal(12, seen.done)
    assert.equal(12, seen.offloads)
    assert.equal(4, seen.most)
    assert.equal(0, seen.wrong)
    assert.is_true(seen.calls > 50, seen.calls .. " calls meanwhile")
  end)

  it("is waited for by closing, and so is what it is done with", function()
    for round = 1, 20 do
      local loops = 1 + round % 3
      local seen = scheduler.hop(loops, 10, 90, 3)
      assert.equal(10 * (90 + 30), seen.run) -- every third hop also comes back
      assert.equal(0, seen.wrong)
      assert.equal(loops, seen.stops)
    end
  end)
end)

describe("timers on the real clock", function()
  it("fire in order and not too early, those that were cleared never", function()
    local seen = scheduler.real_timers(5000, 200)
    assert.equal(seen.expected, seen.fired)
    assert.equal(0, seen.wrong)
    assert.is_true(seen.late_ms < 50 * SLOW, seen.late_ms .. " ms late")
  end)
end)

describe("timers on a clock that is moved by hand", function()
  local cases = {
    { "fire when it has moved far enough, in order",
      { { "set", 1, 30 }, { "set", 2, 10 }, { "set", 3, 20 }, { "advance", 9 }, { "advance", 20 },
        { "advance", 29 } },
      { 2, 3 } },
    { "do not care for the time that passes",
      { { "set", 1, 10 }, { "wait", 50 } }, {} },
    { "fire if they are due when they are set",
      { { "advance", 50 }, { "set", 1, 50 }, { "advance", 51 }, { "set", 2, -7 },
        { "advance", 52 } },
      { 1, 2 } },
    { "are moved when they are set again",
      { { "set", 1, 10 }, { "set", 2, 20 }, { "set", 1, 30 }, { "advance", 20 }, { "set", 1, 25 },
        { "advance", 25 }, { "advance", 30 } },
      { 2, 1 } },
    { "do not fire once they are cleared",
      { { "set", 1, 10 }, { "set", 2, 10 }, { "clear", 1 }, { "clear", 3 }, { "advance", 20 } },
      { 2 } },
    { "may be set again when they have fired",
      { { "set", 1, 10 }, { "advance", 10 }, { "set", 1, 20 }, { "advance", 20 } }, { 1, 1 } },
    { "that are never due hurt nobody",
      { { "set", 1, math.maxinteger }, { "set", 2, math.mininteger }, { "advance", 1 << 40 } },
      { 2 } },
  }
  for _, case in ipairs(cases) do
    local behaviour, steps, fired = table.unpack(case)
    it(behaviour, function()
      assert.same(fired, scheduler.virtual_timers(steps))
    end)
  end
end)

describe("very many timers", function()
  it("are set, moved, cleared and fired in order", function()
    local seen = scheduler.heap(300000)
    assert.equal(seen.expected, seen.fired)
    assert.equal(0, seen.wrong)
    assert.is_true(seen.took_ms < 3000 * SLOW, seen.took_ms .. " ms")
  end)
end)
