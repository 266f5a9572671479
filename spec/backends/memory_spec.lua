--- What only the memory backend does: a byte budget, SIEVE, names that are shared.

local cairn = require "cairn"

local refused = require "spec.support.refused"

local BUDGET = 512 * 1024

describe("a memory store", function()
  it("is private, unless it has a name", function()
    local one <close> = assert(cairn.open "memory:")
    local other <close> = assert(cairn.open "memory:")
    assert(one:write("a", "1"))
    refused("not_found", "a", other:read("a"))

    local named <close> = assert(cairn.open "memory:shared-by-name")
    local again <close> = assert(cairn.open "memory:shared-by-name")
    assert(named:write("a", "1"))
    assert.equal("1", again:read("a"))
  end)

  describe("with a budget of bytes", function()
    local store
    before_each(function()
      store = assert(cairn.open { backend = "memory", max_bytes = BUDGET })
    end)
    after_each(function() store:close() end)

    local function fill(group, count)
      for i = 1, count do assert(store:write({ group, tostring(i) }, ("x"):rep(200))) end
    end

    local function kept(group, count)
      local found = 0
      for i = 1, count do
        if store:read({ group, tostring(i) }) then found = found + 1 end
      end
      return found
    end

    it("stays within it, and counts what it forgot", function()
      fill("g", 5000)
      local stats = store:stats()
      assert.is_true(stats.used_bytes <= BUDGET, stats.used_bytes)
      assert.equal(BUDGET, stats.max_bytes)
      assert.is_true(stats.evictions_count > 3000)
      assert.equal(stats.entries_count, kept("g", 5000) + 1) -- and the group
      local listed = 0
      for name in assert(store:list("g")) do
        listed = listed + 1
        assert.equal(200, #assert(store:read({ "g", name })))
      end
      assert.equal(kept("g", 5000), listed)
    end)

    it("keeps what is used when a scan comes by", function()
      fill("hot", 300)
      fill("filler", 500)
      for _ = 1, 2 do kept("hot", 300) end
      local before = kept("hot", 300)
      assert.is_true(before > 250, before)
      for i = 1, 20000 do
        assert(store:write({ "scan", tostring(i) }, ("y"):rep(200)))
        if i % 50 == 0 then kept("hot", 300) end
      end
      assert.is_true(kept("hot", 300) >= 0.9 * before, kept("hot", 300))
    end)

    it("never forgets links, nor groups that hold something", function()
      assert(store:link("hot/1", "l"))
      assert(store:link("elsewhere", "deep/down/l"))
      fill("g", 5000)
      assert.equal("hot/1", store:stat("l").target)
      assert.equal("elsewhere", store:stat("deep/down/l").target)
      assert.equal("composite", store:type("deep/down"))
    end)

    it("takes a packed group as one, and forgets it as one", function()
      for i = 1, 3000 do assert(store:pack("m" .. i, { a = ("x"):rep(200), b = "2" })) end
      local whole = 0
      for i = 1, 3000 do
        local a, b = store:read("m" .. i .. "/a"), store:read("m" .. i .. "/b")
        assert.equal(a == nil, b == nil)
        if a then whole = whole + 1 end
      end
      assert.is_true(whole > 100 and whole < 3000, whole)
      assert(store:write("m1/c", "laid over what may be gone"))
      assert.equal("laid over what may be gone", store:read("m1/c"))
    end)

    it("never brings back what was deleted from a pack, or laid over it", function()
      for i = 1, 100 do
        assert(store:pack("p" .. i, { a = "old", b = "old" }))
        assert(store:delete({ "p" .. i, "a" }))
        assert(store:write({ "p" .. i, "b" }, "new"))
      end
      fill("g", 5000)
      for i = 1, 100 do
        assert.is_nil(store:read({ "p" .. i, "a" }))
        assert.not_equal("old", store:read({ "p" .. i, "b" }))
      end
    end)

    it("refuses what can never fit, and keeps the rest", function()
      assert(store:write("small", "1"))
      refused("limit", "524288", store:write("large", ("x"):rep(BUDGET)))
      local writer <close> = assert(store:writer())
      local code
      for _ = 1, 20 do
        local ok, _, refusal = writer:append(("x"):rep(64 * 1024))
        code = refusal
        if not ok then break end
      end
      assert.equal("limit", code)
      assert.equal("1", store:read("small"))
      assert.is_nil(store:type("large"))
    end)

    it("refuses when only links are left to forget", function()
      local code
      for i = 1, 20000 do
        local ok, _, refusal = store:link("some/target", ("links/%d"):format(i))
        code = refusal
        if not ok then break end
      end
      assert.equal("limit", code)
      assert.is_true(store:stats().used_bytes <= BUDGET)
    end)
  end)
end)
