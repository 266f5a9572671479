--- What a script may decide: fields that mean something at the moment, bounds that are some, an
--- order in which somebody can do what is asked; and how mistakes are told.

local cairn = require "cairn"
local lfs = require "lfs"

local place = require "spec.support.place"
local scripts = require "spec.support.policies"

describe("decisions", function()
  local directory, policies

  before_each(function() directory = place.fresh() end)
  after_each(function()
    if policies then policies:close() end
    policies = nil
    place.remove(directory)
  end)

  local function put(source, name)
    place.put(("%s/%s.lua"):format(directory, name or "cache_control"), source)
  end

  local function open(options)
    options = options or {}
    options.directory, options.watch = directory, false
    policies = assert(cairn.policies(options))
    return policies
  end

  local function told(event)
    for _, each in ipairs(policies:events()) do
      if each.event == event then return each.message end
    end
  end

  local function problem(name)
    for _, info in ipairs(policies:list()) do
      if info.name == name then return info.problem end
    end
  end

  local CHAIN = [[
return { question = "chain",
  decide = function(context)
    if context.operation == "list" then return nil end
    return { %s }
  end,
  examples = { %s } }
]]
  local NONE = [[{ name = "none", context = { operation = "list" }, decision = false }]]

  describe("of chains", function()
    local cases = {
      { "an empty order", "order = {}", "decision.order: it has nobody who may read" },
      { "an order of those that may only be written", "order = { 'w' }",
        "decision.order: it has nobody who may read" },
      { "no time for a deadline", "order = { 'r' }, deadlines = { r = 0 }",
        "decision.deadlines: 0 is not from 1" },
      { "a race of none", "order = { 'r' }, race = 0", "decision.race: 0 is not from 1" },
      { "a need of none", "order = { 'r' }, need = 0", "decision.need: 0 is not from 1" },
      { "copies that are gone at once", "order = { 'r' }, promote_for = 0",
        "decision.promote_for: 0 is not from 1" },
      { "copies of nothing", "order = { 'r' }, promote_max = 0",
        "decision.promote_max: 0 is not from 1" },
      { "keeping out after no failure", "order = { 'r' }, keep_out = { after = 0, ms = 5 }",
        "decision.keep_out.after: 0 is not from 1" },
      { "keeping out for no time", "order = { 'r' }, keep_out = { after = 1, ms = 0 }",
        "decision.keep_out.ms: 0 is not from 1" },
      { "keeping out after nothing that is said", "order = { 'r' }, keep_out = { ms = 5 }",
        "decision.keep_out: it needs both after and ms" },
      { "keeping out for no time that is said", "order = { 'r' }, keep_out = { after = 3 }",
        "decision.keep_out: it needs both after and ms" },
    }
    for _, case in ipairs(cases) do
      it("that say " .. case[1] .. " are reported, and the next decides", function()
        put(CHAIN:format(case[2], NONE), "chain")
        open()
        assert.is_nil(problem "chain")
        local decision = assert(policies:decide("chain",
          { stores = { { name = "r", write = false }, { name = "w", read = false } } }))
        assert.same({ "r" }, decision.order)
        assert.matches("chain.lua:4: " .. case[3], told "error", 1, true)
      end)
    end

    it("may leave everybody out where nobody may do what is asked", function()
      put(CHAIN:format("order = {}", NONE), "chain")
      open()
      local decision, step = assert(policies:decide("chain",
        { action = "write", stores = { { name = "r", write = false } } }))
      assert.same({}, decision.order)
      assert.equal("chain", step.policy)
      assert.is_nil(told "error")
    end)

    it("do not fail a read by asking nobody", function()
      put(CHAIN:format("order = {}", NONE), "chain")
      local chain <close> = assert(cairn.chain({ "memory:" }, { policies = open() }))
      assert(chain:write("a", "b"))
      assert.equal("b", chain:read("a"))
    end)

    local expected = {
      { "a need alone", "order = { 'a', 'b' }, need = 2", "{ need = 2 }" },
      { "a race alone", "order = { 'a', 'b' }, race = 2", "{ race = 2 }" },
      { "a part of keep_out", "order = { 'a' }, keep_out = { after = 3, ms = 5 }",
        "{ keep_out = { ms = 5 } }" },
      { "deadlines alone", "order = { 'b', 'a' }, deadlines = { a = 7, b = 8 }",
        "{ deadlines = { a = 7, b = 8 } }" },
      { "another need", "order = { 'a', 'b' }, need = 2", "{ need = 1 }", "need is 2, not 1" },
      { "another part", "order = { 'a' }, keep_out = { after = 3, ms = 5 }",
        "{ keep_out = { ms = 6 } }", "keep_out.ms is 5, not 6" },
      { "another deadline", "order = { 'a' }, deadlines = { a = 7 }",
        "{ deadlines = { a = 8 } }", "deadlines.a is 7, not 8" },
    }
    for _, case in ipairs(expected) do
      it("may be expected by an example to have " .. case[1], function()
        put(CHAIN:format(case[2], ([[{ name = "x", decision = %s,
          context = { stores = { { name = "a" }, { name = "b" } } } }]]):format(case[3])), "chain")
        open()
        if case[4] then
          assert.matches(case[4], problem "chain", 1, true)
        else
          assert.is_nil(problem "chain")
        end
      end)
    end
  end)

  describe("of cache control", function()
    local cases = {
      { "a mistyped part", "lookup", "lookup = true, accept = { maxage = 5 }",
        "decision.accept: there is no field 'maxage'" },
      { "a part that is no table", "lookup", "accept = 1",
        "decision.accept: table expected, got 1" },
      { "a part out of bounds", "lookup", "lookup = true, accept = { max_age = -1 }",
        "decision.accept.max_age: -1 is not from 0" },
      { "half a millisecond", "store", "store = true, fresh_for = 1.5",
        "decision.fresh_for: a whole number expected, got 1.5" },
      { "a word", "store", "store = 'yes'", "decision.store: boolean expected, got 'yes'" },
    }
    for _, case in ipairs(cases) do
      it("that say " .. case[1] .. " are reported and not obeyed", function()
        put(scripts.deciding(("if context.moment == %q then return { %s } end"):format(
          case[2], case[3])))
        open()
        local decision = assert(policies:decide("cache_control", { moment = case[2] }))
        assert.is_nil(decision.lookup or decision.store or decision.fresh_for)
        assert.matches(case[4], told "error", 1, true)
      end)
    end

    it("are asked for with facts whose mistakes are named", function()
      local _, message = open():decide("cache_control", { moment = "nope" })
      assert.matches("context.moment: lookup, stale, error or store expected, got 'nope'",
        message, 1, true)
    end)
  end)

  describe("are refused", function()
    it("with a report for each version, also if it says the same", function()
      put(scripts.keeping(1000))
      open()
      put "x x"
      assert.is_nil((policies:reload()))
      put "x  x"
      assert.is_nil((policies:reload()))
      assert.is_nil((policies:reload()))
      local versions = {}
      for _, each in ipairs(policies:events()) do
        if each.event == "refused" then versions[#versions + 1] = each.version end
      end
      assert.equal(2, #versions)
      assert.not_equal(versions[1], versions[2])
    end)
  end)

  describe("over a limit name it:", function()
    local cases = {
      { "memory that calls leave behind is memory", "local kept = {}",
        "for i = 1, 100 do kept[#kept + 1] = { i } end", 5, "1048576 bytes of memory" },
      { "so it is where there is more of it", "local kept = {}",
        "for i = 1, 100 do kept[#kept + 1] = { i } end", 5, "4194304 bytes of memory",
        { memory = 4 << 20 } },
      { "lists too long to be sorted are memory, where they are sorted", "",
        "local t = setmetatable({}, { __len = function() return 10000000 end })\n\n table.sort(t)",
        7, "1048576 bytes of memory" },
      { "a loop is steps", "", "while true do end", 5, "100000 steps" },
    }
    for _, case in ipairs(cases) do
      it(case[1], function()
        put(case[2] .. "\n" .. [[
local policy = { question = "cache_control" }
function policy.decide(context)
  if context.moment == "error" then return nil end
]] .. case[3] .. [[

  return nil
end
policy.examples = { { name = "none", context = { moment = "error" }, decision = false } }
return policy
]])
        open(case[6])
        for i = 1, 1000 do
          policies:decide("cache_control", { request = "x=" .. i })
          if told "breach" then break end
        end
        assert.matches(("cache_control.lua:%d: over its limit of %s"):format(case[4], case[5]),
          told "breach", 1, true)
      end)
    end
  end)
end)

describe("a directory of policies", function()
  local directory

  before_each(function() directory = place.fresh() end)
  after_each(function() place.remove(directory) end)

  it("is not a file", function()
    place.put(directory .. "/file", "")
    local policies, message, code = cairn.policies { directory = directory .. "/file" }
    assert.is_nil(policies)
    assert.equal("invalid_argument", code)
    assert.matches("it is not a directory: " .. directory .. "/file", message, 1, true)
  end)

  it("has what `use` names, or the question and where it was looked for is told", function()
    local policies, message, code = cairn.policies {
      directory = directory, use = { chain = "tierd" } }
    assert.is_nil(policies)
    assert.equal("not_found", code)
    assert.matches("use.chain: there is no policy 'tierd', neither shipped nor in " .. directory,
      message, 1, true)
  end)

  it("may be a volume whose files are links to links that are swapped", function()
    local function release(name, source)
      assert(lfs.mkdir(directory .. "/" .. name))
      place.put(("%s/%s/cache_control.lua"):format(directory, name), source)
      assert(lfs.link(name, directory .. "/..new", true))
      assert(os.rename(directory .. "/..new", directory .. "/..data"))
    end
    release("..one", scripts.keeping(1000))
    assert(lfs.link("..data/cache_control.lua", directory .. "/cache_control.lua", true))
    local policies <close> = assert(cairn.policies { directory = directory, watch = false })
    local function fresh_for()
      return assert(policies:decide("cache_control", { moment = "store" })).fresh_for
    end
    assert.equal(1000, fresh_for())
    release("..two", scripts.keeping(2000))
    assert(policies:reload())
    assert.equal(2000, fresh_for())
  end)

  it("keeps the last good version where a link leads nowhere, and says so", function()
    place.put(directory .. "/there", scripts.keeping(1000))
    assert(lfs.link("there", directory .. "/cache_control.lua", true))
    local policies <close> = assert(cairn.policies { directory = directory, watch = false })
    assert(os.remove(directory .. "/there"))
    local _, message = policies:reload()
    assert.matches("a link to what is not there", message, 1, true)
    assert.equal(1000, policies:decide("cache_control", { moment = "store" }).fresh_for)
  end)
end)
