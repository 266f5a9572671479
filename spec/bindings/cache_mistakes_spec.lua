--- Mistakes in what a cache is opened with, and in calls of its methods: they are the caller's,
--- so it is the caller's line that is named, and what the caller wrote.

local cairn = require "cairn"

local HERE = "cache_mistakes_spec.lua:"

--- What calling it raises, behind the place in this file.
local function raised(call)
  local ok, message = pcall(call)
  assert.is_false(ok)
  assert.matches(HERE .. "%d+: ", message)
  assert.is_nil(message:find("cairn/cache.lua", 1, true), message)
  return (message:gsub("^.*" .. HERE .. "%d+: ", ""))
end

describe("a mistake in the options of a cache", function()
  local cases = {
    { "none at all", 7, "options: table expected, got number" },
    { "an unknown one", { bad = 1 }, "there is no option 'bad'" },
    { "policies that are true", { policies = true }, "options.policies: true says nothing" },
    { "policies of another type", { policies = 3 },
      "options.policies: cairn.Policies, directory or false expected, got number" },
    { "policies of another class", { store = "memory:", policies = io.stdout },
      "options.policies: cairn.Policies or false expected, got userdata" },
    { "a clock of another type", { store = "memory:", clock = 4 },
      "options.clock: cairn.Clock expected, got number" },
    { "a hashpath", { hashpath = "x" }, "options.hashpath: cannot be x" },
    { "a budget", { budget = -1 }, "options.budget: a number of bytes expected, got -1" },
    { "stores that are no list", { stores = 1 }, "options.stores: list expected, got number" },
    { "no stores", { stores = {}, policies = false }, "options.stores: 1 to 16 expected, got 0" },
    { "a member's option", { stores = { { store = "memory:", scope = "x" } }, policies = false },
      "options.stores[1]: scope: one of local, remote, cluster expected" },
    { "a store that is none", { store = true, policies = false },
      "options.store: store, URL or table expected, got boolean" },
    { "a scope", { store = "memory:", policies = false, store_scope = "far" },
      "options.store_scope: local, remote or cluster expected, got 'far'" },
    { "directives", { store = "memory:", policies = false, cache_control = 4 },
      "options.cache_control: string or list of strings expected, got number" },
  }
  for _, case in ipairs(cases) do
    local what, options, message = table.unpack(case)
    it("is named where it was made: " .. what, function()
      assert.equal(("bad argument #1 to 'cache' (%s)"):format(message),
        raised(function() local _ = cairn.cache(options) end))
    end)
  end
end)

describe("a mistake in a call of a cache", function()
  local cache

  before_each(function() cache = assert(cairn.cache { store = "memory:", policies = false }) end)
  after_each(function() cache:close() end)

  local PATH = "path: path (a string or a list of strings) expected, got function"
  local cases = {
    { "resolve's options", "#4 to 'resolve' (options: table expected, got number)",
      function(self) self:resolve({ a = 1 }, { b = 1 }, nil, 3) end },
    { "resolve's computation", "#3 to 'resolve' (compute: function expected, got number)",
      function(self) self:resolve({ a = 1 }, { b = 1 }, 3) end },
    { "list's path", "#1 to 'list' (" .. PATH .. ")", function(self) self:list(print) end },
    { "list_numbered's path", "#1 to 'list_numbered' (" .. PATH .. ")",
      function(self) self:list_numbered(print) end },
    { "verify's id", "#1 to 'verify' (" .. PATH .. ")", function(self) self:verify(print) end },
    { "how many to compute afresh", "#1 to 'revalidate' (most: integer expected, got string)",
      function(self) self:revalidate("x") end },
  }
  for _, case in ipairs(cases) do
    local what, message, call = table.unpack(case)
    it("is named where it was made: " .. what, function()
      assert.equal("bad argument " .. message, raised(function() call(cache) end))
    end)
  end

  it("is named where it was made: what is no cache, or closed", function()
    for _, name in ipairs { "list", "list_numbered", "revalidate", "verify" } do
      assert.equal(("calling '%s' on bad self (cairn.Cache expected, got number)"):format(name),
        raised(function() cache[name](3) end))
    end
    cache:close()
    assert.equal("calling 'resolve' on bad self (the cache is closed)",
      raised(function() cache:resolve({ a = 1 }, { b = 1 }) end))
  end)
end)
