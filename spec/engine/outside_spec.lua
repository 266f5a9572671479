--- What comes from stores outside is believed when it has been checked, and not before.

local cairn = require "cairn"

local chains = require "spec.support.chains"
local faulty = require "spec.faulty"

local count = 0

local function stores()
  count = count + 1
  local near = chains.kept(cairn.open "memory:")
  local far = chains.kept(cairn.open("faulty-remote:outside" .. count))
  return near, far
end

local function open(members)
  return chains.kept(cairn.cache { stores = members })
end

local function path_of(bytes)
  return "data/" .. assert(cairn.id(bytes))
end

describe("what a remote store has", function()
  after_each(chains.clean)

  it("is believed when it has its id or hash, and then kept nearby", function()
    local near, far = stores()
    local writer = open { far }
    local flat = assert(writer:write { a = "1" })
    local path = assert(writer:write_binary("hello"))
    local cache = open { { store = near, tier = true }, far }
    assert.same({ a = "1" }, cache:read(flat))
    assert.equal("hello", cache:read(path))
    assert.equal("composite", near:type(flat))
    assert.equal("simple", near:type(path))
  end)

  it("is not believed, and not kept, when it is something else", function()
    local near, far = stores()
    local cache = open { { store = near, tier = true }, far }
    assert(far:write(path_of "hello", "FORGED"))
    local id = assert(cairn.id { a = "good" })
    assert(far:pack(id, { a = "evil" }))
    for _ = 1, 3 do
      assert.equal("unverified", select(3, cache:read(path_of "hello")))
      assert.equal("unverified", select(3, cache:read(id)))
      assert.equal("unverified", select(3, cache:read(id .. "/a")))
    end
    assert.is_nil((near:type(id)))
    assert.is_nil((near:type(path_of "hello")))
  end)

  it("is not believed as a part of what is nearby either", function()
    local near, far = stores()
    local cache = open { near, far }
    local big = ("z"):rep(5000)
    local id = assert(cache:write { a = "1", big = big, o = { k = "v" } })
    assert(near:delete(path_of(big)))
    assert(far:write(path_of(big), "FORGED"))
    assert.equal("unverified", select(3, cache:read(id)))
    assert(far:write(path_of(big), big))
    assert.equal(big, cache:read(id).big)
    local nested = assert(cairn.id { k = "v" })
    assert(near:delete(nested, { recursive = true }))
    assert(far:pack(nested, { k = "evil" }))
    assert.equal("unverified", select(3, cache:read(id)))
  end)

  it("is not swept for what nearby stores refer to", function()
    local near, far = stores()
    local big = ("z"):rep(5000)
    local there = assert(open({ far }):write { big = big, far = "yes" })
    local cache = open { near, far }
    local here = assert(cache:write { big = big })
    assert(cache:delete(here))
    assert(cache:sweep())
    assert.equal(big, cache:read(there).big)
  end)

  it("that cannot be asked for a request's own directives fails the call", function()
    local near, far = stores()
    local cache = open { near, far }
    local base = assert(cache:write { a = "1" })
    local request = assert(cairn.id { path = "k", x = "y" })
    faulty.set("outside" .. count, { reads = "unavailable" })
    local answer, _, code = cache:resolve(base, request, function() return "computed" end,
      { cache_control = "only-if-cached" })
    assert.is_nil(answer)
    assert.equal("unavailable", code)
  end)
end)
