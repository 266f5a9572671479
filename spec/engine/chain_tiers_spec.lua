--- Tiers in front of the others: what they may answer, how they are filled, and that they never say
--- what is no longer so.

local cairn = require "cairn"
local faulty = require "spec.faulty"

local chains = require "spec.support.chains"
local refused = require "spec.support.refused"

--- A tier, a store, and a chain of both.
local function open(tier, store, decisions, clock)
  return chains.open({
    { store = tier, name = "tier", tier = true }, { store = store, name = "store" },
  }, decisions, clock)
end

local function promoted(chain)
  return chains.counts(chain, "tier").promoted
end

describe("a tier", function()
  after_each(chains.clean)

  local tier, store, chain
  before_each(function()
    tier, store = chains.store "memory", chains.store "rocksdb"
    chain = open(tier, store)
  end)

  it("gets what the store answered, and answers the next time", function()
    assert(store:write("a/b", "1"))
    assert.same({ "1", "store" }, { chain:read("a/b") })
    assert.same({ "1", "tier" }, { chain:read("a/b") })
    assert.same({ "simple", "tier" }, { chain:type("a/b") })
    assert.equal(1, promoted(chain))
  end)

  it("gets metadata and expiry with it", function()
    local expires = cairn.now() + 600000
    for _, backend in ipairs { "fs", "memory", "rocksdb" } do
      store = chains.store(backend)
      chain = open(tier, store)
      assert(store:write(backend, "1", { metadata = { n = 1.5 }, expires = expires }))
      assert(chain:read(backend))
      local stat = assert(tier:stat(backend))
      assert.same({ n = 1.5 }, stat.metadata)
      assert.equal(expires, stat.expires)
    end
  end)

  it("is never written, only filled", function()
    assert(chain:write("a", "1"))
    assert(chain:link("a", "l"))
    assert(chain:group("g"))
    assert.is_nil(tier:type("a"))
    assert.is_nil(tier:type("g"))
  end)

  it("answers only positively", function()
    assert(store:write("g/x", "1"))
    assert(chain:read("g/x"))
    assert(store:write("g/y", "1")) -- past the chain: the tier cannot know
    local names = {}
    for name in assert(chain:list("g")) do names[#names + 1] = name end
    assert.same({ "x", "y" }, names)
    assert.same({ "1", "store" }, { chain:read("g/y") })
    assert.same({ "composite", "store" }, { chain:type("g") })
    assert.equal("store", select(2, chain:stat("g/x")))
    assert.equal("store", select(2, chain:resolve("g/x")))
    refused("not_found", "g/z", chain:read("g/z"))
  end)

  describe("that fails", function()
    it("is no doubt", function()
      local bad = chains.faulty { reads = "io" }
      chain = open(bad, store)
      assert(store:write("a", "1"))
      assert.same({ "1", "store" }, { chain:read("a") })
      refused("not_found", "b", chain:read("b"))
    end)

    it("does not fail the reading when it takes no copy", function()
      local full = chains.faulty { writes = "limit" }
      chain = open(full, store)
      assert(store:write("a", "1"))
      for _ = 1, 2 do assert.same({ "1", "store" }, { chain:read("a") }) end
      assert.equal(0, promoted(chain))
    end)
  end)

  -- After each of these a read through the chain sees what is in the store.
  local changes = {
    { "is written", function(it_) return it_:write("a/b", "2") end, "2" },
    { "is written over a link", function(it_) return it_:write("l", "2") end, "2", "l" },
    { "is deleted", function(it_) return it_:delete("a/b") end, nil },
    { "goes with its group", function(it_) return it_:delete("a", { recursive = true }) end, nil },
    { "is written beneath a link", function(it_) return it_:write("la/b", "2") end, "2" },
    { "is deleted beneath a link", function(it_) return it_:delete("la/b") end, nil },
    { "is behind a link that is deleted", function(it_) return it_:delete("l") end, nil, "l" },
    { "goes with all", function(it_) return it_:reset() end, nil },
  }
  for _, backend in ipairs { "memory", "fs", "rocksdb" } do
    describe("of " .. backend .. " drops what", function()
      for _, case in ipairs(changes) do
        local behaviour, change, expected, path = table.unpack(case)
        it(behaviour, function()
          tier = chains.store(backend)
          chain = open(tier, store)
          assert(store:write("a/b", "1"))
          assert(store:link("a/b", "l"))
          assert(store:link("a", "la"))
          local function fill(...)
            for _, filled in ipairs { ... } do
              for _ = 1, 2 do assert.equal("1", (chain:read(filled))) end
              assert.equal("tier", select(2, chain:read(filled)))
            end
          end
          fill("a/b") -- the tier knows no link
          if path ~= "l" then
            assert(change(chain))
            assert.equal(expected, (chain:read("a/b")))
            assert(chain:reset())
            assert(store:write("a/b", "1"))
            assert(store:link("a/b", "l"))
            assert(store:link("a", "la"))
          end
          fill("a/b", "l", "la/b") -- ... and knows all of them
          assert(change(chain))
          assert.equal(expected, (chain:read(path or "a/b")))
          assert.equal(expected, (store:read(path or "a/b")))
        end)
      end
    end)
  end

  it("keeps what a change leaves as it was", function()
    assert(chain:link("x", "l"))
    assert(chain:write("x", "1"))
    for _ = 1, 2 do assert(chain:read("l")) end
    assert.same({ true, false }, { chain:link("elsewhere", "l") })
    assert.same({ "1", "tier" }, { chain:read("l") })
  end)

  it("drops what is changed by a chain narrowed from the whole, without it", function()
    assert(chain:write("a", "1"))
    assert(chain:read("a"))
    local narrow = chains.kept(chain:filter(function(member) return member.name == "store" end))
    assert(narrow:write("a", "2"))
    assert.same({ "2", "store" }, { chain:read("a") })
    assert(narrow:delete("a"))
    refused("not_found", "a", chain:read("a"))
  end)

  it("does not come by what may be written nowhere", function()
    chain = chains.open {
      { store = tier, name = "tier", tier = true, write = false },
      { store = store, name = "store" },
    }
    assert(store:write("a", "1"))
    for _ = 1, 2 do assert.same({ "1", "store" }, { chain:read("a") }) end
  end)

  describe("with links", function()
    it("gets every link on the way, and what is at their end", function()
      assert(store:write("data/x", "1"))
      assert(store:link("data", "one"))
      assert(store:link("one/x", "two"))
      assert.same({ "1", "store" }, { chain:read("two") })
      assert.same({ "1", "tier" }, { chain:read("two") })
      assert.equal("one/x", tier:stat("two").target)
      assert.equal("data", tier:stat("one").target)
      assert.same({ "1", "tier" }, { chain:read("data/x") })
    end)

    it("goes on in the store where its own link dangles", function()
      assert(store:write("data/x", "1"))
      assert(store:link("data/x", "l"))
      assert(chain:read("l"))
      assert(tier:delete("data/x")) -- as if it was forgotten
      assert.same({ "1", "store" }, { chain:read("l") })
      assert.same({ "1", "tier" }, { chain:read("l") })
    end)
  end)

  describe("with packed groups", function()
    local CHILDREN = { a = "1", b = "2", l = { link = "elsewhere" } }

    it("gets the children that are read", function()
      assert(store:pack("m", CHILDREN))
      assert.same({ "1", "store" }, { chain:read("m/a") })
      assert.same({ "1", "tier" }, { chain:read("m/a") })
      assert(store:pack("m", { a = "new" }))
      assert(chain:write("m/b", "own"))
      assert(chain:delete("m/a"))
      refused("not_found", "m/a", chain:read("m/a"))
    end)
  end)
end)

describe("promotion", function()
  after_each(chains.clean)

  local function open_with(read, clock)
    local tier, store = chains.store "memory", chains.store "memory"
    read.order = { "tier", "store" }
    read.promote = { "tier" }
    assert(store:write("small", "12345"))
    assert(store:write("large", ("x"):rep(1000)))
    return open(tier, store, { read = read }, clock), tier, store
  end

  it("is bounded in size", function()
    local chain, tier = open_with { promote_max = 999 }
    for _ = 1, 2 do
      assert(chain:read("small"))
      assert(chain:read("large"))
    end
    assert.is_string(tier:read("small"))
    assert.is_nil(tier:read("large"))
  end)

  it("lasts as long as the policy says, and never longer than the original", function()
    local clock = cairn.clock(1000000)
    local chain = open_with({ promote_for = 500 }, clock)
    assert(chain:write("soon", "1", { expires = 1000200 }))
    for _, path in ipairs { "small", "soon" } do assert(chain:read(path)) end
    assert.equal("tier", select(2, chain:read("small")))
    assert.equal("tier", select(2, chain:read("soon")))
    clock:advance(200)
    refused("not_found", "soon", chain:read("soon"))
    clock:advance(299)
    assert.equal("tier", select(2, chain:read("small")))
    clock:advance(1)
    assert.same({ "12345", "store" }, { chain:read("small") })
    assert.same({ "12345", "tier" }, { chain:read("small") })
  end)

  it("is told to who wants to know", function()
    local chain = open_with {}
    local steps = {}
    assert(chain:read("small", { explain = steps }))
    local last = steps[#steps]
    assert.same({ "promote", "memory:", "ok", "5 bytes from store" },
      { last.operation, last.store, last.status, last.detail })
  end)

  it("fills any member that the policy names, and every one of them", function()
    local near, disk, far = chains.store "memory", chains.store "rocksdb", chains.store "fs"
    assert(far:write("a", "1"))
    local chain = chains.open({
      { store = near, name = "near", tier = true }, { store = disk, name = "disk" },
      { store = far, name = "far", write = false },
    }, { read = { order = { "near", "disk", "far" }, promote = { "near", "disk" } } })
    assert.same({ "1", "far" }, { chain:read("a") })
    assert.equal("1", near:read("a"))
    assert.equal("1", disk:read("a"))
  end)

  it("does not happen while a store before cannot tell", function()
    local tier, back = chains.store "memory", chains.store "memory"
    local front, name = chains.faulty()
    assert(back:write("a", "old"))
    assert(front:write("a", "new"))
    local chain = chains.open {
      { store = tier, name = "tier", tier = true }, { store = front, name = "front" },
      { store = back, name = "back" },
    }
    faulty.set(name, { reads = "io" })
    assert.same({ "old", "back" }, { chain:read("a") })
    faulty.set(name, { reads = false })
    assert.same({ "new", "front" }, { chain:read("a") })
    assert.same({ "new", "tier" }, { chain:read("a") })
  end)

  it("does not happen either while a failing store is asked last", function()
    local clock = cairn.clock(1000)
    local tier, back = chains.store "memory", chains.store "memory"
    local front, name = chains.faulty()
    assert(back:write("a", "old"))
    assert(front:write("a", "new"))
    local chain = chains.kept(cairn.chain({
      { store = tier, name = "tier", tier = true }, { store = front, name = "front" },
      { store = back, name = "back" },
    }, { clock = clock, policies = chains.shipped() }))
    faulty.set(name, { reads = "io" })
    for _ = 1, 5 do assert.same({ "old", "back" }, { chain:read("a") }) end
    assert.is_true(chains.member(chain, "front").failing)
    faulty.set(name, { reads = false })
    clock:advance(5000)
    assert.same({ "new", "front" }, { chain:read("a") })
  end)

  it("keeps what is in the tier already", function()
    local tier, store = chains.store "memory", chains.store "memory"
    local chain = open(tier, store)
    assert(store:write("g/x", "store's"))
    assert(tier:group("g"))
    assert.same({ "store's", "store" }, { chain:read("g/x") })
    assert.same({ "store's", "tier" }, { chain:read("g/x") })
  end)
end)

describe("a tier that cannot drop what was changed", function()
  after_each(chains.clean)

  local clock, tier, store, name, chain
  before_each(function()
    clock = cairn.clock(1000000)
    tier, name = chains.faulty()
    store = chains.store "rocksdb"
    chain = open(tier, store, nil, clock)
    assert(chain:write("a", "1"))
    assert(chain:write("b", "1"))
    assert(chain:read("a"))
    assert(chain:read("b"))
    faulty.set(name, { writes = "io" })
  end)

  it("is emptied", function()
    assert(chain:write("a", "2"))
    assert.same({ "2", "store" }, { chain:read("a") })
    assert.same({ "1", "store" }, { chain:read("b") })
    assert.equal(1, faulty.counts(name).resets)
  end)

  it("is not read before it could be emptied", function()
    faulty.set(name, { resets = "io" })
    assert(chain:write("a", "2"))
    assert.same({ "2", "store" }, { chain:read("a") })
    assert.same({ "1", "store" }, { chain:read("b") })
    faulty.set(name, { writes = false, resets = false })
    assert.same({ "1", "store" }, { chain:read("b") })
    clock:advance(1000)
    assert.same({ "1", "store" }, { chain:read("b") })
    assert.same({ "1", "tier" }, { chain:read("b") })
    assert.same({ "2", "store" }, { chain:read("a") })
  end)

  it("is emptied before a reset is done, or the reset says so", function()
    faulty.set(name, { resets = "io" })
    refused("unavailable", "tier", chain:reset())
    refused("not_found", "a", chain:read("a"))
    faulty.set(name, { resets = false })
    assert.is_true(chain:reset())
  end)
end)

describe("a bounded tier", function()
  after_each(chains.clean)

  it("is emptied when it is full of links that it never forgets", function()
    local tier = chains.kept(cairn.open { backend = "memory", max_bytes = 256 * 1024 })
    local store = chains.store "memory"
    local chain = open(tier, store)
    assert(store:write("target", "1"))
    for i = 1, 3000 do assert(store:link("target", "link-" .. i)) end
    local from_tier = 0
    for i = 1, 3000 do
      assert.equal("1", (chain:read("link-" .. i)))
      local _, member = chain:read("link-" .. i)
      if member == "tier" then from_tier = from_tier + 1 end
    end
    assert.is_true(from_tier > 2950, from_tier)
    assert.is_true(tier:stats().used_bytes <= 256 * 1024)
  end)
end)
