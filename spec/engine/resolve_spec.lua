--- Answers from the cache or from computing, as cache control says.

local cairn = require "cairn"

local caches = require "spec.support.caches"
local place = require "spec.support.place"

local EMPTY = "VnYnaoOvankqXk13s502zpiq9PIaqFHDRcIrTNhyqKQ"

for _, backend in ipairs(caches.BACKENDS) do
  describe("resolving on " .. backend, function()
    local opened, cache, clock

    before_each(function()
      opened = caches.open(backend)
      cache, clock = opened.cache, opened.clock
    end)
    after_each(function() caches.close(opened) end)

    it("neither keeps nor looks up when nobody says so", function()
      local computing = caches.computing "answer"
      for n = 1, 2 do
        local answer, info = cache:resolve({ a = "1" }, { path = "k" }, computing.run)
        assert.equal("answer", answer)
        assert.equal("bypass", info.cache)
        assert.equal(200, info.status)
        assert.is_false(info.stored)
        assert.equal(n, computing.calls)
      end
    end)

    it("computes once, then answers from the store", function()
      local computing = caches.computing { r = "1", n = 2 }
      local request = { path = "k", ["cache-control"] = "always" }
      local answer, info = cache:resolve({ a = "1" }, request, computing.run)
      assert.same({ r = "1", n = 2 }, answer)
      assert.equal("miss", info.cache)
      assert.is_true(info.stored)
      answer, info = cache:resolve({ a = "1" }, request, computing.run)
      assert.same({ r = "1", n = 2 }, answer)
      assert.equal("hit", info.cache)
      assert.equal(backend, info.store)
      assert.matches("^cairn; hit", info.cache_status)
      assert.equal(1, computing.calls)
      assert.equal(assert(cairn.hashpath({ a = "1" }, { request })), info.hashpath)
      assert.equal(1, cache:stats().hits)
      assert.equal(1, cache:stats().misses)
    end)

    it("takes base and request by id, and gives the computation the messages", function()
      local base, request = { a = "1" }, { path = "k", x = "y" }
      local base_id, request_id = assert(cache:write(base)), assert(cache:write(request))
      local seen
      local always = { cache_control = { "always" } }
      local answer = cache:resolve(base_id, request_id, function(b, r)
        seen = { b, r }
        return "answer"
      end, always)
      assert.equal("answer", answer)
      assert.same({ base, request }, seen)
      assert.equal("hit", select(2, cache:resolve(base, request, error, always)).cache)
      assert.equal("hit", select(2, cache:resolve(base_id, request_id, error, always)).cache)
    end)

    it("minds what a request that is given by id says", function()
      local base = assert(cache:write { a = "1" })
      local request = assert(cache:write {
        path = "k", ["cache-control"] = { "no-cache", "store" },
      })
      local computing = caches.computing "answer"
      for n = 1, 3 do
        assert.equal("bypass", select(2, cache:resolve(base, request, computing.run)).cache)
        assert.equal(n, computing.calls)
      end
    end)

    it("says 404 for a base that is not there, and 504 for only-if-cached", function()
      local computing = caches.computing "answer"
      local answer, message, code, info = cache:resolve(EMPTY, { path = "k" }, computing.run)
      assert.is_nil(answer)
      assert.equal("not_found", code)
      assert.equal(404, info.status)
      assert.matches("necessary messages not found", message)
      answer, message, code, info = cache:resolve({ a = "1" }, { path = "k" }, computing.run,
        { cache_control = "only-if-cached" })
      assert.is_nil(answer)
      assert.equal("not_found", code)
      assert.equal(504, info.status)
      assert.matches("not available in the cache", message)
      assert.matches("fwd=miss", info.cache_status)
      assert.equal(0, computing.calls)
    end)

    it("without a computation only looks up", function()
      assert(cache:write_hashpath(assert(cairn.hashpath({ a = "1" }, { { path = "k" } })), "kept"))
      local always = { cache_control = "cache" }
      assert.equal("kept", (cache:resolve({ a = "1" }, { path = "k" }, nil, always)))
      local _, _, code, info = cache:resolve({ a = "2" }, { path = "k" }, nil, always)
      assert.equal("not_found", code)
      assert.equal(504, info.status)
    end)

    it("keeps an answer as long as it says, then computes again", function()
      local computing = caches.computing(function(_, _, call)
        return { n = call, ["cache-control"] = "store, max-age=60" }
      end)
      local request = { path = "k", ["cache-control"] = "cache" }
      local function resolve() return cache:resolve({ a = "1" }, request, computing.run) end
      assert.equal(1, resolve().n)
      clock:advance(59000)
      local answer, info = resolve()
      assert.equal(1, answer.n)
      assert.equal("hit", info.cache)
      assert.equal(59000, info.age)
      assert.equal(1000, info.fresh_for)
      assert.matches("ttl=1", info.cache_status, 1, true)
      clock:advance(1000)
      answer, info = resolve()
      assert.equal(2, answer.n)
      assert.equal("miss", info.cache)
    end)

    it("serves what is stale while it is computed afresh, once", function()
      local computing = caches.computing(function(_, _, call)
        return { n = call, ["cache-control"] = "store, max-age=60, stale-while-revalidate=30" }
      end)
      local request = { path = "k", ["cache-control"] = "cache" }
      local function resolve() return cache:resolve({ a = "1" }, request, computing.run) end
      resolve()
      clock:advance(70000)
      for _ = 1, 3 do
        local answer, info = resolve()
        assert.equal(1, answer.n)
        assert.equal("stale", info.cache)
        assert.is_true(info.revalidate)
        assert.equal(-10000, info.fresh_for)
      end
      assert.equal(1, computing.calls)
      assert.same({ 1, 0 }, { cache:revalidate() })
      assert.equal(2, computing.calls)
      local answer, info = resolve()
      assert.equal(2, answer.n)
      assert.equal("hit", info.cache)
      assert.same({ 0, 0 }, { cache:revalidate() })
      clock:advance(91000)
      assert.equal(3, resolve().n)
    end)

    it("serves what is stale when computing fails, within its window", function()
      local computing = caches.computing(function(_, _, call)
        if call > 1 then return nil, "the source is away", "unavailable" end
        return { n = call, ["cache-control"] = "store, max-age=60, stale-if-error=100" }
      end)
      local request = { path = "k", ["cache-control"] = "cache" }
      local function resolve() return cache:resolve({ a = "1" }, request, computing.run) end
      resolve()
      clock:advance(100000)
      local answer, info = resolve()
      assert.equal(1, answer.n)
      assert.equal("stale", info.cache)
      clock:advance(100000)
      local failed, message, code
      failed, message, code, info = resolve()
      assert.is_nil(failed)
      assert.equal("the source is away", message)
      assert.equal("unavailable", code)
      assert.equal(503, info.status)
    end)

    it("minds what a request will take: max-age, min-fresh, max-stale", function()
      local computing = caches.computing(function(_, _, call)
        return { n = call, ["cache-control"] = "store, max-age=60" }
      end)
      local function resolve(directives)
        return cache:resolve({ a = "1" }, { path = "k" }, computing.run,
          { cache_control = "cache, " .. directives })
      end
      assert.equal(1, resolve("max-age=100").n)
      clock:advance(30000)
      assert.equal(1, resolve("max-age=30").n)
      assert.equal(1, resolve("min-fresh=30").n)
      assert.equal(2, resolve("max-age=29").n)
      clock:advance(30000)
      assert.equal(3, resolve("min-fresh=31").n)
      clock:advance(70000)
      local answer, info = resolve "max-stale=10"
      assert.equal(3, answer.n)
      assert.equal("stale", info.cache)
      assert.equal(4, resolve("max-stale=9").n)
    end)

    it("lets go of nothing that a computation raises, and keeps nothing of it", function()
      local always = { cache_control = "always" }
      assert.error_matches(function()
        cache:resolve({ a = "1" }, { path = "k" }, function() error "broken" end, always)
      end, "broken")
      assert.error_matches(function()
        cache:resolve({ a = "1" }, { path = "k" }, function() return 42 end, always)
      end, "a message or a string expected")
      local computing = caches.computing "answer"
      local _, info = cache:resolve({ a = "1" }, { path = "k" }, computing.run, always)
      assert.equal("miss", info.cache)
    end)

    it("may resolve within a computation", function()
      local always = { cache_control = "always" }
      local answer = cache:resolve({ a = "1" }, { path = "outer" }, function(base)
        local inner = cache:resolve(base, { path = "inner" }, function()
          return { n = 1 }
        end, always)
        return { sum = inner.n + 1, inner = inner }
      end, always)
      assert.same({ sum = 2, inner = { n = 1 } }, answer)
      answer = cache:resolve({ a = "1" }, { path = "outer" }, error, always)
      assert.same({ sum = 2, inner = { n = 1 } }, answer)
    end)

    it("does not look up what the base has as a key of its own, unless it is told to", function()
      local always = { cache_control = "always" }
      local computing = caches.computing "computed"
      local answer, info = cache:resolve({ a = "1" }, { path = "a" }, computing.run, always)
      assert.equal("computed", answer)
      assert.equal("bypass", info.cache)
      local careful = assert(cairn.cache { store = opened.store, heuristics = false })
      answer, info = careful:resolve({ a = "1" }, { path = "a" }, computing.run, always)
      assert.equal("computed", answer)
      assert.equal("hit", info.cache)
      careful:close()
    end)

    it("tells paths of several segments apart", function()
      local always = { cache_control = "always" }
      local function echo(_, request) return { of = request.path } end
      for _ = 1, 2 do
        for _, path in ipairs { "report/x", "report/y", "report" } do
          assert.equal(path, cache:resolve({ a = "1" }, path, echo, always).of)
          assert.equal(path, cache:resolve({ a = "1" }, { path = path }, echo, always).of)
        end
      end
    end)

    it("minds a request's own directives whatever was said before", function()
      local base = assert(cache:write { a = "1" })
      local request = assert(cache:write { path = "k", ["cache-control"] = "no-cache, store" })
      local computing = caches.computing "answer"
      cache:resolve(base, request, computing.run, { cache_control = "min-fresh=1" })
      cache:resolve(base, request, computing.run)
      local _, info = cache:resolve(base, request, computing.run)
      assert.equal("bypass", info.cache)
      assert.equal(3, computing.calls)
    end)

    it("takes away, or computes again, what is kept with a record that makes no sense", function()
      local base = assert(cache:write { a = "1" })
      local always = { cache_control = "always" }
      local computing = caches.computing "answer"
      cache:resolve(base, "x", computing.run, always)
      cache:resolve(base, "y", computing.run, always)
      for _, path in ipairs { "x", "y" } do
        assert(opened.store:write({ "~results", base, path }, "nonsense"))
      end
      assert.equal("answer", (cache:resolve(base, "x", computing.run, always)))
      assert.equal(3, computing.calls)
      assert.equal("hit", select(2, cache:resolve(base, "x", computing.run, always)).cache)
      assert.equal(2, cache:purge { prefix = base })
    end)

    it("keeps nothing where the node ignores hashpaths", function()
      local ignoring = assert(cairn.cache { store = opened.store, hashpath = "ignore" })
      local computing = caches.computing "answer"
      for _ = 1, 2 do
        ignoring:resolve({ a = "1" }, { path = "k" }, computing.run, { cache_control = "always" })
      end
      assert.equal(2, computing.calls)
      ignoring:close()
    end)

    it("lets the node's own opinion win", function()
      local node = assert(cairn.cache { store = opened.store, cache_control = { "no-store" } })
      local computing = caches.computing "answer"
      for _ = 1, 2 do
        node:resolve({ a = "1" }, { path = "k" }, computing.run, { cache_control = "always" })
      end
      assert.equal(2, computing.calls)
      assert.equal(0, node:stats().stored)
      node:close()
    end)

    it("does not mind that a computation changes what it was asked with", function()
      local function long(text) return text .. (","):rep(math.random(50, 60)) end
      local request = { path = "k", x = long "1", ["cache-control"] = long "store, cache" }
      local answer, info = cache:resolve({ a = "1" }, request, function()
        request.x, request["cache-control"] = nil, nil
        for _ = 1, 5 do collectgarbage() end
        local junk = {}
        for n = 1, 2000 do junk[n] = ("z"):rep(100 + n % 40) end
        return { y = tostring(#junk) }
      end)
      assert.same({ y = "2000" }, answer)
      assert.is_true(info.stored)
    end)

    it("looks nowhere when the call's scopes and the cache's have none in common", function()
      local always = { cache_control = "always", scopes = { "remote" } }
      cache:resolve({ a = "1" }, "k", function() return "v" end, { cache_control = "always" })
      local answer, message = cache:resolve({ a = "1" }, "k", nil, always)
      assert.is_nil(answer)
      assert.matches("not available", message)
    end)

    it("frees what results took: messages, large values, tags", function()
      for n = 1, 5 do
        cache:resolve({ a = "1" }, "p" .. n, function()
          return { n = n, big = ("x"):rep(5000) .. n, deep = { n = n },
            ["cache-control"] = "always" }
        end)
      end
      assert.equal(5, cache:trim(0))
      for _ = 1, 3 do assert(cache:sweep()) end
      local left = {}
      for name in assert(opened.store:list()) do left[#left + 1] = name end
      for _, name in ipairs(left) do
        local names = name ~= assert(cairn.id { a = "1" }) and opened.store:list(name)
        assert.is_nil(names and names() or nil, name)
      end
    end)

    it("does not free a message that was written on its own, before or after", function()
      local own = { r = "1", big = ("x"):rep(3000) }
      local always = { cache_control = "always" }
      local before = assert(cache:write(own))
      cache:resolve({ a = "1" }, "k", function() return own end, always)
      cache:resolve({ a = "1" }, "l", function() return { s = "2" } end, always)
      local after = assert(cache:write { s = "2" })
      assert.equal(2, cache:trim(0))
      for _ = 1, 2 do assert(cache:sweep()) end
      assert.same(own, cache:read(before))
      assert.same({ s = "2" }, cache:read(after))
    end)

    describe("purging", function()
      local function keep(base, path, tags)
        return cache:resolve(base, { path = path }, function()
          return { ["cache-control"] = "always", tags = tags }
        end)
      end
      local function is_kept(base, path)
        return cache:read_resolved(base, path) ~= nil
      end

      it("takes one result away, or those of a base, or those that begin alike", function()
        local one, two = assert(cache:write { a = "1" }), assert(cache:write { a = "2" })
        for _, path in ipairs { "x1", "x2", "y1" } do keep(one, path) keep(two, path) end
        assert.equal(1, cache:purge { path = one .. "/x1" })
        assert.equal(0, cache:purge { path = one .. "/x1" })
        assert.is_false(is_kept(one, "x1"))
        assert.equal(2, cache:purge { prefix = two .. "/x" })
        assert.is_true(is_kept(two, "y1"))
        assert.equal(2, cache:purge { prefix = one })
        assert.is_false(is_kept(one, "y1"))
        assert.is_true(is_kept(two, "y1"))
        assert.same({ a = "1" }, cache:read(one))
        assert.equal(5, cache:stats().purged)
      end)

      it("softly makes stale", function()
        local base = assert(cache:write { a = "1" })
        keep(base, "x")
        assert.equal(1, cache:purge { path = base .. "/x", soft = true })
        assert.is_false(is_kept(base, "x"))
        assert.equal("not_found", select(3, cache:read(base .. "/x")))
        local answer, info = cache:resolve(base, { path = "x" }, error,
          { cache_control = "cache, max-stale=10" })
        assert.is_table(answer)
        assert.equal("stale", info.cache)
      end)

      it("refuses what is no hashpath, no tag", function()
        assert.equal("invalid_argument", select(3, cache:purge { path = "nonsense" }))
        assert.equal("invalid_argument", select(3, cache:purge { tag = "" }))
        assert.error_matches(function() cache:purge {} end, "one of")
        assert.error_matches(function() cache:purge { path = "a", tag = "b" } end, "one of")
      end)
    end)
  end)
end

-- -- With policies of one's own ------------------------------------------------------------

local function write_policy(root, name, text)
  os.execute(("mkdir -p %s/policies"):format(root))
  place.put(("%s/policies/%s.lua"):format(root, name), text)
end

local TAGGING = [[
return {
  question = "cache_control",
  decide = function(context)
    if context.moment == "store" then
      return { store = true, tags = { context.answer.tag }, async = context.answer.async ~= nil }
    end
    return { lookup = true }
  end,
  examples = {
    { name = "looks up", context = { moment = "lookup" }, decision = { lookup = true } },
  },
}
]]

describe("a policy of one's own", function()
  it("may tag what it keeps, to be purged by", function()
    local root = place.fresh()
    write_policy(root, "cache_control", TAGGING)
    local opened = caches.open("rocksdb", { policies = root .. "/policies" })
    local cache = opened.cache
    for path, tag in pairs { a = "red", b = "red/dark", c = "red" } do
      cache:resolve({ x = "1" }, { path = path }, function() return { tag = tag } end)
    end
    assert.equal(2, cache:purge { tag = "red" })
    assert.equal(0, cache:purge { tag = "red" })
    assert.equal(1, cache:purge { tag = "red/dark" })
    assert.equal(0, cache:purge { tag = "blue" })
    caches.close(opened)
    place.remove(root)
  end)

  it("may have what it keeps written behind the answer", function()
    local root = place.fresh()
    write_policy(root, "cache_control", TAGGING)
    local opened = caches.open("rocksdb", { policies = root .. "/policies", queue = 4096 })
    local cache = opened.cache
    for n = 1, 200 do
      local _, info = cache:resolve({ x = "1" }, { path = "p" .. n }, function()
        return { tag = "t", async = "yes", big = ("x"):rep(n * 10) }
      end)
      assert.is_true(info.stored)
    end
    assert.is_true(cache:flush())
    for n = 1, 200 do
      assert.equal(n * 10, #cache:read_resolved({ x = "1" }, "p" .. n).big)
    end
    assert.equal(200, cache:stats().queued)
    assert.equal(0, cache:stats().lost)
    caches.close(opened)
    place.remove(root)
  end)
end)

describe("a budget", function()
  it("is kept by evicting the least valuable", function()
    local opened = caches.open("rocksdb", { budget = 100000 })
    local cache = opened.cache
    for n = 1, 100 do
      opened.clock:advance(1000)
      cache:resolve({ a = "1" }, { path = "p" .. n }, function()
        return { big = ("x"):rep(5000) .. n, ["cache-control"] = "always" }
      end)
    end
    assert.is_true(cache:flush())
    local stats = cache:stats()
    assert.is_true(stats.result_bytes <= 100000, tostring(stats.result_bytes))
    assert.is_true(stats.evicted >= 70, tostring(stats.evicted))
    assert.is_truthy(cache:read_resolved({ a = "1" }, "p100"))
    assert.is_nil((cache:read_resolved({ a = "1" }, "p1")))
    caches.close(opened)
  end)

  it("of nothing evicts everything", function()
    local opened = caches.open "memory"
    local cache = opened.cache
    for n = 1, 10 do
      cache:resolve({ a = "1" }, { path = "p" .. n }, function() return "r" .. n end,
        { cache_control = "always" })
    end
    assert.equal(10, cache:trim(0))
    assert.equal(0, cache:trim(0))
    caches.close(opened)
  end)
end)
