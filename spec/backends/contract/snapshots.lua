--- snapshot: the store as it was.

local refused = require "spec.support.refused"

local case = ...

describe("and snapshots", function()
  local store
  before_each(function() store = case.store end)

  if not case.backend.snapshot then
    it("says unsupported", function()
      refused("unsupported", case.backend.name, store:snapshot())
    end)
    return
  end

  it("reads what was there, whatever is changed since", function()
    assert(store:write("g/a", "1", { metadata = { m = 1 } }))
    assert(store:write("g/b", "2"))
    assert(store:pack("p", { k = "packed" }))
    assert(store:link("g", "l"))
    local frozen <close> = assert(store:snapshot())
    assert(store:write("g/a", "changed"))
    assert(store:write("g/c", "3"))
    assert(store:delete("l"))
    assert(store:pack("p", { k = "repacked" }))
    assert(store:delete("g/b"))
    assert.equal("1", frozen:read("g/a"))
    assert.equal("2", frozen:read("l/b"))
    assert.equal("packed", frozen:read("p/k"))
    assert.same({ m = 1 }, frozen:stat("l/a").metadata)
    assert.equal("g/b", frozen:resolve("l/b"))
    refused("not_found", "g/c", frozen:type("g/c"))
    local names = {}
    for name in assert(frozen:list("g")) do names[#names + 1] = name end
    assert.same({ "a", "b" }, names)
    assert.equal("changed", store:read("g/a"))
  end)

  it("refuses every change", function()
    assert(store:write("g/a", "1"))
    local frozen <close> = assert(store:snapshot())
    refused("unsupported", "", frozen:write("x", "1"))
    refused("unsupported", "", frozen:group("x"))
    refused("unsupported", "", frozen:link("g", "x"))
    refused("unsupported", "", frozen:pack("x", { a = "1" }))
    refused("unsupported", "", frozen:delete("g/a"))
    refused("unsupported", "", frozen:delete("g", { recursive = true }))
    refused("unsupported", "", frozen:reset())
    refused("unsupported", "", frozen:batch(function(batch) batch:write("x", "1") end))
    refused("unsupported", "", frozen:transaction(function(tx) tx:write("x", "1") end))
    refused("not_found", "x", store:type("x"))
    assert.equal("1", store:read("g/a"))
  end)

  it("keeps large values that have been replaced since", function()
    local large = ("0123456789abcdef"):rep(200000)
    assert(store:write("v", large))
    local frozen <close> = assert(store:snapshot())
    assert(store:write("v", "small"))
    assert.is_true(large == frozen:read("v"))
    assert.equal(large:sub(2000001, 2000010), frozen:read_at("v", 2000000, 10))
  end)

  it("survives the store it was taken from", function()
    local cairn = require "cairn"
    local other = assert(cairn.open(case.beside("second")))
    assert(other:write("a", "1"))
    local frozen = assert(other:snapshot())
    other:close()
    assert.equal("1", frozen:read("a"))
    frozen:close()
  end)
end)
