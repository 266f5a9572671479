--- Versions of policies: kept, shown, compared, gone back to, and tried on what was recorded.

local cairn = require "cairn"
local cjson = require "cjson"
local lfs = require "lfs"

local place = require "spec.support.place"
local program = require "spec.support.program"
local scripts = require "spec.support.policies"

describe("versions of a policy", function()
  local directory, policies

  before_each(function()
    directory = place.fresh()
    policies = assert(cairn.policies { directory = directory, watch = false })
  end)

  after_each(function()
    policies:close()
    place.remove(directory)
  end)

  local function put(source, name)
    place.put(("%s/%s.lua"):format(directory, name or "cache_control"), source)
  end

  --- Saved and taken; returns its version.
  local function take(source, name)
    put(source, name)
    assert(policies:reload(name or "cache_control"))
    return select(2, assert(policies:show(name or "cache_control")))
  end

  local function fresh_for()
    return assert(policies:decide("cache_control", { moment = "store" })).fresh_for
  end

  local function shown_versions()
    local list = {}
    for i, each in ipairs(assert(policies:versions("cache_control"))) do
      list[i] = each.version .. (each.current and "*" or "")
    end
    return list
  end

  it("are named by their content, the one taken last first", function()
    local first = take(scripts.keeping(1000))
    local second = take(scripts.keeping(2000))
    assert.matches("^%x+$", first)
    assert.equal(12, #first)
    local versions = shown_versions()
    assert.equal(second .. "*", versions[1])
    assert.equal(first, versions[2])
    assert.equal(scripts.keeping(2000), (policies:show("cache_control")))
    local saved = assert(policies:versions("cache_control"))[1].saved
    assert.is_true(math.abs(saved - cairn.now()) < 60000)
  end)

  it("are shown by their first characters", function()
    local first = take(scripts.keeping(1000))
    take(scripts.keeping(2000))
    for length = 4, 12, 4 do
      local source, version = policies:show("cache_control", first:sub(1, length):upper())
      assert.equal(scripts.keeping(1000), source)
      assert.equal(first, version)
    end
  end)

  it("are refused by what could be several, or none", function()
    local by_first = {}
    local prefix
    for i = 1, 40 do -- of 17 hashes two begin alike
      local version = take(scripts.keeping(i))
      local letter = version:sub(1, 1)
      if by_first[letter] then prefix = letter break end
      by_first[letter] = version
    end
    local _, message, code = policies:show("cache_control", prefix)
    assert.equal("invalid_argument", code)
    assert.matches(by_first[prefix], message, 1, true)
    _, message, code = policies:show("cache_control", "zz")
    assert.equal("not_found", code)
    assert.matches("no version begins with 'zz'", message, 1, true)
    _, _, code = policies:show("cache_control", "")
    assert.equal("not_found", code)
    assert.equal("not_found", (select(3, policies:show("nosuch"))))
    assert.equal("not_found", (select(3, policies:show("nosuch", "00"))))
    assert.equal("not_found", (select(3, policies:versions("nosuch"))))
    assert.equal("not_found", (select(3, policies:rollback("nosuch"))))
  end)

  it("are compared with the one before", function()
    local first = take(scripts.keeping(1000))
    local second = take(scripts.keeping(2000))
    local expected = ("--- cache_control@%s\n+++ cache_control@%s\n"):format(first, second)
      .. "@@ -1,4 +1,4 @@\n-local FOR = 1000 -- ms\n+local FOR = 2000 -- ms\n \n"
      .. ' local policy = { question = "cache_control" }\n \n'
    assert.equal(expected, assert(policies:diff("cache_control")))
    assert.equal(expected, assert(policies:diff("cache_control", first)))
    assert.equal(expected, assert(policies:diff("cache_control", first:sub(1, 8), second)))
    assert.matches("\n-local FOR = 2000", assert(policies:diff("cache_control", second, first)), 1,
      true)
    assert.equal("", policies:diff("cache_control", second, second))
  end)

  it("are gone back to, further each time, down to the shipped one", function()
    local shipped = select(2, policies:show("cache_control"))
    local first = take(scripts.keeping(1000))
    take(scripts.keeping(2000))
    assert.equal(2000, fresh_for())
    assert.equal(first, policies:rollback("cache_control"))
    assert.equal(1000, fresh_for())
    assert.equal(scripts.keeping(1000), place.content(directory .. "/cache_control.lua"))
    assert.equal(shipped, policies:rollback("cache_control"))
    assert.equal(policies:show("cache_control"), place.content(directory .. "/cache_control.lua"))
    local _, message, code = policies:rollback("cache_control")
    assert.equal("not_found", code)
    assert.matches("no version before " .. shipped, message, 1, true)
  end)

  it("that were gone back from are not what decided before", function()
    local first = take(scripts.keeping(1000))
    local bad = take(scripts.keeping(2000))
    assert.equal(first, policies:rollback("cache_control"))
    take(scripts.keeping(3000))
    assert.equal(first, policies:rollback("cache_control"))
    assert.equal(bad, policies:rollback("cache_control", bad:sub(1, 6)))
    assert.equal(2000, fresh_for())
  end)

  it("that decide are what a broken file is gone back from to", function()
    take(scripts.keeping(1000))
    local second = take(scripts.keeping(2000))
    put("return {")
    local _, message, code = policies:reload("cache_control")
    assert.equal("policy_error", code)
    assert.matches("cache_control.lua:1: ", message, 1, true)
    assert.equal(2000, fresh_for())
    assert.equal(second, policies:rollback("cache_control"))
    assert.equal(scripts.keeping(2000), place.content(directory .. "/cache_control.lua"))
    assert(policies:reload("cache_control"))
  end)

  it("leave nothing else in the directory", function()
    take(scripts.keeping(1000))
    take(scripts.keeping(2000))
    assert(policies:rollback("cache_control"))
    local seen = {}
    for name in lfs.dir(directory) do seen[name] = true end
    assert.same({ ["."] = true, [".."] = true, [".versions"] = true,
      ["cache_control.lua"] = true }, seen)
  end)

  it("that were tampered with are not gone back to", function()
    local first = take(scripts.keeping(1000))
    take(scripts.keeping(2000))
    local found
    for _, file in ipairs(place.files(directory .. "/.versions")) do
      if file:find(first, 1, true) then found = directory .. "/.versions/" .. file end
    end
    os.execute("chmod u+w " .. found)
    place.put(found, scripts.keeping(666))
    local _, message = policies:rollback("cache_control")
    assert.matches(first, message, 1, true)
    assert.equal(2000, fresh_for())
  end)

  it("raise for what is no name", function()
    for _, method in ipairs { "versions", "show", "diff", "rollback", "promote" } do
      for _, name in ipairs { 5, "", "../x", "a/b", "a\0b", "A" } do
        assert.has_error(function() policies[method](policies, name) end)
        assert.has_error(function() policies[method](policies, name, "00") end)
      end
    end
    assert.has_error(function() policies:show("cache_control", 5) end)
    assert.has_error(function() policies:try("x") end)
  end)

  describe("on trial", function()
    it("become the policy", function()
      take(scripts.keeping(1000))
      place.put(directory .. "/candidate.txt", scripts.keeping(5000))
      local version = assert(policies:canary("cache_control", directory .. "/candidate.txt",
        { share = 0 }))
      assert.equal(1000, fresh_for())
      assert.equal(version, policies:promote("cache_control"))
      assert.equal(5000, fresh_for())
      assert.equal(scripts.keeping(5000), place.content(directory .. "/cache_control.lua"))
      assert.equal("not_found", (select(3, policies:promote("cache_control"))))
      for _, info in ipairs(policies:list()) do assert.is_nil(info.canary) end
    end)

    it("are not there to promote when none was begun", function()
      local _, message, code = policies:promote("cache_control")
      assert.equal("not_found", code)
      assert.is_string(message)
    end)
  end)
end)

describe("a process that runs", function()
  local directory

  before_each(function() directory = place.fresh() end)
  after_each(function() place.remove(directory) end)

  it("follows what the program does to its policies", function()
    local own = directory .. "/own"
    lfs.mkdir(own)
    place.put(own .. "/cache_control.lua", scripts.keeping(1000))
    place.put(directory .. "/engine.lua", [[
      local cairn = require "cairn"
      local policies <close> = assert(cairn.policies())
      local said
      while io.open("stop") == nil do
        local decision = assert(policies:decide("cache_control", { moment = "store" }))
        if decision.fresh_for ~= said then
          said = decision.fresh_for
          print("keeps for " .. said .. ";")
          io.stdout:flush()
        end
      end]])
    local env = program.environment(directory, { CAIRN_POLICIES = own })
    local engine = place.start({ program.path, "run", "engine.lua" }, {
      cwd = directory, env = env,
    })
    local function run(...)
      local done = program.within(directory)(...)
      assert.equal("", done.err)
      assert.equal(0, done.code)
      return done.out
    end
    place.until_said(engine, "keeps for 1000;")
    place.put(own .. "/cache_control.lua", scripts.keeping(2000))
    place.until_said(engine, "keeps for 2000;")
    assert.matches("decides", run("--policies", own, "policy", "rollback", "cache_control"))
    place.until_said(engine, "keeps for 2000;.*keeps for 1000;")
    place.put(directory .. "/candidate.lua", scripts.keeping(3000))
    run("--policies", own, "policy", "canary", "cache_control", "candidate.lua", "--share", "1")
    place.until_said(engine, "keeps for 3000;")
    run("--policies", own, "policy", "abandon", "cache_control")
    place.until_said(engine, "keeps for 3000;.*keeps for 1000;")
    run("--policies", own, "policy", "canary", "cache_control", "candidate.lua", "--share", "0")
    run("--policies", own, "policy", "promote", "cache_control")
    place.until_said(engine, "keeps for 1000;.*keeps for 3000;\n$")
    place.put(directory .. "/stop", "")
    place.wait(engine)
    assert.equal("", engine.err)
    assert.equal(0, engine.code)
    assert.equal(scripts.keeping(3000), place.content(own .. "/cache_control.lua"))
  end)
end)

-- -- Trying --------------------------------------------------------------------------------------

describe("a candidate that is tried", function()
  local directory, policies, trace

  before_each(function()
    directory = place.fresh()
    policies = assert(cairn.policies { directory = directory .. "/own", watch = false })
    trace = directory .. "/trace.jsonl"
  end)

  after_each(function()
    policies:close()
    place.remove(directory)
  end)

  --- The lines that a call leaves: it looked `key` up at `now`, and computed if `size` is given.
  local function call(lines, now, key, size, more)
    local facts = {
      moment = "lookup", request = more and more.request, base = "base", path = key, now = now,
    }
    local function add(changes)
      local own = {}
      for name, value in pairs(facts) do own[name] = value end
      for name, value in pairs(changes) do own[name] = value end
      lines[#lines + 1] = cjson.encode { time = now, question = "cache_control", facts = own,
        decision = {}, policy = "cache_control", version = "000000000000" }
    end
    add {}
    if size then add { moment = "store", size = size, cost = 1, result = more and more.result } end
    if more and more.failure then add { moment = "error", failure = more.failure } end
  end

  local function try(source, lines)
    place.put(directory .. "/candidate.lua", source)
    place.put(trace, table.concat(lines, "\n") .. "\n")
    return policies:try(directory .. "/candidate.lua", trace)
  end

  it("is told what it would have found and kept", function()
    local lines = {}
    call(lines, 0, "a", 100, { request = "store, cache" })
    call(lines, 10, "b", 50)
    call(lines, 500, "a", nil, { request = "cache" }) -- a hit when it was recorded
    call(lines, 600, "b", 50)
    call(lines, 2000, "a", nil, { request = "cache" })
    local report = assert(try(scripts.keeping(1000), lines))
    assert.same({ hits = 2, stale = 0, misses = 1, bypasses = 2, stored = 1, stored_bytes = 100,
      hit_bytes = 200, stores_asked = 0 }, report.live)
    -- `a` is no longer fresh at 2000 and computed again; `b` is found at 600.
    assert.same({ hits = 2, stale = 0, misses = 3, bypasses = 0, stored = 3, stored_bytes = 250,
      hit_bytes = 150, stores_asked = 0 }, report.candidate)
    assert.equal(8, report.decisions)
    assert.equal(0, report.errors)
    assert.equal(0, report.dropped)
    -- Differ: whether `b` is looked up and kept, twice, and for how long `a` is.
    assert.equal(5, report.different)
    assert.equal(5, #report.differences)
    local first = report.differences[1]
    assert.equal(2, first.line)
    assert.equal("store", first.facts.moment)
    assert.is_nil(first.was.fresh_for)
    assert.equal(1000, first.would_be.fresh_for)
  end)

  it("is told what it would have served stale", function()
    local lines = {}
    local more = { request = "cache, store", result = "max-age=1, stale-if-error=10" }
    call(lines, 0, "a", 10, more)
    call(lines, 5000, "a", nil, { request = "cache", failure = "io" })
    call(lines, 20000, "a", nil, { request = "cache", failure = "io" })
    local report = assert(try(scripts.keeping(1000), lines))
    assert.equal(1, report.live.stale)
    assert.equal(1, report.live.hits)
    assert.equal(2, report.live.misses)
    -- It has no opinion at "error": the shipped policy decides, but nothing was kept for errors.
    assert.equal(0, report.candidate.stale)
    assert.equal(3, report.candidate.misses)
  end)

  it("is told which decisions it failed at, and does not make them", function()
    local lines = {}
    call(lines, 0, "a", 10, { request = "cache, store" })
    call(lines, 1, "a", nil, { request = "cache" })
    local report = assert(try(scripts.deciding [[
      if context.moment == "error" then return nil end
      return context.nothing.at_all]], lines))
    assert.equal(3, report.errors)
    assert.equal(3, report.different)
    assert.matches("candidate.lua:5: ", report.differences[1].would_be, 1, true)
    assert.same(report.live, report.candidate)
  end)

  it("is followed by the shipped policy where it fails, not by the user's", function()
    assert(lfs.mkdir(directory .. "/own"))
    place.put(directory .. "/own/cache_control.lua", scripts.keeping(1000))
    assert(policies:reload())
    local lines = {}
    for now = 0, 9 do call(lines, now, "a", now == 0 and 10 or nil) end
    local report = assert(try(scripts.deciding [[
      if context.moment == "lookup" then return context.nothing.at_all end
      return nil]], lines))
    assert.equal(9, report.live.hits)
    assert.equal(0, report.candidate.hits)
    assert.equal(10, report.candidate.bypasses)
    assert.equal(10, report.errors)
  end)

  it("is followed by the shipped policy where it has no opinion, too", function()
    assert(lfs.mkdir(directory .. "/own"))
    place.put(directory .. "/own/cache_control.lua", scripts.keeping(1000))
    assert(policies:reload())
    local lines = {}
    call(lines, 0, "a", 10)
    call(lines, 1, "a")
    local report = assert(try(scripts.deciding "return nil", lines))
    assert.equal(0, report.errors)
    assert.equal(1, report.live.hits)
    assert.equal(0, report.candidate.hits)
    assert.equal(3, report.different)
  end)

  it("is asked which stores it would ask", function()
    local lines = {}
    for i = 1, 10 do
      lines[i] = cjson.encode { time = 1, question = "chain", decision = {},
        answered = i > 8 and "disk" or i > 4 and "hot" or nil,
        facts = { action = "read", operation = "read", path = "x", now = 1, stores = {
          { name = "hot", backend = "memory", scope = "local", read = true, write = true,
            tier = true, failing = false },
          { name = "disk", backend = "rocksdb", scope = "local", read = true, write = true,
            tier = false, failing = false },
        } } }
    end
    local report = assert(try([[
      local policy = { question = "chain" }
      function policy.decide() return { order = { "disk", "hot" } } end
      policy.examples = { { name = "disk first", context = { action = "read", stores = {
        { name = "hot", scope = "local", read = true, write = true, tier = true, failing = false },
        { name = "disk", scope = "local", read = true, write = true, tier = false,
          failing = false } } },
        decision = { order = { "disk", "hot" } } } }
      return policy]], lines))
    assert.equal(10, report.decisions)
    assert.equal(10, report.different)
    assert.equal(4 * 2 + 4 * 1 + 2 * 2, report.live.stores_asked)
    assert.equal(4 * 2 + 4 * 2 + 2 * 1, report.candidate.stores_asked)
  end)

  it("is asked nothing of other questions, and told what is missing", function()
    local lines = {}
    call(lines, 0, "a", 10)
    lines[#lines + 1] = '{"time":1,"dropped":7}'
    lines[#lines + 1] = '{"time":1,"question":"eviction","facts":{},"decision":{}}'
    local report = assert(try(scripts.keeping(1000), lines))
    assert.equal(2, report.decisions)
    assert.equal(7, report.dropped)
  end)

  it("shows a hundred differences and counts the rest", function()
    local lines = {}
    for i = 1, 150 do call(lines, i, "key" .. i) end
    local report = assert(try(scripts.keeping(1000), lines))
    assert.equal(150, report.different)
    assert.equal(100, #report.differences)
  end)

  it("takes what was recorded", function()
    local cache <close> = assert(cairn.cache { store = "memory:", policies = policies,
      cache_control = "always" })
    assert(policies:trace(trace))
    local base = assert(cache:write { name = "base" })
    for i = 1, 20 do
      assert(cache:resolve(base, { path = "key" .. i % 5 }, function() return ("x"):rep(10) end))
    end
    assert(policies:trace(nil))
    place.put(directory .. "/candidate.lua", scripts.keeping(1000000))
    local report = assert(policies:try(directory .. "/candidate.lua", trace))
    assert.is_true(report.decisions >= 25)
    assert.equal(15, report.live.hits)
    assert.equal(5, report.live.misses)
    assert.equal(15, report.candidate.hits)
    assert.equal(50, report.candidate.stored_bytes)
    assert.equal(0, report.errors)
  end)

  local garbage = {
    { "no JSON", "nonsense" },
    { "half a line", '{"time":1,"question":"cache_con' },
    { "a number", "5" },
    { "a list", "[1, 2]" },
    { "no question", '{"time":1,"facts":{}}' },
    { "no facts", '{"time":1,"question":"cache_control"}' },
    { "nothing", "" },
  }
  for _, case in ipairs(garbage) do
    it("is not tried on a trace with " .. case[1] .. ", which line is said", function()
      local lines = {}
      call(lines, 0, "a", 10)
      lines[3] = case[2]
      local report, message, code = try(scripts.keeping(1000), lines)
      assert.is_nil(report)
      assert.equal("corrupt", code)
      assert.matches("trace.jsonl:3: ", message, 1, true)
    end)
  end

  it("survives facts of any kind", function()
    local lines = {}
    for _, facts in ipairs {
      '{}', '{"moment":5}', '{"moment":"lookup","base":5,"path":{},"now":"x"}',
      '{"moment":"store","base":"a","path":"b","now":1,"size":"big","cost":{}}',
      '{"moment":"store","base":"a","path":"b","now":1.5}', '[1]',
      '{"moment":"lookup","base":"a","path":"b","now":9223372036854775807}',
      '{"moment":"lookup","base":"a","path":"b","now":-9223372036854775807}',
    } do
      lines[#lines + 1] = ('{"question":"cache_control","facts":%s}'):format(facts)
    end
    local report, message = try(scripts.keeping(1000), lines)
    assert.is_true(report ~= nil or message:find("trace.jsonl", 1, true) ~= nil)
  end)

  it("must be there, and good", function()
    local lines = {}
    call(lines, 0, "a", 10)
    local _, message, code = try("return 5", lines)
    assert.equal("policy_error", code)
    assert.matches("candidate.lua", message, 1, true)
    os.remove(directory .. "/candidate.lua")
    _, message = policies:try(directory .. "/candidate.lua", trace)
    assert.matches("candidate.lua", message, 1, true)
    _, message, code = policies:try(directory .. "/candidate.lua", directory .. "/nothing")
    assert.equal("io", code)
    assert.matches("nothing", message, 1, true)
  end)
end)
