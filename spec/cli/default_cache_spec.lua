--- Which cache and which policies are meant when none are named.

local cjson = require "cjson"
local lfs = require "lfs"

local place = require "spec.support.place"
local program = require "spec.support.program"

-- Prints what the module would open, as one line of JSON each.
local TELL = [[
  local cairn, cjson = require "cairn", require "cjson"
  local options, origin, code = cairn["default_" .. arg[1] ]()
  print(cjson.encode { options = options, origin = origin, code = code })
]]

describe("by default", function()
  local directory, cairn

  before_each(function()
    directory = place.fresh()
    cairn = program.within(directory)
    place.put(directory .. "/tell.lua", TELL)
  end)

  after_each(function() place.remove(directory) end)

  local function configure(text)
    place.put(directory .. "/cairn.conf.lua", text)
  end

  local function tell(what, ...)
    local words = { ... }
    local options = type(words[#words]) == "table" and table.remove(words) or nil
    words = table.move({ "run", "tell.lua", what }, 1, 3, #words + 1, words)
    words[#words + 1] = options
    local done = cairn(table.unpack(words))
    assert.equal("", done.err)
    return cjson.decode(done.out)
  end

  it("the cache is over the default store", function()
    assert.same({ options = { store = "rocksdb:./cairn-data" }, origin = "preset" }, tell("cache"))
    configure "return { store = 'fs:./x' }"
    assert.same({ options = { store = "fs:./x" }, origin = "cairn.conf.lua" }, tell("cache"))
    assert.same({ options = { store = "memory:" }, origin = "CAIRN_STORE" },
      tell("cache", "--store", "memory:"))
  end)

  it("the cache is as cairn.conf.lua says, and over the store that is named nearer", function()
    configure [[return {
      store = "fs:./x",
      cache = {
        stores = { { store = "memory:?max_bytes=1M", tier = true, name = "hot" }, "fs:./x" },
        cache_control = { "always" }, budget = 1000, heuristics = false,
      },
    }]]
    assert.same({
      origin = "cairn.conf.lua",
      options = {
        stores = { { store = "memory:?max_bytes=1M", tier = true, name = "hot" }, "fs:./x" },
        cache_control = { "always" }, budget = 1000, heuristics = false,
      },
    }, tell("cache"))
    assert.same({
      origin = "CAIRN_STORE",
      options = {
        store = "memory:", cache_control = { "always" }, budget = 1000, heuristics = false,
      },
    }, tell("cache", { env = { CAIRN_STORE = "memory:" } }))
  end)

  it("the policies are in the user's folder, or where the configuration says", function()
    assert.same({ options = { directory = directory .. "/.config/cairn/policies" },
      origin = "preset" }, tell("policies"))
    assert.same({ options = { directory = "/xdg/cairn/policies" }, origin = "preset" },
      tell("policies", { env = { XDG_CONFIG_HOME = "/xdg" } }))
    configure "return { policies = './own', use = { chain = 'tiered' } }"
    assert.same({ options = { directory = "./own", use = { chain = "tiered" } },
      origin = "cairn.conf.lua", code = "cairn.conf.lua" }, tell("policies"))
    assert.same({ options = { directory = "/environment", use = { chain = "tiered" } },
      origin = "CAIRN_POLICIES", code = "cairn.conf.lua" },
      tell("policies", { env = { CAIRN_POLICIES = "/environment" } }))
    assert.same({ options = { directory = "/named", use = { chain = "tiered" } },
      origin = "CAIRN_POLICIES", code = "cairn.conf.lua" },
      tell("policies", "--policies", "/named", { env = { CAIRN_POLICIES = "/environment" } }))
  end)

  local refused = {
    { "a cache that is no table", "return { cache = 5 }", "'cache' must be a table" },
    { "an unknown key of the cache", "return { cache = { store = 'memory:' } }",
      "cache: unknown key 'store'" },
    { "a function in the cache", "return { cache = { budget = type } }",
      "cache: 'budget' must be a string, number, boolean or a table of such" },
    { "a cache that holds itself", "local t = {} t.stores = t return { cache = t }",
      "cache: 'stores' must be" },
    { "policies that are no directory", "return { policies = 5 }",
      "'policies' must be a string, not a number" },
    { "policies without a name", "return { policies = '' }",
      "'policies' must be a string, not an empty one" },
    { "a use of nothing", "return { use = 'tiered' }", "'use' must be a table" },
    { "a use of a number", "return { use = { chain = 1 } }",
      "use: 'chain' must be a question with the name of a policy" },
  }
  for _, case in ipairs(refused) do
    local what, text, said = table.unpack(case)
    it("a configuration with " .. what .. " is refused, saying where", function()
      configure(text)
      for _, kind in ipairs { "cache", "policies", "store" } do
        local told = tell(kind)
        assert.equal("invalid_argument", told.code)
        assert.matches("cairn.conf.lua: " .. said, told.origin, 1, true)
      end
    end)
  end

  it("no command that reads a cache makes a store", function()
    for _, words in ipairs {
      { "msg", "get", "a" }, { "explain", "read", "a" }, { "purge", "a" }, { "sweep" }, { "stats" },
    } do
      local done = cairn(table.unpack(words))
      assert.equal(1, done.code)
      assert.matches("there is no store in ./cairn%-data yet.*%(not_found%)\n", done.err)
      assert.equal("", done.out)
    end
    assert.is_nil(lfs.attributes(directory .. "/cairn-data"))
  end)
end)
