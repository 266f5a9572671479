--- Many requests in one Lua state, that take turns: what each may do, and where it is left.

local allowed = require "spec.support.allowed_scripts"
local hostile = require "spec.support.hostile_scripts"
local place = require "spec.support.place"

local turns = assert(package.loadlib(place.build .. "/spec/turns.so", "luaopen_turns"))()

local MIB = 1 << 20

-- Under the sanitizers all takes longer.
local SLOW = os.getenv "CAIRN_PRELOAD" and 10 or 1

local BOUNDS = { steps = 1000000, memory = MIB, slice_us = 1000 }
-- A slice that is over when it is looked at for the second time.
local SHORT = { steps = 1 << 50, memory = 256 * MIB, slice_us = 1 }

local function loaded(source, bytes)
  local state = turns.new(bytes or 64 * MIB)
  assert(state:load(source, "script.lua"))
  return state
end

--- Runs a request to its end; returns how often it was preempted, and what came of it.
local function finish(state, thread, bounds, ...)
  local preempted = 0
  local result = table.pack(state:start(thread, bounds, ...))
  while result[1] == "preempted" do
    preempted = preempted + 1
    result = table.pack(state:go_on(thread, bounds))
  end
  return preempted, result
end

--- The same for a script of its own, as `f`.
local function run(source, bounds, ...)
  local state = loaded(source)
  return select(2, finish(state, state:thread(), bounds or BOUNDS, "f", ...))
end

local function same(expected, result)
  result.n = nil
  assert.same(expected, result)
end

describe("a request", function()
  it("returns what its function does", function()
    same({ "done", 3, "x", true }, run("function f(a, b) return a + b, 'x', true end", nil, 1, 2))
    same({ "done" }, run "function f() end")
  end)

  it("finds the standard libraries, which can be added to", function()
    same({ "done", "table", "table", "function", "function", 7, "number", true }, run [[
      function string.seven() return 7 end
      function f()
        return type(io), type(os), type(require), type(debug.traceback), ("x"):seven(),
          type(math.random()), tostring({}):find("^table: 0x") ~= nil
      end]])
  end)

  it("may not set a hook, or a finalizer", function()
    assert.matches("the hook is in use", run("function f() debug.sethook() end")[2])
    assert.matches("no finalizers", run("function f() setmetatable({}, { __gc = f }) end")[2])
  end)

  it("fails with the place of its error", function()
    local cases = {
      { "\nerror 'mine'", "script.lua:2: mine" },
      { "\nerror('mine', 0)", "script.lua:2: mine" },
      { "\nerror {}", "script.lua:2: an error value of type table" },
      { "\nlocal x = nil + 1", "script.lua:2: attempt to perform arithmetic on a nil value" },
      { "\ncoroutine.wrap(function()\nerror 'mine' end)()", "script.lua:2: script.lua:3: mine" },
      { "\n coroutine.yield(1)", "script.lua:2: attempt to yield from outside a coroutine" },
      { "\n table.sort({ 1, 2 }, function() wait() end)",
        "script.lua:2: cannot wait within a C call, or outside of a request" },
    }
    for _, case in ipairs(cases) do
      local result = run("function f() " .. case[1] .. " end")
      assert.equal("failed", result[1])
      assert.equal("policy_error", result[3])
      assert.equal(case[2], result[2]:sub(1, #case[2]))
    end
  end)

  it("closes its variables, whatever ends it", function()
    local state = loaded [[
      closed = ""
      local function variable(name)
        return setmetatable({}, { __close = function() closed = closed .. name end })
      end
      function f(how)
        local a <close> = variable "a"
        local b <close> = variable "b"
        how()
      end
      local function nested() return f(function() while true do end end) end
      function fails() f(function() error "mine" end) end
      function loops() f(function() while true do end end) end
      function loops_caught() f(function() while true do pcall(nested) end end) end
      function bloats() f(function() local s = "x" while true do s = s .. s end end) end
      function reps() f(function() return ("x"):rep(1 << 30) end) end
      function sorts() f(function()
        pcall(table.sort, { 2, 1 }, function() while true do end end)
      end) end
      function waits() f(wait) end
      function closes_forever()
        local a <close> = variable "a"
        local b <close> = setmetatable({}, { __close = function() while true do end end })
        while true do end
      end
      function get() local c = closed closed = "" return c end]]
    local thread = state:thread()
    local cases = {
      { "fails", "ba" }, { "loops", "ba" }, { "loops_caught", "baba" }, { "bloats", "ba" },
      { "reps", "ba" }, { "sorts", "ba" }, { "closes_forever", "" },
    }
    for _, case in ipairs(cases) do
      local _, result = finish(state, thread, BOUNDS, case[1])
      assert.equal("failed", result[1], case[1])
      assert.equal(case[2], select(2, state:start(thread, BOUNDS, "get")), case[1])
    end
    assert.equal("waits", state:start(thread, BOUNDS, "waits"))
    state:close(thread)
    assert.equal("ba", select(2, state:start(thread, BOUNDS, "get")))
  end)

  it("can use the coroutine of one that was done, or failed in any way", function()
    local state = loaded [[
      function good(x) return x end
      function fails() error "mine" end
      function loops() while true do end end
      function sorts() table.sort({ 2, 1 }, function() while true do end end) end
      function deep() return 1 + deep() end
      function stray() coroutine.yield(1) end
      function nested() coroutine.wrap(loops)() end]]
    local thread = state:thread()
    for i = 1, 20 do
      for _, name in ipairs { "fails", "loops", "sorts", "deep", "stray", "nested" } do
        local _, result = finish(state, thread, BOUNDS, name)
        assert.equal("failed", result[1], name)
        assert.same({ "done", i }, { state:start(thread, BOUNDS, "good", i) })
      end
    end
  end)
end)

describe("waiting", function()
  -- What comes of a function that is given `first`, `second`, `third` as often as it waits.
  local cases = {
    { "return wait()", "first" },
    { "return wait 'a'", "a", "first" },
    { "return wait() .. wait() .. wait()", "firstsecondthird" },
    { "return pcall(wait)", true, "first" },
    { "return pcall(function() error(wait(), 0) end)", false, "first" },
    { "return xpcall(function() error(wait(), 0) end, string.upper)", false, "FIRST" },
    { "return coroutine.wrap(wait)()", "first" },
    { "return coroutine.resume(coroutine.create(wait), 'x')", true, "x", "first" },
    { "return coroutine.wrap(function() return pcall(coroutine.wrap(wait)) end)()",
      true, "first" },
    { "return setmetatable({}, { __index = function() return wait() end }).x", "first" },
    { "return setmetatable({}, { __lt = function() return wait() end }) < {}", true },
    { "for x in function() return wait() end do return x end", "first" },
    { [[local closed
        do local x <close> = setmetatable({}, { __close = function() closed = wait() end }) end
        return closed]], "first" },
    { [[local out = ""
        for i, x in coroutine.wrap(function()
          for i = 1, 3 do coroutine.yield(i, wait()) end
        end) do out = out .. i .. x end
        return out]], "1first2second3third" },
    { [[local co = coroutine.create(function(a)
          local b = coroutine.yield(a .. wait())
          return b .. wait(), coroutine.isyieldable()
        end)
        local _, x = coroutine.resume(co, 1)
        return x, coroutine.status(co), select(2, coroutine.resume(co, 2))]],
      "1first", "suspended", "2second", true },
    { "return pcall(coroutine.wrap(function() error(wait(), 0) end))", false, "first" },
    { "return coroutine.resume(coroutine.create(function() error(wait(), 0) end))",
      false, "first" },
  }
  for _, case in ipairs(cases) do
    it("suspends the request, which goes on as if it had not: " .. case[1], function()
      local state = loaded("function f() " .. case[1] .. " end")
      local thread = state:thread()
      local result = table.pack(state:start(thread, BOUNDS, "f"))
      for _, answer in ipairs { "first", "second", "third" } do
        if result[1] ~= "waits" then break end
        result = table.pack(state:go_on(thread, BOUNDS, answer))
      end
      same({ "done", table.unpack(case, 2) }, result)
    end)
  end

  it("is not possible within a C call", function()
    same({ "done", true, true, true, false, false, false, true }, run [[
      function f()
        local sorting, replacing, text
        table.sort({ 1, 2 }, function(a, b) sorting = can_wait() return a < b end)
        string.gsub("x", "x", function() replacing = can_wait() end)
        tostring(setmetatable({}, { __tostring = function() text = can_wait() return "" end }))
        return can_wait(), coroutine.wrap(can_wait)(), select(2, pcall(can_wait)),
          sorting, replacing, text, can_wait()
      end]])
  end)

  it("keeps others from the coroutines that a request is in", function()
    local state = loaded [[
      local co = coroutine.create(function() wait() coroutine.yield(1) return 2 end)
      local own
      function f()
        own = coroutine.running()
        return coroutine.resume(co)
      end
      function g()
        local ok, message = coroutine.resume(co)
        return ok, message, coroutine.status(co), coroutine.status(own),
          select("#", coroutine.resume(own)), (pcall(coroutine.close, own))
      end]]
    local one, two = state:thread(), state:thread()
    assert.equal("waits", state:start(one, BOUNDS, "f"))
    assert.same({ "done", false, "cannot resume non-suspended coroutine", "normal", "normal", 2,
      false }, { state:start(two, BOUNDS, "g") })
    assert.same({ "done", true, 1 }, { state:go_on(one, BOUNDS) })
    assert.same({ "done", true, 2 }, { state:start(one, BOUNDS, "f") })
  end)

  it("does not count what others do meanwhile", function()
    local state = loaded [[
      kept = {}
      function waits() for i = 1, 10 do wait() end return "well" end
      function keeps() for i = 1, 20000 do kept[#kept + 1] = { i } end end]]
    local one, two = state:thread(), state:thread()
    state:start(one, BOUNDS, "waits")
    local many = { steps = 1 << 50, memory = 32 * MIB, slice_us = 1000 }
    finish(state, two, many, "keeps")
    assert.is_true(select(2, state:account(two)) > MIB)
    for _ = 1, 9 do assert.equal("waits", state:go_on(one, BOUNDS)) end
    assert.same({ "done", "well" }, { state:go_on(one, BOUNDS) })
    local steps, bytes = state:account(one)
    assert.is_true(steps < 5000 and bytes < 100000)
  end)
end)

describe("a request that takes long", function()
  it("is preempted, and others have their turns", function()
    local state = loaded [[
      function loop() while true do end end
      function sum(n) local s = 0 for i = 1, n do s = s + i end return s end
      function quick() return "quick" end]]
    local loops, sums, quick = state:thread(), state:thread(), state:thread()
    local forever = { memory = MIB, slice_us = 500 }
    assert.equal("preempted", state:start(loops, forever, "loop"))
    local result = table.pack(state:start(sums, forever, "sum", 300000))
    for _ = 1, 2000 do
      if result[1] == "done" then break end
      assert.equal("preempted", state:go_on(loops, forever))
      assert.same({ "done", "quick" }, { state:start(quick, BOUNDS, "quick") })
      result = table.pack(state:go_on(sums, forever))
    end
    same({ "done", 45000150000 }, result)
    state:close(loops)
    assert.same({ "done", "quick" }, { state:start(loops, BOUNDS, "quick") })
  end)

  it("is preempted in coroutines of its own, and goes on there", function()
    local state = loaded [[
      local function numbers(n)
        return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end)
      end
      local function doubled(numbers)
        return coroutine.wrap(function() for i in numbers do coroutine.yield(2 * i) end end)
      end
      function f(n)
        local s = 0
        for i in doubled(doubled(numbers(n))) do s = s + i end
        return s
      end]]
    local preempted, result = finish(state, state:thread(), SHORT, "f", 20000)
    assert.is_true(preempted > 100)
    same({ "done", 4 * 20000 * 20001 // 2 }, result)
  end)

  it("comes out the same wherever it is preempted", function()
    local preempted = 0
    for _, row in ipairs(allowed) do
      local source = ([[
        local function script() %s end
        local function shown(...)
          local out = {}
          for i = 1, select("#", ...) do
            local value = select(i, ...)
            local of = type(value)
            out[i] = of == "table" or of == "function" and of or of .. ":" .. tostring(value)
          end
          return table.concat(out, " | ", 1, 0) .. #out
        end
        function f(times)
          local first
          for i = 1, times do
            local text = shown(pcall(script))
            first = first or text
            if text ~= first then error(text .. " is not " .. first) end
          end
          return first
        end]]):format(row[2])
      local state = loaded(source, 512 * MIB)
      local thread = state:thread()
      local times = math.max(1, 300 // SLOW)
      local long = { memory = 256 * MIB }
      local expected = table.pack(state:start(thread, long, "f", 3))
      assert.equal("done", expected[1], row[1] .. tostring(expected[2]))
      local count, result = finish(state, thread, SHORT, "f", times)
      assert.same(expected, result, row[1])
      preempted = preempted + count
    end
    assert.is_true(preempted > 1000 // SLOW)
  end)

  it("is ended by its steps over all its turns", function()
    local state = loaded "function f() while true do end end"
    local thread = state:thread()
    local preempted, result = finish(state, thread,
      { steps = 3000000, memory = MIB, slice_us = 500 }, "f")
    assert.is_true(preempted > 2)
    same({ "failed", "script.lua:1: over its limit of 3000000 steps", "limit" }, result)
    assert.is_true(math.abs(state:account(thread) - 3000000) < 10000)
  end)
end)

describe("a hostile request", function()
  local state = turns.new(64 * MIB)
  local bystander, thread = state:thread(), state:thread()
  assert(state:load "function waits() while true do wait() end end")
  state:start(bystander, { memory = MIB }, "waits")

  for _, row in ipairs(hostile) do
    it(row[1] .. " is ended, and its turns are short", function()
      assert(state:load(("function f(...) local N = %d %s end"):format(MIB, row[2]), "script.lua"))
      local start, longest = os.clock(), 0
      local result = table.pack(state:start(thread, BOUNDS, "f"))
      while true do
        longest, start = math.max(longest, os.clock() - start), os.clock()
        if result[1] ~= "preempted" then break end
        result = table.pack(state:go_on(thread, BOUNDS))
      end
      assert.equal("failed", result[1])
      assert.equal("limit", result[3], result[2])
      assert.matches("^script%.lua:%d+: over its limit of ", result[2])
      assert.is_true(longest < 0.2 * SLOW, ("%.3f s"):format(longest))
      assert.equal("waits", state:go_on(bystander, { memory = MIB }))
      assert.is_true(state:memory() < 16 * MIB)
    end)
  end
end)

describe("memory", function()
  local roomy = { memory = MIB, slice_us = 1000 }

  it("that is let go of is not counted, however much it is", function()
    local cases = {
      "for i = 1, 100000 do local t = { i, tostring(i), { i } } end",
      "for i = 1, 2000 do local s = ('x'):rep(100000) end",
      "for i = 1, 2000 do coroutine.wrap(function() local t = { i } end)() end",
      "for i = 1, 20 do table.sort({ 3, 1, 2 }, function(a, b) local s = ('x'):rep(200000) " ..
        "return a < b end) end",
    }
    for _, case in ipairs(cases) do
      local result = run("function f() local keep = ('x'):rep(300000) " .. case ..
        " return #keep end", roomy)
      assert.same({ "done", 300000, n = 2 }, result, case)
    end
  end)

  it("that is kept ends the request, in whatever way it is taken", function()
    local cases = {
      "local t = {} for i = 1, 1e9 do t[i] = { i } end",
      "local s = 'x' while true do s = s .. s end",
      "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i wait() end",
      "return ('x'):rep(1e9)",
      "local t = {} for i = 1, 1e9 do t[i] = 'x' end return table.concat(t)",
      "local t = {} table.sort({ 2, 1 }, function() for i = 1, 1e9 do t[i] = { i } end end)",
      "local function f() return 1 + f() end f()",
    }
    for _, case in ipairs(cases) do
      local state = loaded("function f() " .. case .. " end function g() return 1 end")
      local thread = state:thread()
      local result = table.pack(state:start(thread, roomy, "f"))
      while result[1] == "preempted" or result[1] == "waits" do
        result = table.pack(state:go_on(thread, roomy))
      end
      assert.equal("failed", result[1])
      assert.matches("over its limit of 1048576 bytes of memory", result[2], 1, true)
      assert.equal("limit", result[3])
      assert.same({ "done", 1 }, { state:start(thread, roomy, "g") })
    end
  end)

  it("of the state is bounded for all together", function()
    local state = loaded([[
      kept = {}
      function f() for i = 1, 5000 do kept[#kept + 1] = { i } end end]], 4 * MIB)
    local thread = state:thread()
    local result
    for _ = 1, 100 do
      result = select(2, finish(state, thread, roomy, "f"))
      if result[1] == "failed" then break end
    end
    assert.equal("limit", result[3], result[2])
    assert.is_true(state:memory() < 6 * MIB)
  end)
end)

describe("ten thousand requests", function()
  it("wait in one state, and go on in any order", function()
    local state = loaded([[
      function f(i)
        local own = { i }
        for k = 1, 3 do own[#own + 1] = wait() end
        return table.concat(own, " ")
      end]], 256 * MIB)
    local before, threads = state:memory(), {}
    for i = 1, 10000 do
      threads[i] = state:thread()
      assert.equal("waits", state:start(threads[i], BOUNDS, "f", i))
    end
    assert.is_true((state:memory() - before) / 10000 < 3000)
    for round = 1, 3 do
      for i = 10000, 1, -1 do
        local at = (i * 7919) % 10000 + 1
        local what, text = state:go_on(threads[at], BOUNDS, round)
        assert.equal(round < 3 and "waits" or "done", what)
        if round == 3 then assert.equal(at .. " 1 2 3", text) end
      end
    end
  end)
end)

describe("a turn", function()
  it("costs little more than resuming a coroutine", function()
    local best = math.huge
    for _ = 1, 10 do
      local turn, bare = turns.compare(20000)
      best = math.min(best, turn - bare)
    end
    assert.is_true(best < 150 * SLOW, ("%.0f ns more"):format(best))
  end)
end)
