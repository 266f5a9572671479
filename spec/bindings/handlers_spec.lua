--- The modules that workers run: found as `require` finds them, tried before they are used, and
--- taken anew when their files change.

local lfs = require "lfs"
local place = require "spec.support.place"
local uv = require "luv"

local handlers = assert(package.loadlib(place.build .. "/spec/handlers.so", "luaopen_handlers"))()

-- Under the sanitizers all takes longer.
local SLOW = os.getenv "CAIRN_PRELOAD" and 10 or 1
local SECONDS = tonumber(os.getenv "CAIRN_STRESS_SECONDS" or "2")

local GOOD = "return { handle = function() return %q end }"

describe("handlers", function()
  local directory, set

  local function open(watch, path)
    set = assert(handlers.open(path or directory .. "/?.lua;" .. directory .. "/?/init.lua", watch))
    return set
  end

  local function file(name) return directory .. "/" .. name end

  local function save(name, text) place.put(file(name), text) end

  --- As many editors do: beside it, then over it.
  local function save_over(name, text)
    place.put(file(name .. "~"), text)
    assert(os.rename(file(name .. "~"), file(name)))
  end

  local function answer(name) return assert(set:load(name)).handle() end

  --- Waits until something is so, for a few seconds at most.
  local function eventually(what, is_so)
    local give_up = os.time() + 5 * SLOW
    while not is_so() do
      assert(os.time() < give_up, what .. " did not come about")
      uv.sleep(2)
    end
  end

  local function problem(name)
    for _, row in ipairs(set:all()) do
      if row.name == name then return row.problem end
    end
  end

  --- What has been reported, as "event name: message" without the directory.
  local function told()
    local lines = {}
    for _, event in ipairs(set:events()) do
      local line = event.event .. " " .. event.name
      if event.message then
        line = line .. ": " .. event.message:gsub(directory:gsub("%p", "%%%0") .. "/", "", 1)
      end
      lines[#lines + 1] = line
    end
    return lines
  end

  before_each(function() directory = place.fresh() end)
  after_each(function()
    if set then set:close() end
    set = nil
    place.remove(directory)
  end)

  describe("are found", function()
    before_each(function()
      lfs.mkdir(file "jobs")
      lfs.mkdir(file "jobs/report")
      save("counter.lua", GOOD:format "a")
      save("jobs/counter.lua", GOOD:format "b")
      save("jobs/report/init.lua", GOOD:format "c")
      open(false)
    end)

    local rows = {
      { "by the name of a module", "counter", "counter.lua", "a" },
      { "in a folder, where the name has a dot", "jobs.counter", "jobs/counter.lua", "b" },
      { "by a later template", "jobs.report", "jobs/report/init.lua", "c" },
    }
    for _, row in ipairs(rows) do
      it(row[1], function()
        assert.same({ row[2], file(row[3]) }, { set:find(row[2]) })
        assert.equal(row[4], answer(row[2]))
      end)
    end

    it("by the name of a file", function()
      local name = file "jobs/counter.lua"
      assert.same({ name, name }, { set:find(name) })
      assert.equal("b", answer(name))
    end)

    it("by a file beneath the current directory", function()
      local name = "policies/chain.lua"
      local _, message = set:find(name)
      assert.equal(name .. ":1: `handle` is nil, not a function", message)
    end)

    it("as one for each name, whatever file they are", function()
      assert(set:find "jobs.counter")
      assert(set:find(file "jobs/counter.lua"))
      assert(set:find "jobs.counter")
      assert.equal(2, #set:all())
      assert.equal(set:version "jobs.counter", set:version(file "jobs/counter.lua"))
      assert.not_equal(set:serial "jobs.counter", set:serial(file "jobs/counter.lua"))
    end)

    it("through a symbolic link", function()
      lfs.link(file "counter.lua", file "linked.lua", true)
      assert(set:find "linked")
      assert.equal("a", answer "linked")
    end)

    it("with their name and file as arguments, as `require` gives them", function()
      save("named.lua", "local name, at = ... "
        .. "return { handle = function() return name, at end }")
      assert.same({ "named", file "named.lua" }, { set:load("named").handle() })
    end)

    it("with a first line for the shell, which counts", function()
      save("shell.lua",
        "\xEF\xBB\xBF#!/usr/bin/lua\nreturn { handle = function() error 'here' end }")
      local ok, message = pcall(set:load("shell").handle)
      assert.is_false(ok)
      assert.matches("shell%.lua:2: here$", message)
    end)

    it("tried with what loops give them, and in no state of anybody's", function()
      save("tried.lua", "assert(prepared ~= (counted ~= nil)) counted = 1 "
        .. "return { handle = function() end, limit = 3 }")
      assert(set:find "tried")
      assert.is_nil(rawget(_G, "counted"))
      assert.is_nil(package.loaded.tried)
    end)

    it("with what they require, from the same path", function()
      save("needs.lua", "local counter = require 'jobs.counter' "
        .. "return { handle = function() return counter.handle() end }")
      assert(set:find "needs")
    end)

    it("with methods that they inherit", function()
      save("heir.lua",
        "return setmetatable({}, { __index = { handle = function() return 'h' end } })")
      assert.equal("h", answer "heir")
    end)
  end)

  describe("are not found", function()
    before_each(function() open(false) end)

    it("with all the places named where they were looked for", function()
      local found, message, code = set:find "jobs.nowhere"
      assert.is_nil(found)
      assert.equal("not_found", code)
      assert.equal(("handler 'jobs.nowhere' is not there: no file '%s', no file '%s'"):format(
        file "jobs/nowhere.lua", file "jobs/nowhere/init.lua"), message)
    end)

    it("where a file is named that is not there", function()
      for _, name in ipairs { file "nowhere.lua", "./nowhere.lua", "nowhere.lua",
        "/dev/null/x.lua" } do
        local found, message, code = set:find(name)
        assert.is_nil(found)
        assert.equal("not_found", code)
        assert.equal(("handler '%s' is not there: no file '%s'"):format(name, name), message)
      end
    end)

    it("under names that cannot be", function()
      for name, why in pairs { [""] = "without a name", [("x"):rep(1025)] = "over 1024 bytes",
        ["a\0b"] = "zero" } do
        local found, message, code = set:find(name)
        assert.is_nil(found)
        assert.equal("invalid_argument", code)
        assert.matches(why, message, 1, true)
      end
    end)

    it("until they are there", function()
      assert.is_nil(set:find "late")
      save("late.lua", GOOD:format "late")
      assert.equal("late", answer "late")
    end)
  end)

  -- Name, text, what is said after "file:".
  local broken = {
    { "cannot be compiled", "return {\n  handle = function( end }",
      "2: <name> or '...' expected near 'end'" },
    { "ends in the middle", "return { handle = function()", "1: 'end' expected near <eof>" },
    { "is empty", "", "1: it returns nil, not a table with a function `handle`" },
    { "raises", "\n\nerror 'no'", "3: no" },
    { "raises without a place", "\nerror('no', 0)", "2: no" },
    { "raises what is no text", "\n\nerror {}", "3: (an error that is a table)" },
    { "fails deep inside", "local function f() return nil .. 'x' end\nlocal x = f()\nreturn x",
      "1: attempt to concatenate a nil value" },
    { "requires what is not there", "\nrequire 'not.there'", "2: module 'not.there' not found:" },
    { "returns no table", "return 'x'", "1: it returns a string, not a table with a function" },
    { "has no `handle`", "return {}", "1: `handle` is nil, not a function" },
    { "has a `handle` that is none", "return { handle = 1 }",
      "1: `handle` is a number, not a function" },
    { "has an `init` that is none", "return { handle = print, init = {} }",
      "1: `init` is a table, not a function" },
    { "has a `migrate` that is none", "return { handle = print, migrate = true }",
      "1: `migrate` is a boolean, not a function" },
    { "has a `shutdown` that is none", "return { handle = print, shutdown = 'x' }",
      "1: `shutdown` is a string, not a function" },
    { "is bytecode", string.dump(function() return { handle = print } end),
      "1: attempt to load a binary chunk" },
    { "is bytecode behind a first line", "#\n" .. string.dump(function() end),
      "2: unexpected symbol" },
    { "never ends", "\nwhile true do end", "2: it takes over 2000 ms to load" },
    { "catches that it never ends", "while true do\n  pcall(function() while true do end end)\nend",
      "2: it takes over 2000 ms to load" },
    { "never ends in a coroutine", "coroutine.wrap(function() while true do end end)()",
      "1: it takes over 2000 ms to load" },
    { "takes all memory",
      "local text = ('x'):rep(300 << 20) return { handle = print, text = text }",
      "1: it takes over 256 MiB to load" },
    { "recurses for ever", "local function f() return (('x'):gsub('x', f)) end\nf()",
      "1: C stack overflow" },
    { "is too large", ("-"):rep((4 << 20) + 1), "1: it has over 4194304 bytes" },
  }

  describe("are refused where the file", function()
    before_each(function() open(false) end)

    for _, row in ipairs(broken) do
      it(row[1], function()
        save("broken.lua", row[2])
        local found, message, code = set:find "broken"
        assert.is_nil(found)
        assert.equal("invalid_argument", code)
        assert.equal(file "broken.lua:" .. row[3], message:sub(1, #file "broken.lua:" + #row[3]))
        assert.same({}, set:all())
      end)
    end

    it("is a directory", function()
      lfs.mkdir(file "broken.lua")
      local _, message, code = set:find "broken"
      assert.equal("invalid_argument", code)
      assert.equal(file "broken.lua:1: it is not a regular file", message)
    end)

    it("is a pipe, without waiting for a writer", function()
      assert.equal(0, place.run({ "/usr/bin/mkfifo", file "broken.lua" }).code)
      local _, message, code = set:find(file "broken.lua")
      assert.equal("invalid_argument", code)
      assert.equal(file "broken.lua:1: it is not a regular file", message)
    end)

    it("is a device", function()
      lfs.link("/dev/zero", file "broken.lua", true)
      local _, message = set:find "broken"
      assert.equal(file "broken.lua:1: it is not a regular file", message)
    end)

    it("has a long name, which is said whole", function()
      local name = ("long"):rep(40) .. ".lua"
      save(name, "\nerror 'no'")
      assert.equal(file(name) .. ":2: no", select(2, set:find(file(name))))
      save(name, "\nreturn }")
      assert.matches(name .. ":2: unexpected symbol", select(2, set:find(file(name))), 1, true)
    end)
  end)

  describe("that change", function()
    local function opened()
      save("counter.lua", GOOD:format "one")
      open(true)
      assert(set:find "counter")
      assert.same({ "loaded counter" }, told())
    end

    local function taken(value)
      eventually("a version", function() return answer "counter" == value end)
    end

    local ways = { { "written in place", save }, { "renamed over", save_over } }
    for _, way in ipairs(ways) do
      it("are taken when " .. way[1], function()
        opened()
        local serial, version = set:serial "counter", set:version "counter"
        way[2]("counter.lua", GOOD:format "two")
        taken "two"
        assert.is_true(set:serial "counter" > serial)
        assert.not_equal(version, set:version "counter")
        assert.equal(1, set:all()[1].reloads)
        assert.same({ "loaded counter" }, told())
      end)
    end

    it("are taken under each of their names", function()
      opened()
      assert(set:find(file "counter.lua"))
      save("counter.lua", GOOD:format "two")
      taken "two"
      eventually("the other", function() return answer(file "counter.lua") == "two" end)
    end)

    it("are taken when they were written in pieces", function()
      opened()
      local text = GOOD:format "two"
      local writing <close> = assert(io.open(file "counter.lua", "wb"))
      for i = 1, #text do
        writing:write(text:sub(i, i))
        writing:flush()
        uv.sleep(1)
      end
      assert.equal("one", answer "counter")
      writing:close()
      taken "two"
      assert.is_nil(problem "counter")
    end)

    it("are taken when a link leads elsewhere", function()
      save("one.lua", GOOD:format "one")
      save("two.lua", GOOD:format "two")
      lfs.link("one.lua", file "counter.lua", true)
      open(true)
      assert(set:find "counter")
      lfs.link("two.lua", file "beside.lua", true)
      assert(os.rename(file "beside.lua", file "counter.lua"))
      taken "two"
    end)

    it("are taken when their folder is another", function()
      for _, name in ipairs { "one", "two" } do
        lfs.mkdir(file(name))
        save(name .. "/counter.lua", GOOD:format(name))
      end
      assert(os.rename(file "one", file "live"))
      open(true, directory .. "/live/?.lua")
      assert(set:find "counter")
      assert(os.rename(file "live", file "old"))
      assert(os.rename(file "two", file "live"))
      taken "two"
    end)

    it("go on as they were when they break, which is said once", function()
      opened()
      save_over("counter.lua", "return {\n  handle = function( }")
      eventually("a problem", function() return problem "counter" end)
      local why = "counter.lua:2: <name> or '...' expected near '}'"
      assert.equal(file(why), problem "counter")
      assert.equal("one", answer "counter")
      assert.same({ nil, file(why), "invalid_argument" }, { set:reload() })
      assert.same({ "refused counter: " .. why }, told())
      save_over("counter.lua", GOOD:format "two")
      taken "two"
      assert.is_nil(problem "counter")
      assert.same({ "loaded counter" }, told())
    end)

    it("go on as they were when they are gone, until they are there again", function()
      opened()
      local serial = set:serial "counter"
      assert(os.remove(file "counter.lua"))
      eventually("a problem", function() return problem "counter" end)
      assert.equal(file "counter.lua is gone", problem "counter")
      assert.equal("one", answer "counter")
      assert.equal("not_found", select(3, set:reload()))
      save("counter.lua", GOOD:format "one")
      eventually("its return", function() return not problem "counter" end)
      assert.equal(serial, set:serial "counter")
      local lines = told()
      assert.equal("missing counter: counter.lua is gone", lines[1])
      assert.equal("restored counter", lines[#lines])
    end)

    it("go on as they were when their folder is gone, and come back with it", function()
      lfs.mkdir(file "jobs")
      save("jobs/counter.lua", GOOD:format "one")
      open(true)
      assert(set:find "jobs.counter")
      place.remove(file "jobs")
      eventually("a problem", function() return problem "jobs.counter" end)
      assert.equal("one", answer "jobs.counter")
      lfs.mkdir(file "jobs")
      save("jobs/counter.lua", GOOD:format "two")
      eventually("its return", function() return answer "jobs.counter" == "two" end)
      assert.is_nil(problem "jobs.counter")
    end)

    it("keep those that never end from nothing but themselves", function()
      opened()
      save("other.lua", GOOD:format "one")
      assert(set:find "other")
      save("counter.lua", "while true do end")
      save("other.lua", GOOD:format "two")
      eventually("the other", function() return answer "other" == "two" end)
      eventually("a problem", function() return problem "counter" end)
      assert.equal(file "counter.lua:1: it takes over 2000 ms to load", problem "counter")
      assert.equal("one", answer "counter")
    end)

    it("are closed at once while one is tried that never ends", function()
      opened()
      save("counter.lua", ("local f = io.open(%q, 'w') f:close() while true do end"):format(
        file "begun"))
      eventually("a trial", function() return lfs.attributes(file "begun") end)
      local start = uv.hrtime()
      set:close()
      assert.is_true(uv.hrtime() - start < 1e9)
    end)
  end)

  describe("that are not watched", function()
    before_each(function()
      save("counter.lua", GOOD:format "one")
      open(false)
      assert(set:find "counter")
    end)

    it("change when they are told to look", function()
      save("counter.lua", GOOD:format "two")
      assert.equal("one", answer "counter")
      assert.is_true(set:reload())
      assert.equal("two", answer "counter")
      assert.is_true(set:reload())
      assert.equal(1, set:all()[1].reloads)
    end)

    it("are tried again when they are told to, for what they require may be better", function()
      save("part.lua", "return nil .. 1")
      save("counter.lua", "require 'part' " .. GOOD:format "two")
      assert.matches("counter.lua:1: .*part.lua:1: ", select(2, set:reload()))
      save("part.lua", "return 1")
      assert.is_true(set:reload())
      assert.equal(2, #set:events() - 1)
    end)

    it("name the first that is broken, and take the others", function()
      save("a.lua", GOOD:format "one")
      save("z.lua", GOOD:format "one")
      assert(set:find "a" and set:find "z")
      save("a.lua", "return 1")
      save("counter.lua", "return 2")
      save("z.lua", GOOD:format "two")
      local ok, message, code = set:reload()
      assert.is_nil(ok)
      assert.equal("invalid_argument", code)
      assert.matches("/a.lua:1: it returns a number", message, 1, true)
      assert.equal("two", answer "z")
    end)
  end)

  it("are loaded as one version or the next while they change all the time", function()
    local text = "-- %d\nreturn { handle = function() return %d end }"
    local number = 1
    save("counter.lua", text:format(1, 1))
    open(true)
    assert.is_true(set:start "counter")
    local stop = os.time() + SECONDS
    while os.time() < stop do
      number = number + 1
      local way = number % 2 == 0 and save_over or save
      way("counter.lua", number % 5 == 0 and "return {" or text:format(number, number))
      if number % 7 == 0 then os.remove(file "counter.lua") end
      if number % 11 == 0 then set:reload() end
      uv.sleep(number % 4)
    end
    number = number + 1
    save("counter.lua", text:format(number, number))
    eventually("the last version", function() return answer "counter" == number end)
    local loads, asked, wrong = set:stop()
    assert.equal(0, wrong)
    assert.is_true(loads > 10, loads .. " loads")
    assert.is_true(asked > loads)
    assert.is_nil(problem "counter")
  end)
end)
