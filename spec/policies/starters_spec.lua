--- The starters: what they decide where their examples leave off, and that they can be edited.

local policy = require "spec.support.policy"

local function examples_of(module)
  local wrong = {}
  for _, example in ipairs(module.examples) do
    local ok, where = policy.fulfils(example.decision, policy.decide(module, example.context))
    if not ok then wrong[#wrong + 1] = example.name .. ": " .. where end
  end
  return wrong
end

describe("the constants at the top of a policy", function()
  local EDITS = {
    { "ttl", { TTL = "1", WHILE_REVALIDATE = "0", IF_ERROR = "5",
      TTL_BY_STATUS = '{ ["404"] = 0, ["301"] = 7 }' } },
    { "ttl", { TTL_BY_STATUS = "{}" } },
    { "budget", { MAX_BYTES = "2 ^ 20 | 0", LARGE_BYTES = "4096", MIN_COST = "50",
      PRIORITIES = "{ { 500, 10 }, { 100, 0.5 } }", READ_BYTES_PER_MS = "1024",
      TAGS_KEY = '"surrogate-key"', TAGS_BYTES = "100" } },
    { "by_path", { RULES = '{ { prefix = "a", keep = false }, { prefix = "", fresh_for = 5 } }' } },
    { "routes", { ROUTES = '{ { prefix = "a/b", stores = { "one" } } }',
      DEADLINE = "{ remote = 1 }" } },
    { "routes", { ROUTES = '{ { prefix = "/a/b/", stores = { "one" } } }' } },
    { "routes", { ROUTES = '{ { prefix = "a/", stores = { "one" } }, '
      .. '{ prefix = "", stores = { "two" }, tiers = false } }' } },
    { "tiered", { COPY_MAX = "0", COPY_FOR = "60 * 1000", DEADLINE = "{ remote = 1 }",
      KEEP_OUT = "nil" } },
    { "mirror", { NEED = "2", RACE_ABOVE = "0", COPY_BACK = "false", DEADLINE = "{}" } },
    { "mirror", { NEED = "3", RACE_ABOVE = "false", KEEP_OUT = "{ after = 1, ms = 1 }" } },
    { "chain", { PROMOTE_MAX = "5", KEEP_OUT = "nil", DEADLINE = "{ remote = 1 }" } },
    { "eviction", { OVERHEAD = "512", DEAD = "-1", KEEP = '"pinned"' } },
  }
  for i, edit in ipairs(EDITS) do
    it(("can be edited without breaking its examples: %s (%d)"):format(edit[1], i), function()
      assert.same({}, examples_of(policy.load(edit[1], edit[2])))
    end)
  end

  it("that hide a rule behind another are found out by the examples", function()
    local hidden = policy.load("by_path", {
      RULES = '{ { prefix = "a", fresh_for = 1 }, { prefix = "a/b", keep = false } }',
    })
    assert.is_true(#examples_of(hidden) > 0)
    hidden = policy.load("routes", {
      ROUTES = '{ { prefix = "a", stores = { "x" } }, { prefix = "a/b", stores = { "y" } } }',
    })
    assert.is_true(#examples_of(hidden) > 0)
  end)
end)

describe("ttl", function()
  local ttl = policy.load("ttl", { TTL = "1000", WHILE_REVALIDATE = "200", IF_ERROR = "300" })

  local rows = {
    { "looks up for a request that says nothing", "lookup", { request = "" }, { lookup = true } },
    { "leaves every word about looking up to the default", "lookup", { node = "only-if-cached" },
      false },
    { "... also of the result's no-cache", "store", { result = "no-cache" }, false },
    { "does not take a request's age for the result's", "store", { request = "max-age=5" },
      { store = true, fresh_for = 1000, while_revalidate = 200, if_error = 300 } },
    { "does not add windows to an age that came without", "store", { result = "max-age=5" },
      { store = true, fresh_for = 5000, must_revalidate = false } },
    { "... and takes those that came with it", "store",
      { result = "s-maxage=5, stale-while-revalidate=1" },
      { fresh_for = 5000, while_revalidate = 1000, must_revalidate = false } },
    { "keeps what the node wants kept, for its time", "store", { node = "store" },
      { store = true, fresh_for = 1000 } },
    { "bounds an age", "store", { result = "max-age=" .. ("9"):rep(30) },
      { fresh_for = 2147483648000 } },
  }
  for _, row in ipairs(rows) do
    it(row[1], function()
      local facts = { moment = row[2] }
      for party, line in pairs(row[3]) do facts[party] = policy.directives(line) end
      local ok, where = policy.fulfils(row[4], policy.decide(ttl, facts))
      assert.is_true(ok, where)
    end)
  end

  it("does not look at the answer where that does not matter", function()
    local _, touched = policy.decide(ttl, { moment = "store", result = { ["max-age"] = 5 } })
    assert.same({}, touched)
  end)

  it("has no window where an age came without", function()
    local decision = policy.decide(ttl, { moment = "store", result = { ["max-age"] = 5 } })
    assert.is_nil(decision.while_revalidate)
    assert.is_nil(decision.if_error)
  end)
end)

describe("budget", function()
  local budget = policy.load("budget")

  it("never gives more tags than there is room for", function()
    for length = 1, 300 do
      local tags = (("t"):rep(length) .. " "):rep(300)
      local decision = policy.decide(budget, {
        moment = "store", size = 2000000, cost = 100000, request = { store = true },
        answer = { ["cache-tags"] = tags },
      })
      local bytes = 0
      for _, tag in ipairs(decision.tags) do bytes = bytes + #tag + 1 end
      assert.is_true(bytes <= 256, length)
      assert.equal("large", decision.tags[1])
    end
  end)

  it("gives no tag that holds a NUL or nothing", function()
    local decision = policy.decide(budget, {
      moment = "store", size = 10, cost = 100, request = { store = true },
      answer = { ["cache-tags"] = ",, a\0b,\tc ,\n" },
    })
    assert.same({ "a", "b", "c" }, decision.tags)
  end)

  it("agrees with the default on how long a result is good for", function()
    local cache_control = policy.load("cache_control")
    local lines = {
      "max-age=60", "s-maxage=60", "max-age=60, s-maxage=5", "s-maxage=5, stale-if-error=9",
      "max-age=x", "must-revalidate", "proxy-revalidate, max-age=5", "stale-while-revalidate=x",
      "stale-while-revalidate=4, stale-if-error=5", "immutable", "",
    }
    for _, node in ipairs(lines) do
      for _, result in ipairs(lines) do
        local facts = {
          moment = "store", size = 10, cost = 100, node = policy.directives(node),
          result = policy.directives(result), request = { store = true },
        }
        local ours, default = policy.decide(budget, facts), policy.decide(cache_control, facts)
        for _, name in ipairs { "store", "fresh_for", "while_revalidate", "if_error",
          "must_revalidate" } do
          assert.equal(default[name], ours[name], ("%s of '%s', '%s'"):format(name, node, result))
        end
      end
    end
  end)

  it("keeps nothing that the default would not", function()
    local cache_control = policy.load("cache_control")
    local words = { "always", "store", "no-store", "private", "no-cache" }
    for i = 0, 5 do
      for j = 0, 5 do
        for k = 0, 5 do
          local facts = {
            moment = "store", size = 10, cost = 100, node = policy.directives(words[i]),
            result = policy.directives(words[j]), request = policy.directives(words[k]),
          }
          local ours = policy.decide(budget, facts)
          if ours then assert.is_true(policy.decide(cache_control, facts).store) end
        end
      end
    end
  end)
end)

local function store(name, changes)
  local one = {
    name = name, backend = "rocksdb", scope = "local",
    read = true, write = true, tier = false, failing = false,
  }
  for key, value in pairs(changes or {}) do one[key] = value end
  return one
end

local function contains(list, wanted)
  for _, each in ipairs(list) do
    if each == wanted then return true end
  end
  return false
end

describe("every chain starter", function()
  local SCOPES = { "local", "cluster", "remote" }

  --- Chains of all sorts, with decisions that the engine would refuse counted as wrong.
  for _, name in ipairs { "chain", "tiered", "mirror", "routes" } do
    it("decides only what can be: " .. name, function()
      local module = policy.load(name)
      math.randomseed(7)
      local function maybe()
        return math.random(3) == 1
      end
      for _ = 1, 1000 do
        local stores, by_name, health = {}, {}, {}
        for i, word in ipairs { "durable", "bulk", "archive", "a", "b" } do
          stores[i] = store(word, {
            scope = SCOPES[math.random(3)], tier = maybe(), read = not maybe(),
            write = not maybe(), failing = maybe(),
          })
          by_name[word], health[word] = stores[i], { failures = 0, latency = math.random(40) }
        end
        local action = maybe() and "write" or "read"
        local decision = policy.decide(module, {
          action = action, operation = maybe() and action == "read" and "list" or action,
          stores = stores, path = maybe() and "jobs/1" or "data/2", health = health,
        })
        local seen = {}
        for _, each in ipairs(decision and decision.order or {}) do
          assert.is_true(by_name[each][action])
          assert.is_nil(seen[each])
          seen[each] = true
        end
        if decision then
          assert.is_true(#decision.order > 0)
          assert.is_true((decision.race or 0) <= #decision.order)
          assert.is_true((decision.need or 0) <= #decision.order)
          for each in pairs(decision.deadlines or {}) do assert.is_true(seen[each]) end
          for _, each in ipairs(type(decision.promote) == "table" and decision.promote or {}) do
            assert.is_true(by_name[each].write)
          end
        end
      end
    end)
  end
end)

describe("mirror", function()
  it("needs both where it is told to, and no more than there are", function()
    local mirror = policy.load("mirror", { NEED = "2" })
    local function need(...)
      return policy.decide(mirror,
        { action = "write", operation = "write", stores = { ... } }).need
    end
    assert.equal(2, need(store "a", store "b", store "c"))
    assert.equal(1, need(store "a"))
    assert.equal(2, need(store("a", { failing = true }), store "b"), "also while one is away")
  end)

  it("does not look at latencies where it never races", function()
    local mirror = policy.load("mirror", { RACE_ABOVE = "false" })
    local _, touched = policy.decide(mirror,
      { action = "read", operation = "read", stores = { store "a", store "b" } })
    assert.same({}, touched)
  end)

  it("fills only tiers where copying back is off", function()
    local mirror = policy.load("mirror", { COPY_BACK = "false" })
    local decision = policy.decide(mirror, { action = "read", operation = "read",
      stores = { store "a", store("tier", { tier = true }), store "b" } })
    assert.same({ "tier" }, decision.promote)
  end)
end)

describe("tiered", function()
  it("never fills what is far or failing", function()
    local tiered = policy.load "tiered"
    local decision = policy.decide(tiered, { action = "read", operation = "read", stores = {
      store("far", { scope = "remote" }), store("near", {}),
      store("away", { failing = true }), store("team", { scope = "cluster" }),
    } })
    assert.same({ "near" }, decision.promote)
    assert.is_true(contains(decision.order, "away"))
  end)
end)
