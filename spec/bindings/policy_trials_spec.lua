--- Candidates that lie in the directory of policies, and what a process finds there when it
--- begins. Two hosts of one directory stand for two processes.

local cairn = require "cairn"
local cjson = require "cjson"
local lfs = require "lfs"
local uv = require "luv"

local place = require "spec.support.place"
local scripts = require "spec.support.policies"

local FAILING = scripts.deciding [[
  if context.moment == "store" then return context.nothing.at_all end
  return nil]]

describe("a candidate in the directory", function()
  local directory, here, there

  -- Different settings make different hosts.
  local function open(wall)
    return assert(cairn.policies { directory = directory, watch = false, wall = wall })
  end

  before_each(function()
    directory = place.fresh()
    place.put(directory .. "/cache_control.lua", scripts.keeping(1000))
    here, there = open(50), open(51)
  end)

  after_each(function()
    here:close()
    there:close()
    place.remove(directory)
  end)

  local function canary_of(policies)
    for _, info in ipairs(policies:list()) do
      if info.name == "cache_control" then return info.canary end
    end
  end

  local function fresh_for(policies)
    return assert(policies:decide("cache_control", { moment = "store" })).fresh_for
  end

  local function begin(source, options)
    local file = directory .. "/candidate.txt"
    place.put(file, source)
    return assert(here:canary("cache_control", file, options))
  end

  local function put(suffix, text)
    place.put(directory .. "/cache_control.canary." .. suffix, text)
  end

  local function has(suffix)
    return lfs.attributes(directory .. "/cache_control.canary." .. suffix) ~= nil
  end

  local function last_event(policies)
    local events = policies:events()
    return events[#events]
  end

  it("is on trial wherever the directory is watched, on the same terms", function()
    local version = begin(scripts.keeping(5000), { share = 1, max_errors = 0.5, min_calls = 7 })
    assert(there:reload())
    local canary = assert(canary_of(there))
    assert.equal(version, canary.version)
    assert.equal(1, canary.share)
    assert.equal(5000, fresh_for(there))
    assert.equal(("max_errors=0.5\nmin_calls=7\n"),
      place.content(directory .. "/cache_control.canary.conf"):match("max_errors.*"))
  end)

  it("ends where another ends it", function()
    begin(scripts.keeping(5000), { share = 1 })
    assert(there:reload())
    assert(there:abandon("cache_control"))
    assert.is_false(has "lua" or has "conf")
    assert.is_truthy(canary_of(here))
    assert(here:reload())
    assert.is_nil(canary_of(here))
    assert.equal(1000, fresh_for(here))
  end)

  it("is not begun anew by looking again", function()
    begin(scripts.keeping(5000), { share = 1 })
    for _ = 1, 5 do fresh_for(here) end
    assert(here:reload())
    assert.equal(5, canary_of(here).calls)
  end)

  it("is begun anew when it is another, or on other terms", function()
    begin(scripts.keeping(5000), { share = 1 })
    assert(there:reload())
    begin(scripts.keeping(5000), { share = 0 })
    assert(there:reload())
    assert.equal(0, canary_of(there).share)
    assert.equal(1000, fresh_for(there))
    local version = begin(scripts.keeping(6000), { share = 1 })
    assert(there:reload())
    assert.equal(version, canary_of(there).version)
    assert.equal(6000, fresh_for(there))
  end)

  it("takes its files with it when it is given up", function()
    local version = begin(FAILING, { share = 1, min_calls = 1 })
    assert(there:reload())
    assert.equal(1000, fresh_for(here)) -- the candidate fails, the policy decides
    assert(here:reload())
    assert.is_false(has "lua" or has "conf")
    assert.is_string(canary_of(here).returned)
    assert(there:reload())
    assert.is_nil(canary_of(there))
    assert.equal("returned", last_event(here).event)
    assert.equal(version, last_event(here).version)
  end)

  it("that replaced it meanwhile stays when it is given up", function()
    begin(FAILING, { share = 1, min_calls = 1 })
    put("conf", "share=1\n")
    put("lua", scripts.keeping(7000))
    assert.equal(1000, fresh_for(here))
    assert(here:reload())
    assert.is_true(has "lua")
    assert.equal(7000, fresh_for(here))
  end)

  it("may be put there by hand", function()
    put("lua", scripts.keeping(8000))
    assert(here:reload())
    local canary = assert(canary_of(here))
    assert.equal(0.1, canary.share)
    put("conf", "share=1")
    assert(here:reload())
    assert.equal(8000, fresh_for(here))
    os.remove(directory .. "/cache_control.canary.lua")
    assert(here:reload())
    assert.is_nil(canary_of(here))
  end)

  it("waits for the terms that are meant for it", function()
    put("conf", "version=" .. ("0"):rep(64) .. "\nshare=1\n")
    put("lua", scripts.keeping(8000))
    assert(here:reload())
    assert.is_nil(canary_of(here))
    assert.equal(1000, fresh_for(here))
  end)

  local refused = {
    { "a share over 1", "share=2", "cache_control.canary.conf:1: " },
    { "a share that is none", "min_calls=5\nshare=much", "cache_control.canary.conf:2: " },
    { "a share that is no number", "share=nan", "cache_control.canary.conf:1: " },
    { "a negative count", "min_calls=-1", "cache_control.canary.conf:1: " },
    { "a name nobody knows", "shore=1", "cache_control.canary.conf:1: " },
    { "no name", "\n\nx", "cache_control.canary.conf:3: " },
    { "a long line", ("x"):rep(1000) .. "=1", "cache_control.canary.conf:1: " },
    { "a NUL", "share=1\0=2\nx", "cache_control.canary.conf:2: " },
  }
  for _, case in ipairs(refused) do
    it("is refused for terms with " .. case[1] .. ", once", function()
      put("conf", case[2])
      put("lua", scripts.keeping(8000))
      here:reload()
      here:reload()
      assert.is_nil(canary_of(here))
      local count = 0
      for _, event in ipairs(here:events()) do
        if event.message and event.message:find(case[3], 1, true) then count = count + 1 end
      end
      assert.equal(1, count)
    end)
  end

  it("is refused where it is broken, once, and its line named", function()
    put("lua", "\n\nnonsense")
    here:reload()
    here:reload()
    assert.is_nil(canary_of(here))
    local count = 0
    for _, event in ipairs(here:events()) do
      local named = event.message and event.message:find("cache_control.canary.lua:3: ", 1, true)
      if named then count = count + 1 end
    end
    assert.equal(1, count)
  end)

  it("is no policy of its own, and no pipe", function()
    os.execute("mkfifo " .. directory .. "/cache_control.canary.lua")
    here:reload()
    assert.is_nil(canary_of(here))
    for _, info in ipairs(here:list()) do assert.is_nil(info.name:find("canary", 1, true)) end
  end)
end)

describe("a process that begins", function()
  local directory

  before_each(function() directory = place.fresh() end)
  after_each(function() place.remove(directory) end)

  local function open()
    return assert(cairn.policies { directory = directory, watch = false })
  end

  local function put(source)
    place.put(directory .. "/cache_control.lua", source)
  end

  local function logged()
    local events = {}
    local file <close> = assert(io.open(directory .. "/.versions/log.jsonl"))
    for line in file:lines() do events[#events + 1] = cjson.decode(line).event end
    return events
  end

  local function fresh_for(policies)
    return assert(policies:decide("cache_control", { moment = "store" })).fresh_for
  end

  it("writes down what is new, and not what was so before", function()
    put(scripts.keeping(1000))
    for _ = 1, 3 do
      local policies <close> = open()
      assert.equal(1000, fresh_for(policies))
      assert.equal("loaded", policies:events()[1].event)
    end
    assert.same({ "loaded" }, logged())
    put(scripts.keeping(2000))
    open():close()
    put(scripts.keeping(1000))
    open():close()
    assert.same({ "loaded", "loaded", "loaded" }, logged())
  end)

  it("leaves the times of versions alone", function()
    put(scripts.keeping(1000))
    open():close()
    local policies <close> = open()
    local first = assert(policies:versions("cache_control"))[1].saved
    policies:close()
    local again <close> = open()
    assert.equal(first, assert(again:versions("cache_control"))[1].saved)
  end)

  it("goes on with the last good version where the file is broken", function()
    put(scripts.keeping(1000))
    open():close()
    put(scripts.keeping(2000))
    open():close()
    put("nonsense")
    local policies <close> = open()
    assert.equal(2000, fresh_for(policies))
    for _, info in ipairs(policies:list()) do
      if info.name == "cache_control" then
        assert.matches("cache_control.lua:1: ", info.problem, 1, true)
        assert.is_true(info.deciding)
      end
    end
    assert.is_string(policies:rollback("cache_control"))
    assert.equal(scripts.keeping(2000), place.content(directory .. "/cache_control.lua"))
    assert.is_string(policies:rollback("cache_control"))
    assert.equal(1000, fresh_for(policies))
  end)

  it("has the shipped policy where there never was a good one", function()
    put("nonsense")
    local policies <close> = open()
    assert.is_nil(fresh_for(policies))
    assert.equal("policy_error", (select(3, policies:reload("cache_control"))))
  end)

  it("has the shipped policy where the file was taken away", function()
    put(scripts.keeping(1000))
    open():close()
    os.remove(directory .. "/cache_control.lua")
    local policies <close> = open()
    assert.is_nil(fresh_for(policies))
  end)
end)

describe("a candidate that decides a share of the calls", function()
  local directory, policies, cache

  before_each(function()
    directory = place.fresh()
    place.put(directory .. "/cache_control.lua", scripts.keeping(1000))
    policies = assert(cairn.policies { directory = directory, watch = false })
    cache = assert(cairn.cache { store = "memory:", policies = policies })
  end)

  after_each(function()
    cache:close()
    policies:close()
    place.remove(directory)
  end)

  local function begin(source, options)
    place.put(directory .. "/candidate.txt", source)
    return assert(policies:canary("cache_control", directory .. "/candidate.txt", options))
  end

  local function trial()
    for _, info in ipairs(policies:list()) do
      if info.name == "cache_control" then return info.canary end
    end
  end

  -- Every one is a miss, which asks twice: before and after computing.
  local function resolve(number)
    local steps = {}
    local value = cache:resolve({ a = "1" }, { path = "p" .. number },
      function() return "x" end, { explain = steps })
    assert.equal("x", value)
    local deciders = {}
    for _, step in ipairs(steps) do
      if step.operation == "decide cache_control" then
        deciders[#deciders + 1] = step.canary and "candidate" or "live"
      end
    end
    return deciders
  end

  local function last_event()
    local events = policies:events()
    return events[#events]
  end

  for _, share in ipairs { 0.1, 0.25, 0.5 } do
    it(("decides all of a call or nothing of it, at %g of them"):format(share), function()
      local version = begin(scripts.keeping(2000), { share = share })
      local theirs, calls = 0, 1000
      for i = 1, calls do
        local deciders = resolve(i)
        assert.equal(2, #deciders)
        assert.equal(deciders[1], deciders[2])
        if deciders[1] == "candidate" then theirs = theirs + 1 end
      end
      assert.equal(version, trial().version)
      assert.equal(2 * theirs, trial().calls)
      -- By chance, within seven deviations.
      local deviation = math.sqrt(calls * share * (1 - share))
      assert.near(calls * share, theirs, 7 * deviation)
    end)

    it(("is found out if it fails at each lookup, at %g of them"):format(share), function()
      begin(scripts.deciding [[
        if context.moment == "lookup" then return context.nothing.at_all end
        return nil]], { share = share })
      for i = 1, 1000 do resolve(i) end
      assert.matches("calls failed", trial().returned, 1, true)
    end)
  end

  it("decides all with a share of 1 and nothing with 0", function()
    begin(scripts.keeping(2000), { share = 1 })
    for i = 1, 50 do assert.same({ "candidate", "candidate" }, resolve(i)) end
    begin(scripts.keeping(3000), { share = 0 })
    for i = 51, 100 do assert.same({ "live", "live" }, resolve(i)) end
  end)

  it("is not promoted after it was given up", function()
    begin(FAILING, { share = 1, min_calls = 1 })
    resolve(1)
    local version, message, code = policies:promote("cache_control")
    assert.is_nil(version)
    assert.equal("conflict", code)
    assert.matches("cache_control: the candidate was given up: %d+ of its %d+ calls failed",
      message)
    assert.equal(scripts.keeping(1000), place.content(directory .. "/cache_control.lua"))
    begin(scripts.keeping(2000))
    assert.is_string(policies:promote("cache_control"))
  end)

  it("is told to be promoted, or abandoned, by whoever looks at the directory", function()
    local other = assert(cairn.policies { directory = directory, watch = false, wall = 51 })
    local function outcome()
      assert(other:reload())
      local events = other:events()
      return events[#events].event
    end
    begin(scripts.keeping(2000))
    assert(other:reload())
    assert.is_string(policies:promote("cache_control"))
    assert.equal("promoted", last_event().event)
    assert.equal("promoted", outcome())
    begin(scripts.keeping(3000))
    assert(other:reload())
    assert(policies:abandon("cache_control"))
    assert.equal("abandoned", last_event().event)
    assert.equal("abandoned", outcome())
    other:close()
  end)

  it("leaves lines in the log that tell which process wrote them", function()
    begin(scripts.keeping(2000))
    local file <close> = assert(io.open(directory .. "/.versions/log.jsonl"))
    for line in file:lines() do assert.equal(uv.os_getpid(), cjson.decode(line).process) end
  end)
end)
