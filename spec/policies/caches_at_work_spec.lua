--- Policies for results at work: in real caches, with real stores behind them.

local cairn = require "cairn"

local caches = require "spec.support.caches"
local place = require "spec.support.place"
local vectors = require "spec.support.cache_control_vectors"

local directory = place.fresh() -- of nobody's policies
teardown(function() place.remove(directory) end)

local opened = {}

--- A cache with policies of these names in use, and its clock.
local function open(use, options)
  local all = { policies = assert(cairn.policies { use = use, directory = directory }) }
  for name, value in pairs(options or {}) do all[name] = value end
  local one = caches.open("memory", all)
  one.policies = all.policies
  opened[#opened + 1] = one
  return one.cache, one.clock
end

local function close_all()
  for _, one in ipairs(opened) do
    caches.close(one)
    one.policies:close()
  end
  opened = {}
end

local BASE = { a = "1" }

--- Resolves, and says how that was answered, and the answer.
local function resolve(cache, request, compute, options)
  local answer, info, code, failed = cache:resolve(BASE, request, compute, options)
  return (failed or info).cache, answer, failed or info, code
end

-- -- The reference -------------------------------------------------------------------------

describe("the recorded look-ups", function()
  after_each(close_all)

  --- Where a look-up of ours ends as the recorded ones say, and where it must not: alone,
  --- only-if-cached looks up.
  local function expected(row)
    local alone = row.node[1] == "only-if-cached" and #row.node == 1
    if not alone then return row.outcome end
    return row.warm and "ok" or "error"
  end

  for _, row in ipairs(vectors.maybe_lookup()) do
    it("end so: " .. row.name, function()
      local cache = open(nil, { cache_control = row.node, heuristics = row.heuristics })
      local base = cairn.id(BASE)
      if row.warm then
        assert(cache:write(BASE))
        if row.path == "k" then assert(cache:write_hashpath(base .. "/k", "cached-result")) end
      end
      local computed = false
      local how, answer, info = resolve(cache, row.path, function()
        computed = true
        return "computed"
      end)
      local outcome = expected(row)
      assert.equal(outcome == "continue", computed)
      if outcome == "ok" then
        assert.equal("hit", how)
        assert.equal(row.path == "a" and "1" or "cached-result", answer)
      elseif outcome == "error" then
        assert.is_nil(answer)
        assert.equal(504, info.status)
      end
    end)
  end

  it("keep what the recorded ones keep", function()
    for _, row in ipairs(vectors.maybe_store()) do
      local cache = open(nil, { cache_control = row.facts.node })
      local result = row.facts.result and { r = "1", ["cache-control"] = row.facts.result }
        or "bin"
      local _, _, info = resolve(cache, "k", function() return result end)
      assert.equal(row.store, info.stored, row.name)
      assert.equal(row.store, cache:read_resolved(BASE, "k") ~= nil, row.name)
    end
  end)
end)

-- -- Starters ------------------------------------------------------------------------------

describe("ttl at work", function()
  after_each(close_all)

  local MINUTE = 60 * 1000

  it("keeps for five minutes, serves stale for one more, then only in need", function()
    local cache, clock = open { cache_control = "ttl" }
    local is_down, calls = false, 0
    local function compute()
      calls = calls + 1
      if is_down then return nil, "down", "unavailable" end
      return "answer " .. calls
    end
    assert.equal("miss", (resolve(cache, "k", compute)))
    clock:advance(5 * MINUTE - 1)
    assert.equal("hit", (resolve(cache, "k", compute)))
    clock:advance(MINUTE)
    local how, answer, info = resolve(cache, "k", compute)
    assert.same({ "stale", "answer 1", true }, { how, answer, info.revalidate })
    assert.equal(1, cache:revalidate())
    assert.equal("answer 2", select(2, resolve(cache, "k", compute)))

    is_down = true
    clock:advance(60 * MINUTE)
    how, answer = resolve(cache, "k", compute)
    assert.same({ "stale", "answer 2" }, { how, answer })
    clock:advance(24 * 60 * MINUTE)
    local code = select(4, resolve(cache, "k", compute))
    assert.equal("unavailable", code)
  end)

  it("does not hide a bad answer behind an old one", function()
    local cache, clock = open { cache_control = "ttl" }
    resolve(cache, "k", function() return "answer" end)
    clock:advance(60 * MINUTE)
    local code = select(4, resolve(cache, "k", function() return nil, "gone", "not_found" end))
    assert.equal("not_found", code)
  end)

  it("keeps a 404 shortly, to be purged with its like, and no failure at all", function()
    local cache, clock = open { cache_control = "ttl" }
    local function status(code)
      return function() return { status = code } end
    end
    resolve(cache, "lost", status "404")
    resolve(cache, "broken", status "503")
    assert.equal("hit", (resolve(cache, "lost", status "404")))
    assert.equal("miss", (resolve(cache, "broken", status "503")))
    clock:advance(30 * 1000)
    assert.equal("miss", (resolve(cache, "lost", status "404")))
    assert.equal(1, cache:purge { tag = "negative" })
    assert.equal("miss", (resolve(cache, "lost", status "404")))
  end)

  it("leaves what is said to the shipped policy", function()
    local cache = open { cache_control = "ttl" }
    local function private()
      return { r = "1", ["cache-control"] = "private" }
    end
    resolve(cache, "mine", private)
    assert.equal("miss", (resolve(cache, "mine", private)))
    resolve(cache, "k", function() return "answer" end)
    assert.equal("bypass",
      (resolve(cache, "k", function() return "new" end, { cache_control = "no-cache" })))
  end)
end)

describe("budget at work", function()
  after_each(close_all)

  --- Computes for so many ms of the cache's time.
  local function taking(clock, ms, answer)
    return function()
      clock:advance(ms)
      return answer
    end
  end

  local ALWAYS = { cache_control = "always" }

  it("keeps what is worth it", function()
    local cache, clock = open { cache_control = "budget" }
    local rows = {
      { "cheap", 1, "x", false }, { "dear", 50, "x", true },
      { "large", 60000, ("x"):rep(17 * 1024 * 1024), false },
      { "fast", 3, ("x"):rep(1024 * 1024), false },
    }
    for _, row in ipairs(rows) do
      local _, _, info = resolve(cache, row[1], taking(clock, row[2], row[3]), ALWAYS)
      assert.equal(row[4], info.stored, row[1])
    end
  end)

  it("has the dear outlive the cheap, and the useless go before both", function()
    local cache, clock = open { cache_control = "budget" }
    local answer = ("x"):rep(10000)
    local function keep(path, ms, result)
      resolve(cache, path, taking(clock, ms, result), ALWAYS)
    end
    keep("dead", 60000, { body = answer, ["cache-control"] = "max-age=1" })
    keep("dear", 20000, answer .. "1")
    keep("cheap", 10, answer .. "2")
    clock:advance(5000)
    assert.equal(0, cache:trim(1 << 30)) -- only counts
    for _, path in ipairs { "dead", "cheap", "dear" } do
      assert(cache:trim(cache:stats().result_bytes - 1))
      assert.is_nil((cache:read_resolved(BASE, path)), path)
    end
    assert.equal(0, cache:stats().result_bytes)
  end)

  it("tags as the results say, and by size", function()
    local cache, clock = open { cache_control = "budget" }
    local news = { body = "x", ["cache-tags"] = "news sport" }
    resolve(cache, "n1", taking(clock, 100, news), ALWAYS)
    resolve(cache, "n2", taking(clock, 100, { ["cache-tags"] = "news" }), ALWAYS)
    resolve(cache, "big", taking(clock, 100, ("x"):rep(1024 * 1024)), ALWAYS)
    assert.equal(1, cache:purge { tag = "sport" })
    assert.equal(1, cache:purge { tag = "large" })
    assert.equal(1, cache:purge { tag = "news" })
  end)
end)

describe("by_path at work", function()
  after_each(close_all)

  it("goes by the rules, whichever way a request names its path", function()
    local cache, clock = open { cache_control = "by_path" }
    local function answer()
      return "answer"
    end
    local requests = { "search", { path = "search", q = "x" }, { path = "/search", q = "y" } }
    for _, request in ipairs(requests) do
      assert.equal("miss", (resolve(cache, request, answer)))
      assert.equal("hit", (resolve(cache, request, answer)))
    end
    clock:advance(10 * 1000)
    assert.equal("stale", (resolve(cache, "search", answer)))
    for _ = 1, 2 do
      assert.equal("bypass", (resolve(cache, { path = "live/clock" }, answer)))
      assert.equal("bypass", (resolve(cache, { path = "elsewhere" }, answer)))
    end
    resolve(cache, { path = "reports/june" }, answer)
    assert.equal(1, cache:purge { tag = "reports" })
  end)
end)
