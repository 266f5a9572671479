--- A Lua state for scripts that are not trusted: what it stops, and what it leaves as it is.

local allowed = require "spec.support.allowed_scripts"
local hostile = require "spec.support.hostile_scripts"
local place = require "spec.support.place"
local random_calls = require "spec.support.random_calls"

local sandbox = assert(package.loadlib(place.build .. "/spec/sandbox.so", "luaopen_sandbox"))()

local MIB = 1 << 20
local PLENTY = 1 << 50

-- Under the sanitizers all takes longer.
local SLOW = os.getenv "CAIRN_PRELOAD" and 10 or 1
local CALLS = os.getenv "CAIRN_EAGER_GC" and 2000 or 40000

--- A sandbox whose chunk is what box:call() calls.
local function loaded(source, limits)
  limits = limits or {}
  local box = sandbox.new(limits.steps or 1000000, limits.memory or MIB, limits.wall or 10000)
  assert(box:load(source, "script.lua"))
  return box
end

--- The same for the function that the chunk returns.
local function made(source, limits)
  local box = loaded(source, limits)
  assert(box:use())
  return box
end

--- Runs a script to its end, or its error.
local function run(source, ...)
  return loaded(source):call(...)
end

describe("a script that", function()
  -- Name, limits, seconds. Scripts find ways to do little that takes long, so that time is
  -- what stops some of them whatever the steps.
  local settings = {
    { "of steps", { steps = 100000, wall = 1000 }, 2 },
    { "of time", { steps = PLENTY, wall = 30 }, 0.3 },
    { "of time and much memory", { steps = PLENTY, wall = 30, memory = 8 * MIB }, 0.6 },
  }
  for _, setting in ipairs(settings) do
    local name, limits, seconds = table.unpack(setting)
    for _, row in ipairs(hostile) do
      it(row[1] .. " is stopped by a limit " .. name, function()
        local box = loaded("local N = " .. (limits.memory or MIB) .. " " .. row[2], limits)
        local start = os.clock()
        local ok, message, code = box:call()
        local took = os.clock() - start
        assert.is_nil(ok)
        assert.equal("limit", code, message)
        assert.matches("^script%.lua:%d+: over its limit of ", message)
        assert.is_true(took < seconds * SLOW, ("it took %.3f s"):format(took))
        assert.is_true(box:memory() < (limits.memory or MIB))
        -- Whatever it was, the next call is as good as the first.
        assert(box:load "return 'well'")
        assert.same({ true, "well" }, { box:call() })
        box:free()
      end)
    end
  end
end)

describe("a breach", function()
  it("tells which limit it was, and where", function()
    local cases = {
      { "steps", "local n = 0\nwhile true do\nn = n + 1\nend", {}, ":[23]: " },
      { "steps", "local function f()\nreturn ('x'):rep(1e9) end\nf()", {}, ":2: " },
      { "steps", "local s = ('a'):rep(1000)\n\ns:find('.-.-.-b')", {}, ":3: " },
      { "steps", "coroutine.wrap(function()\nwhile true do end end)()", {}, ":2: " },
      { "steps", "local co =\n coroutine.wrap(string.rep)\n\nco('x', 1e9)", {}, ":4: " },
      { "memory", "local s = 'x'\nwhile true do\ns = s .. s end", { steps = PLENTY }, ":3: " },
      { "memory", "local t = {}\nfor i = 1, 1e9 do\nt[i] = i\nend", { steps = PLENTY },
        ":[234]: " },
      { "memory", "local function f()\nreturn 1 + f() end\nf()", { steps = PLENTY }, ":2: " },
      { "memory", "local s = ('x'):rep(3e5)\nlocal t\nt = s .. s .. s .. s .. s .. s .. s .. s",
        { steps = PLENTY }, ":3: " },
      { "memory", "\n\nreturn ('x'):rep(1e9)", { steps = PLENTY }, ":3: " },
      { "time", "local n = 0\nwhile true do\nn = n + 1\nend", { steps = PLENTY, wall = 20 },
        ":[23]: " },
      { "time", "\nlocal t = setmetatable({}, {})\ngetmetatable(t).__call = t\nt()",
        { memory = 16 * MIB }, ":[14]: " },
    }
    for _, case in ipairs(cases) do
      local limit, source, limits, line = table.unpack(case)
      local _, message = loaded(source, limits):call()
      assert.matches(limit, message, 1, true)
      assert.matches("^script%.lua" .. line, message)
    end
  end)

  it("is met by a call that succeeds too late", function()
    local box = loaded("return #('x'):rep(1e6)", { steps = 1000 })
    assert.equal("limit", select(3, box:call()))
  end)

  it("is not met by what is let go of again", function()
    assert.same({ true, 400000 }, { made([[
      local keep = ("x"):rep(400000)
      return function()
        for i = 1, 3000 do local s = ("y"):rep(20000) local t = { s } end
        return #keep
      end]], { steps = PLENTY }):call() })
  end)

  it("counts the same in every call", function()
    local box = made "return function() for i = 1, 12345 do local t = { i } end end"
    local steps = {}
    for i = 1, 5 do
      assert(box:call())
      steps[i] = box:steps()
    end
    for i = 2, 5 do assert.is_true(math.abs(steps[i] - steps[1]) < 200) end
  end)
end)

describe("a limit that is met anywhere in a script", function()
  local function check(source, limits)
    local box = sandbox.new(limits.steps, limits.memory, 10000)
    if not box then return end
    local ok, message, code = box:load(source, "script.lua")
    if ok then ok, message, code = box:call() end
    if not ok then
      assert.equal("limit", code, message)
      assert.matches("^script%.lua:%d+: ", message)
    end
    box:free()
  end

  for _, row in ipairs(allowed) do
    it("ends it cleanly: " .. row[1], function()
      for steps = 0, 700, 7 do check(row[2], { steps = steps, memory = MIB }) end
      for memory = 13000, 40000, 150 do
        check(row[2], { steps = PLENTY, memory = memory })
      end
    end)
  end
end)

describe("a sandbox", function()
  it("takes little memory", function()
    assert.is_true(loaded("return"):memory() < 40 << 10)
  end)

  it("is not made where there is no room for it", function()
    for bytes = 0, 20000, 500 do
      local box = sandbox.new(1000, bytes, 100)
      if box then box:free() end
    end
    assert.is_nil(sandbox.new(1000, 4000, 100))
  end)

  it("is made and thrown away without a trace, also in the middle of an error", function()
    local function kilobytes()
      collectgarbage()
      return tonumber(place.content("/proc/self/status"):match("VmRSS:%s*(%d+)"))
    end
    local scripts = {
      "return {}", "error {}", "while true do end",
      "coroutine.wrap(function() local x <close> = setmetatable({}, { __close = pcall }) " ..
        "while true do end end)()",
      "local t = {} while true do t = { t } end",
      "return ('a'):rep(1e4):gsub('.', function(c) error(c) end)",
    }
    local function cycle(i)
      local box = sandbox.new(2000, 100000, 1000)
      box:load(scripts[i % #scripts + 1])
      box:call()
      box:free()
    end
    for i = 1, 1000 do cycle(i) end
    local before = kilobytes()
    for i = 1, 10000 do cycle(i) end
    -- AddressSanitizer keeps what was freed; it complains by itself.
    if SLOW == 1 then assert.is_true(kilobytes() - before < 1024) end
  end)

  it("keeps no more after a thousand calls", function()
    local box = made [[
      return function(i)
        local t = {}
        for k = 1, 20 do t["k" .. i .. k] = { tostring(k) } end
        return t["k" .. i .. 7][1]
      end]]
    for i = 1, 1000 do assert.same({ true, "7" }, { box:call(i) }) end
    local before = box:memory()
    for i = 1, 5000 do box:call(i) end
    assert.is_true(box:memory() < before + 100000)
  end)

  it("loads text and nothing else", function()
    local box = sandbox.new(1000, MIB, 100)
    local cases = {
      { string.dump(function() end), "^x%.lua:1: bytecode is not loaded$", "policy_error" },
      { "return (", "^x%.lua:1: .*near <eof>", "policy_error" },
      { "\n\nx = = 1", "^x%.lua:3: ", "policy_error" },
      { ("("):rep(300) .. "1", "^x%.lua:1: .*overflow", "policy_error" },
      { "return '" .. ("x"):rep(2 * MIB) .. "'", "^x%.lua:1: compiling .* memory", "limit" },
    }
    for _, case in ipairs(cases) do
      local ok, message, code = box:load(case[1], "x.lua")
      assert.is_nil(ok)
      assert.matches(case[2], message)
      assert.equal(case[3], code)
    end
    assert(box:load "return 1")
  end)

  it("does not compile for long", function()
    local parts = {}
    for i = 1, 150 do
      parts[i] = "local function f() local " .. ("a,"):rep(190) .. "a"
    end
    local source = table.concat(parts, " ") .. (" x=x"):rep(400000)
    local box = sandbox.new(1000, 64 * MIB, 50)
    local start = os.clock()
    local _, message, code = box:load(source, "x.lua")
    assert.equal("limit", code, message)
    assert.matches("^x%.lua:1: compiling it takes more than 50 ms of time$", message)
    assert.is_true(os.clock() - start < 0.5 * SLOW)
  end)
end)

describe("an error", function()
  it("says where it was raised, whatever it is", function()
    local cases = {
      { "\nerror 'mine'", "script.lua:2: mine" },
      { "\nerror('mine', 0)", "script.lua:2: mine" },
      { "\nerror {}", "script.lua:2: an error value of type table" },
      { "\nerror(12)", "script.lua:2: 12" },
      { "\nerror(1.5)", "script.lua:2: 1.5" },
      { "\nerror()", "script.lua:2: an error value of type nil" },
      { "\nerror(setmetatable({}, { __tostring = function() while true do end end }))",
        "script.lua:2: an error value of type table" },
      { "\nlocal x = nil + 1", "script.lua:2: attempt to perform arithmetic on a nil value" },
      { "\n('x'):rep({})",
        "script.lua:2: bad argument #1 to 'rep' (number expected, got table)" },
      { "\ncoroutine.wrap(function()\nerror 'mine' end)()",
        "script.lua:2: script.lua:3: mine" },
      { "local function f() return f(), 1 end\npcall(f)\nerror 'mine'", "script.lua:3: mine" },
      { "local function f(s) return (s:gsub('.', f)) end\nf 'a'",
        "script.lua:1: C stack overflow" },
    }
    for _, case in ipairs(cases) do
      local ok, message, code = loaded(case[1], { memory = 128 * MIB, steps = PLENTY }):call()
      assert.is_nil(ok)
      assert.equal(case[2], message:sub(1, #case[2]))
      assert.equal("policy_error", code)
    end
  end)
end)

describe("the line of a call", function()
  it("is the one that returned last in the chunk", function()
    local cases = {
      { "return function()\n\nreturn 1 end", 3 },
      { "local function help()\nreturn 1 end\nreturn function()\nlocal x = help()\nreturn x end",
        5 },
      { "local function help()\nreturn 1 end\nreturn function()\nreturn { help() } end", 4 },
      { "local function help()\nreturn 1 end\nreturn function()\nreturn help() end", 2 },
      { "return function()\nif true then\nreturn tostring(1) end return 2 end", 3 },
      { "return function()\nlocal x = 1\nend", 3 },
      { "return function()\ncoroutine.wrap(function()\nreturn 1 end)()\nreturn 1 end", 4 },
    }
    for _, case in ipairs(cases) do
      assert.same({ true, case[2] }, { made(case[1]):line() })
    end
  end)
end)

describe("the environment", function()
  it("has what is needed to decide, and nothing else", function()
    local names = {
      "_VERSION", "assert", "coroutine", "error", "getmetatable", "ipairs", "math", "next",
      "pairs", "pcall", "rawequal", "rawget", "rawlen", "rawset", "select", "setmetatable",
      "string", "table", "tonumber", "tostring", "type", "utf8", "xpcall",
    }
    local _, found = run [[
      local names = {}
      for name in pairs(_ENV) do names[#names + 1] = name end
      return table.concat(names, " ")]]
    assert.equal(table.concat(names, " "), found)
    for _, name in ipairs {
      "print", "io", "os", "debug", "load", "loadstring", "loadfile", "dofile", "require",
      "package", "collectgarbage", "warn", "_G",
    } do
      local _, message = run("\nreturn " .. name)
      assert.equal("script.lua:2: undefined global '" .. name .. "'", message)
    end
    assert.same({ true, "nil", "nil", "nil" },
      { run "return type(math.random), type(math.randomseed), type(string.dump)" })
  end)

  it("has libraries with all other functions of the standard ones", function()
    for _, name in ipairs { "coroutine", "math", "string", "table", "utf8" } do
      for field, value in pairs(_G[name]) do
        if not ({ random = true, randomseed = true, dump = true })[field] then
          assert.same({ true, type(value) }, { run("return type(" .. name .. "." .. field .. ")") })
        end
      end
    end
  end)

  it("cannot be changed", function()
    local cases = {
      { "x = 1", "cannot set global 'x'" },
      { "pairs = nil", "cannot set global 'pairs'" },
      { "function helper() end", "cannot set global 'helper'" },
      { "string.rep = nil", "cannot set string.rep" },
      { "math.pi = 3", "cannot set math.pi" },
      { "table[1] = 3", "cannot set table.number" },
      { "rawset(string, 'rep', 1)", "read-only" },
      { "rawset(_ENV, 'x', 1)", "read-only" },
      { "table.insert(string, 1)", "cannot set string." },
      { "table.move({ 1 }, 1, 1, 1, table)", "cannot set table." },
      { "setmetatable(string, {})", "protected metatable" },
      { "setmetatable(_ENV, nil)", "protected metatable" },
      { "getmetatable('').__index = nil", "attempt to index" },
      { "getmetatable(_ENV).__index = nil", "attempt to index" },
    }
    for _, case in ipairs(cases) do
      local ok, message, code = run(case[1])
      assert.is_nil(ok, case[1])
      assert.matches(case[2], message, 1, true)
      assert.matches("^script%.lua:1: ", message)
      assert.equal("policy_error", code)
    end
  end)

  it("shows no addresses", function()
    local _, text = run [[
      local named = setmetatable({}, { __name = "Thing" })
      return table.concat({ tostring({}), tostring(pairs), tostring(named),
        tostring(coroutine.running()), ("%s"):format({}) }, " ")]]
    assert.equal("table function Thing thread table", text)
    assert.matches("shows addresses", select(2, run "return ('%p'):format({})"))
  end)

  it("refuses finalizers", function()
    assert.matches("no finalizers %(__gc%) here",
      select(2, run "setmetatable({}, { __gc = function() end })"))
    assert.same({ true, 5 }, { run [[
      local count, mt = 0, {}
      for i = 1, 5 do setmetatable({}, mt) count = count + 1 end
      mt.__gc = function() count = 1000 end
      for i = 1, 1000 do local t = { i } end
      return count]] })
  end)

  it("ends coroutines with the call that made them", function()
    local box = made [[
      local co, wrapped
      return function(what)
        if what == "make" then
          co = coroutine.create(function() coroutine.yield(1) end)
          wrapped = coroutine.wrap(function() coroutine.yield(1) end)
          return coroutine.resume(co)
        end
        if what == "wrapped" then return wrapped() end
        return coroutine[what](co)
      end]]
    assert.same({ true, true, 1 }, { box:call "make" })
    for _, what in ipairs { "resume", "close", "wrapped" } do
      assert.matches("a coroutine of an earlier call", select(2, box:call(what)))
    end
    assert.same({ true, "suspended" }, { box:call "status" })
  end)
end)

describe("pairs and next", function()
  it("go by the keys alone", function()
    local expected = "-1 0 1 1.5 2 9 a a1 aa b z false true"
    for seed = 1, 20 do
      local _, order = run([=[
        local keys = { "z", 1, "aa", true, -1, "b", 1.5, 9, "a", false, 2, 0, "a1" }
        local t, out, again = {}, {}, {}
        for i = 1, #keys do t[keys[(i * 5 + ...) % #keys + 1]] = i end
        for key in pairs(t) do out[#out + 1] = tostring(key) end
        local key = next(t)
        while key ~= nil do again[#again + 1] = tostring(key) key = next(t, key) end
        local one, two = table.concat(out, " "), table.concat(again, " ")
        return one == two and one]=], seed)
      assert.equal(expected, order)
    end
  end)

  it("give each key of a large table once, in order", function()
    assert.same({ true, 1500, true }, { run [[
      local t, count, sorted, last = {}, 0, true, ""
      for i = 1, 1500 do t["k" .. (i * 7919) % 10007] = i end
      for key, value in pairs(t) do
        sorted = sorted and last < key and t[key] == value
        last, count = key, count + 1
      end
      return count, sorted]] })
  end)

  it("tell integers from the floats next to them", function()
    assert.same({ true, "9223372036854775807 9.2233720368548e+18 inf" }, { run [[
      local out = {}
      for key in pairs { [1 / 0] = 1, [2 ^ 63] = 2, [math.maxinteger] = 3 } do
        out[#out + 1] = tostring(key)
      end
      return table.concat(out, " ")]] })
  end)

  it("leave out what is removed on the way", function()
    assert.same({ true, "a1 c3" }, { run [[
      local t, out = { a = 1, b = 2, c = 3 }, {}
      for key, value in pairs(t) do
        out[#out + 1] = key .. value
        t.b = nil
        t.zz = 1
      end
      return table.concat(out, " ")]] })
  end)

  it("refuse keys that have only an address", function()
    assert.matches("a key that is a table has no order", select(2, run "pairs { [{}] = 1 }"))
    assert.matches("a key that is a function has no order",
      select(2, run "next { [pairs] = 1, a = 1 }"))
  end)

  it("hear of __pairs", function()
    assert.same({ true, 6 }, { run [[
      local t = setmetatable({}, { __pairs = function(t)
        return function(_, i) if i < 3 then return i + 1, i + 1 end end, t, 0
      end })
      local sum = 0
      for _, value in pairs(t) do sum = sum + value end
      return sum]] })
  end)
end)

describe("what a script may do", function()
  local function shown(...)
    local out = {}
    for i = 1, select("#", ...) do
      local value = select(i, ...)
      if type(value) == "number" then
        out[i] = math.type(value) .. ":" .. tostring(value)
      elseif type(value) == "table" or type(value) == "function" then
        out[i] = type(value)
      else
        out[i] = type(value) .. ":" .. tostring(value)
      end
    end
    return table.concat(out, " | ")
  end

  for _, row in ipairs(allowed) do
    it("comes out as it does elsewhere: " .. row[1], function()
      local here = load(row[2], "@script.lua")
      assert.equal(shown(true, here()), shown(run(row[2])))
    end)
  end

  local function compare(count, draw)
    local box = loaded(random_calls.script, { steps = PLENTY, wall = 60000 })
    local here = load(random_calls.script, "@script.lua")
    local failures = 0
    for seed = 1, count do
      random_calls.seed(seed * 2654435761)
      local call = table.pack(draw())
      local expected = here(table.unpack(call, 1, call.n))
      local ok, found = box:call(table.unpack(call, 1, call.n))
      local fails = expected:find("^boolean:false") ~= nil
      -- Of two mistakes in one format either may be found first.
      if call[1] == "format" and fails and ok and found:find("^boolean:false") then
        found = expected
      end
      -- Lua 5.4.4 says that the table is the wrong argument.
      if call[1] == "remove" then expected = expected:gsub("#1 to", "#2 to") end
      if fails then failures = failures + 1 end
      assert.is_true(expected == found,
        ("seed %d: %s: %s, not %s"):format(seed, call[1], found, expected))
    end
    return failures
  end

  it("with patterns is the same in random calls, errors included", function()
    assert.is_true(compare(CALLS, random_calls.matching) > CALLS / 10)
  end)

  it("with the other functions is the same in random calls, errors included", function()
    assert.is_true(compare(CALLS, random_calls.other) > CALLS / 10)
  end)
end)
