--- `policy`: what decides, what it was, and what another would decide.

local cjson = require "cjson"
local lfs = require "lfs"

local place = require "spec.support.place"
local program = require "spec.support.program"
local scripts = require "spec.support.policies"

describe("cairn policy", function()
  local directory, own, run

  before_each(function()
    directory = place.fresh()
    own = directory .. "/own"
    lfs.mkdir(own)
    run = program.within(directory)
  end)

  after_each(function() place.remove(directory) end)

  local function policy(...)
    return run("--policies", own, "policy", ...)
  end

  local function done(...)
    local result = policy(...)
    assert.equal("", result.err)
    assert.equal(0, result.code)
    return result.out
  end

  local function lines_of(text)
    local lines = {}
    for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
    return lines
  end

  local function objects(...)
    local list = {}
    for i, line in ipairs(lines_of(done("--json", ...))) do list[i] = cjson.decode(line) end
    return list
  end

  local function put(source, name)
    place.put(("%s/%s.lua"):format(own, name or "cache_control"), source)
  end

  local function info(name)
    for _, each in ipairs(objects("list")) do
      if each.name == name then return each end
    end
  end

  it("lists the shipped policies and which of them decide", function()
    local lines = lines_of(done("list"))
    assert.matches("^NAME +QUESTION +VERSION +SINCE +ERRORS +STATE +ORIGIN$", lines[1])
    local at = assert(lines[1]:find("ORIGIN", 1, true))
    for i = 2, #lines do assert.matches("^%S", lines[i]:sub(at)) end
    for _, question in ipairs { "cache_control", "chain", "eviction" } do
      local one = assert(info(question))
      assert.equal(question, one.question)
      assert.is_true(one.deciding)
      assert.equal("shipped", one.origin)
      assert.matches("^%x+$", one.version)
    end
    assert.is_false(info("tiered").deciding)
  end)

  it("says so where there is no directory for the user's, or something else", function()
    lfs.rmdir(own)
    assert.matches("\nno policies of your own: there is no directory " .. own .. "\n", done("list"),
      1, true)
    place.put(own, "")
    local result = policy("list")
    assert.equal(1, result.code)
    assert.matches("it is not a directory: " .. own, result.err, 1, true)
  end)

  it("names the configuration that wants a policy that is not there", function()
    place.put(directory .. "/cairn.conf.lua", "return { use = { chain = 'tierd' } }\n")
    local result = policy("list")
    assert.equal(1, result.code)
    assert.matches("cairn.conf.lua: use.chain: there is no policy 'tierd'", result.err, 1, true)
  end)

  it("lists the user's, and tells in full what is not used", function()
    put(scripts.keeping(1000))
    assert.equal(own .. "/cache_control.lua", info("cache_control").origin)
    put("return {\n  question = 5\n}", "other")
    put("\n\nlocal x = = 1", "cache_control")
    local text = done("list")
    assert.matches("cache_control.lua:3: ", text, 1, true)
    assert.matches("not used; cache_control goes on with version %x+\n", text)
    assert.matches("\nother +%- +%- +%- +0 +refused +/", text)
    assert.matches("other.lua:%d+: [^\n]*\n  not used; there is no earlier version", text)
    assert.matches("cache_control.lua:3: ", info("cache_control").problem, 1, true)
  end)

  it("lets the configuration say who decides", function()
    place.put(directory .. "/cairn.conf.lua",
      ("return { policies = %q, use = { chain = 'tiered' } }"):format(own))
    local result = run("--json", "policy", "list")
    assert.equal("", result.err)
    local deciding = {}
    for _, line in ipairs(lines_of(result.out)) do
      local one = cjson.decode(line)
      if one.deciding then deciding[one.question] = one.name end
    end
    assert.equal("tiered", deciding.chain)
    assert.equal("cache_control", deciding.cache_control)
  end)

  it("shows the source of any version", function()
    local shipped = place.content("policies/cache_control.lua")
    assert.equal(shipped, done("show", "cache_control"))
    local version = info("cache_control").version
    put(scripts.keeping(1000))
    assert.equal(scripts.keeping(1000), done("show", "cache_control"))
    assert.equal(shipped, done("show", "cache_control", version:sub(1, 5)))
    local object = objects("show", "cache_control", version)[1]
    assert.same({ name = "cache_control", version = version, source = shipped }, object)
    local missing = policy("show", "nosuch")
    assert.equal(1, missing.code)
    assert.matches("nosuch.*%(not_found%)", missing.err)
  end)

  it("shows what changed, and goes back", function()
    put(scripts.keeping(1000))
    done("reload")
    put(scripts.keeping(2000))
    local second = info("cache_control").version
    local difference = done("diff", "cache_control")
    assert.matches("\n-local FOR = 1000 -- ms\n+local FOR = 2000 -- ms\n", difference, 1, true)
    assert.same(difference, objects("diff", "cache_control")[1].difference)
    local versions = lines_of(done("versions", "cache_control"))
    assert.matches("^VERSION +TAKEN", versions[1])
    assert.matches("^" .. second .. " .* in use$", versions[2])
    local first = versions[3]:match("^%x+")

    assert.equal(("cache_control: version %s decides\n"):format(first),
      done("rollback", "cache_control"))
    assert.equal(scripts.keeping(1000), place.content(own .. "/cache_control.lua"))
    assert.same({ name = "cache_control", version = second },
      objects("rollback", "cache_control", second)[1])
    assert.equal(scripts.keeping(2000), place.content(own .. "/cache_control.lua"))
    assert.equal(1, policy("rollback", "cache_control", "zz").code)
  end)

  it("goes back from a broken file to what decided", function()
    put(scripts.keeping(1000))
    done("reload")
    put("nonsense")
    done("rollback", "cache_control")
    assert.equal(scripts.keeping(1000), place.content(own .. "/cache_control.lua"))
  end)

  it("says what would be refused, and has engines look again", function()
    put(scripts.keeping(1000))
    local before = place.content(own .. "/cache_control.lua")
    assert.matches("^cache_control: version %x+ is taken\n$", done("reload"))
    put("local = 5", "chain")
    local result = policy("reload")
    assert.equal(1, result.code)
    assert.matches("chain.lua:1: .*%(policy_error%)\n", result.err)
    assert.matches("cache_control: version", result.out, 1, true)
    assert.equal(0, policy("reload", "cache_control").code)
    assert.equal(1, policy("reload", "chain").code)
    assert.equal(1, policy("reload", "nosuch").code)
    assert.equal(before, place.content(own .. "/cache_control.lua"))
  end)

  it("runs the examples of what is there and of what is not in use", function()
    local all = done("test")
    assert.matches("%d+ examples, 0 failed\n$", all)
    assert.matches("\n  ok      ", all, 1, true)
    place.put(directory .. "/draft.lua", (scripts.keeping(1000):gsub("fresh_for = FOR } },",
      "fresh_for = 7 } },")))
    local failed = policy("test", "./draft.lua")
    assert.equal(1, failed.code)
    assert.matches("FAILED  kept for so long\n", failed.out, 1, true)
    assert.matches("1 examples, 1 failed", failed.out, 1, true)
    local object = cjson.decode(policy("--json", "test", "./draft.lua").out)
    assert.is_false(object.ok)
    assert.equal("kept for so long", object.example)
    assert.is_string(object.message)
    assert.equal(1, policy("test", "nosuch").code)
    assert.equal(1, policy("test", "./nosuch.lua").code)
  end)

  it("tells what would be decided", function()
    put(scripts.keeping(1000))
    local text = done("decide", "cache_control", '{"moment":"store"}')
    assert.matches("fresh_for = 1000", text, 1, true)
    assert.matches("by cache_control, version %x+, line %d+\n$", text)
    local object = objects("decide", "cache_control", '{"moment":"store"}')[1]
    assert.equal(1000, object.decision.fresh_for)
    assert.equal("cache_control", object.by.policy)
    assert.matches("'nosuch' is no question", policy("decide", "nosuch").err, 1, true)
    assert.equal(1, policy("decide", "nosuch").code)
    assert.equal(1, policy("decide", "cache_control", "{").code)
    assert.equal(2, policy("decide", "cache_control", "5").code)
  end)

  describe("try", function()
    local function line(moment, key, more)
      local facts = { moment = moment, base = "base", path = key, request = "cache, store" }
      for name, value in pairs(more or {}) do facts[name] = value end
      return cjson.encode { time = 0, question = "cache_control", facts = facts, decision = {} }
    end

    before_each(function()
      local lines = {}
      for i = 1, 20 do
        local key = "key" .. i % 4
        lines[#lines + 1] = line("lookup", key, { now = i * 1000 })
        lines[#lines + 1] = line("store", key, { now = i * 1000, size = 100 })
      end
      place.put(directory .. "/trace.jsonl", table.concat(lines, "\n") .. "\n")
      place.put(directory .. "/draft.lua", scripts.keeping(500))
    end)

    it("prints what would differ", function()
      local text = done("try", "draft.lua", "--trace", "trace.jsonl")
      assert.matches(
        "^40 decisions of cache_control asked again: 20 are different %(50.0 %%%)\n", text)
      assert.matches("IN USE +CANDIDATE +CHANGE\n", text)
      assert.matches("\nhits +16 +0 +%-16\n", text)
      assert.matches("\nmisses +4 +20 +%+16\n", text)
      assert.matches("\nbytes kept +400 B +2.0 KiB +%+1.6 KiB\n", text)
      assert.matches("\nline 2\n  facts ", text, 1, true)
      assert.matches("fresh_for = 500", text, 1, true)
      assert.matches("10 more are different\n$", text)
    end)

    it("shows as many differences as asked for", function()
      local text = done("try", "draft.lua", "--trace", "trace.jsonl", "--differences", "0")
      assert.is_nil(text:find("facts", 1, true))
      assert.matches("20 more are different\n$", text)
    end)

    it("gives the report as JSON", function()
      local report = objects("try", "draft.lua", "--trace", "trace.jsonl")[1]
      assert.equal(20, report.different)
      assert.equal(16, report.live.hits)
      assert.equal(20, report.candidate.misses)
      assert.equal(500, report.differences[1].would_be.fresh_for)
    end)

    it("says at once that the candidate fails, and fails", function()
      place.put(directory .. "/draft.lua", scripts.deciding [[
        if context.moment == "lookup" then return context.nothing.at_all end
        return nil]])
      for _, json in ipairs { false, true } do
        local result = json and policy("--json", "try", "draft.lua", "--trace", "trace.jsonl")
          or policy("try", "draft.lua", "--trace", "trace.jsonl")
        assert.equal(1, result.code)
        assert.equal("", result.err)
        if json then
          assert.equal(20, cjson.decode(result.out).errors)
        else
          assert.matches("^the candidate FAILED at 20 of 40 decisions, ", result.out)
        end
      end
    end)

    it("names the line that is garbage", function()
      local text = place.content(directory .. "/trace.jsonl")
      place.put(directory .. "/trace.jsonl", text .. "nonsense\n")
      local result = policy("try", "draft.lua", "--trace", "trace.jsonl")
      assert.equal(1, result.code)
      assert.matches("trace.jsonl:41: .*%(corrupt%)\n$", result.err)
    end)
  end)

  describe("with a candidate", function()
    before_each(function()
      put(scripts.keeping(1000))
      done("reload")
      place.put(directory .. "/draft.lua", scripts.keeping(5000))
    end)

    it("shows the trial, and ends it", function()
      local text = done("canary", "cache_control", "draft.lua", "--share", "0.25")
      local version = text:match("^cache_control: version (%x+) decides 25 %% of the calls\n$")
      assert.is_string(version, text)
      assert.matches("deciding, 25 %% by " .. version, done("list"))
      assert.equal(0.25, info("cache_control").canary.share)
      assert.equal("", done("abandon", "cache_control"))
      assert.is_nil(info("cache_control").canary)
      assert.equal(scripts.keeping(1000), place.content(own .. "/cache_control.lua"))
      assert.equal(1, policy("promote", "cache_control").code)
    end)

    it("makes it the policy", function()
      done("canary", "cache_control", "draft.lua")
      assert.matches("^cache_control: version %x+ decides\n$", done("promote", "cache_control"))
      assert.equal(scripts.keeping(5000), place.content(own .. "/cache_control.lua"))
      assert.is_nil(info("cache_control").canary)
    end)

    it("refuses a broken one", function()
      place.put(directory .. "/draft.lua", "nonsense")
      local result = policy("canary", "cache_control", "draft.lua")
      assert.equal(1, result.code)
      assert.matches("draft.lua:1: .*%(policy_error%)\n", result.err)
    end)
  end)

  describe("log", function()
    it("tells what happened, and goes on telling", function()
      assert.equal("", done("log"))
      put(scripts.keeping(1000))
      done("reload")
      local version = info("cache_control").version
      local text = done("log", "cache_control")
      assert.matches("%d%d%d%d%-%d%d%-%d%dT[%d:.]+Z  cache_control  loaded  " .. version, text)
      assert.equal("", done("log", "nosuch"))
      for _, event in ipairs(objects("log")) do assert.is_number(event.time) end
      assert.equal(1, #lines_of(done("log", "-n", "1")))

      local follower = place.start({ program.path, "--policies", own, "policy", "log", "-f", "-n",
        "0" }, { cwd = directory, env = program.environment(directory) })
      put(scripts.keeping(2000))
      done("reload")
      place.until_said(follower, "cache_control  loaded  %x+[^\n]*\n")
      assert.is_nil(follower.out:find(version, 1, true))
      place.signal(follower, "sigint")
      place.wait(follower)
      assert.equal("", follower.err)
    end)

    it("goes over to the next file when one is full", function()
      put(scripts.keeping(1000))
      done("reload")
      local first = info("cache_control").version
      local follower = place.start({ program.path, "--policies", own, "policy", "log", "-f" },
        { cwd = directory, env = program.environment(directory) })
      place.until_said(follower, first .. "\n")
      local log = own .. "/.versions/log.jsonl"
      local line = place.content(log)
      place.put(log, line .. ('{"time":1,"event":"filler"}\n'):rep(40000))
      place.until_said(follower, ("[^\n]*filler\n"):rep(3))
      put(scripts.keeping(2000))
      done("reload")
      assert.is_string(place.content(own .. "/.versions/log.1.jsonl"))
      place.until_said(follower, "filler\n[^\n]*cache_control  loaded  %x+\n")
      place.signal(follower, "sigint")
      place.wait(follower)
      assert.matches(first .. "\n", done("log", "cache_control"), 1, true)
      local versions = lines_of(done("versions", "cache_control"))
      assert.equal(first, versions[3]:match("^%x+"))
      done("rollback", "cache_control")
      assert.equal(first, info("cache_control").version)
    end)

    it("counts failures of the version that decides", function()
      put(scripts.deciding [[
        if context.moment == "store" then return context.nothing.at_all end
        return nil]])
      place.put(directory .. "/engine.lua", [[
        local policies <close> = assert(require("cairn").policies { watch = false })
        for _ = 1, 3 do policies:decide("cache_control", { moment = "store" }) end]])
      assert.equal(0, run("--policies", own, "run", "engine.lua").code)
      assert.is_true(info("cache_control").failures >= 1)
      assert.matches("cache_control.lua:4: ", done("log"), 1, true)
      put(scripts.keeping(1000))
      done("reload")
      assert.equal(0, info("cache_control").failures)
    end)
  end)
end)
