--- The shipped order of stores, and when results go.

local policy = require "spec.support.policy"

local chain = policy.load("chain")

local SCOPES = { "local", "cluster", "remote" }

--- A chain of up to eight stores of any kind, the same for the same seed.
local function random_stores(seed)
  math.randomseed(seed)
  local stores = {}
  local function maybe()
    return math.random(3) == 1
  end
  for i = 1, math.random(8) do
    stores[i] = {
      name = "store" .. i, backend = "memory", scope = SCOPES[math.random(3)],
      read = not maybe(), write = not maybe(), tier = maybe(), failing = maybe(),
    }
  end
  return stores
end

local function by_name(stores)
  local named = {}
  for i, store in ipairs(stores) do named[store.name] = { at = i, store = store } end
  return named
end

--- Numbers that grow with how late a store should be asked.
local function lateness(store)
  if store.failing then return 100 end
  if store.tier then return 0 end
  return ({ ["local"] = 1, cluster = 2, remote = 3 })[store.scope]
end

describe("the shipped chain", function()
  local function each_chain(action, operation, check)
    for seed = 1, 500 do
      local stores = random_stores(seed)
      local decision = policy.decide(chain,
        { action = action, operation = operation, stores = stores })
      check(stores, decision, "seed " .. seed)
    end
  end

  local function eligible(stores, fits)
    local names = {}
    for _, store in ipairs(stores) do
      if fits(store) then names[#names + 1] = store.name end
    end
    table.sort(names)
    return names
  end

  local function sorted(names)
    local copy = table.move(names, 1, #names, 1, {})
    table.sort(copy)
    return copy
  end

  local rows = {
    { "asks everybody who may be read, once", "read", "read",
      function(store) return store.read end },
    { "asks everybody but the tiers for a list", "read", "list",
      function(store) return store.read and not store.tier end },
    { "writes to anybody who may be written, but no tier", "write", "write",
      function(store) return store.write and not store.tier end },
  }
  for _, row in ipairs(rows) do
    it(row[1], function()
      each_chain(row[2], row[3], function(stores, decision, seed)
        local names = eligible(stores, row[4])
        if #names == 0 then
          assert.is_nil(decision, seed)
        else
          assert.same(names, sorted(decision.order), seed)
        end
      end)
    end)
  end

  it("asks the nearest first, equals in their order, the failing last", function()
    each_chain("read", "read", function(stores, decision, seed)
      local named = by_name(stores)
      for i = 2, decision and #decision.order or 0 do
        local before, after = named[decision.order[i - 1]], named[decision.order[i]]
        local earlier, later = lateness(before.store), lateness(after.store)
        assert.is_true(earlier < later or (earlier == later and before.at < after.at), seed)
      end
    end)
  end)

  it("gives a deadline to what is not local, and to nobody else", function()
    each_chain("read", "read", function(stores, decision, seed)
      local named = by_name(stores)
      for _, name in ipairs(decision and decision.order or {}) do
        local deadline = decision.deadlines and decision.deadlines[name]
        assert.equal(named[name].store.scope ~= "local", deadline ~= nil, seed)
      end
    end)
  end)

  it("fills tiers only where one was asked", function()
    each_chain("read", "read", function(stores, decision, seed)
      local tiers = eligible(stores, function(store) return store.tier and store.read end)
      if decision then assert.equal(#tiers > 0, decision.promote, seed) end
    end)
  end)
end)

describe("the shipped eviction", function()
  local eviction = policy.load("eviction")

  local function score(changes, facts)
    local kept = {
      age = 60000, stale_for = nil, while_revalidate = 0, if_error = 0,
      must_revalidate = false, size = 1000, cost = 100, priority = 0,
    }
    for name, value in pairs(changes or {}) do kept[name] = value end
    local context = { kept = kept, hits = 0, idle = 60000, tags = {} }
    for name, value in pairs(facts or {}) do context[name] = value end
    return policy.decide(eviction, context).score
  end

  it("lets go first of what is worth less, one thing at a time", function()
    local usual = score()
    assert.is_true(score({ cost = 50 }) < usual, "cheaper")
    assert.is_true(score({ size = 2000 }) < usual, "larger")
    assert.is_true(score({}, { idle = 120000 }) < usual, "idle for longer")
    assert.is_true(score({}, { hits = 1 }) > usual, "wanted more often")
    assert.is_true(score({ priority = 0.5 }) > usual, "priority")
  end)

  it("never weighs anything against a whole step of priority", function()
    local best = score({ cost = 1 << 40, size = 0, priority = 1 }, { hits = 1 << 40, idle = 0 })
    local worst = score({ cost = 0, size = 1 << 40, priority = 2 }, { idle = 1 << 40 })
    assert.is_true(best <= worst)
  end)

  it("never overflows: priority 0 is from 0 to 1", function()
    for _, size in ipairs { 0, 1 << 62 } do
      for _, idle in ipairs { 0, 1 << 62 } do
        for _, cost in ipairs { 0, 1 << 61 } do
          local each = score({ size = size, cost = cost }, { idle = idle, hits = 1 << 61 })
          assert.is_true(each >= 0 and each <= 1)
        end
      end
    end
  end)

  it("gives up what is past its windows only once it is", function()
    local windows = { while_revalidate = 10, if_error = 20, must_revalidate = false }
    for stale_for, is_dead in pairs { [-1] = false, [0] = false, [20] = false, [21] = true } do
      windows.stale_for = stale_for
      assert.equal(is_dead, score(windows) < 0, stale_for)
    end
    assert.is_true(score { stale_for = 0, must_revalidate = true } < 0)
    assert.is_true(score { stale_for = -1, must_revalidate = true } > 0)
  end)

  it("is not confused by a clock that was set back", function()
    local context = {
      kept = { age = -5000, while_revalidate = 0, if_error = 0, must_revalidate = false,
        size = 768, cost = 1023, priority = 0 },
      hits = 0, tags = {},
    }
    assert.equal(1 / 2, policy.decide(eviction, context).score)
  end)

  it("keeps what has a window without end", function()
    assert.is_true(score { stale_for = 1 << 40 } < 0, "windows of 0")
    local context = {
      kept = { age = 1, stale_for = 1 << 40, while_revalidate = 0, must_revalidate = false,
        size = 1, cost = 1, priority = 0 },
      hits = 0, tags = {},
    }
    assert.is_true(policy.decide(eviction, context).score > 0)
  end)
end)
