--- Values that go from thread to thread: copied whole, or not at all.

local place = require "spec.support.place"

local parcels = assert(package.loadlib(place.build .. "/spec/parcels.so", "luaopen_parcels"))()

describe("a parcel", function()
  local cases = {
    { "bytes", '"text with ü"' },
    { "no bytes", '""' },
    { "bytes that are no text", '{"$base64":"AP8A"}' },
    { "an integer", "-9007199254740991" },
    { "a float", "2.5" },
    { "an atom", "true" },
    { "an empty list", "[]" },
    { "an empty message", "{}" },
    { "lists in messages in lists", '[1,{"a":[{"b":["x","y",[[],{}]]}],"c":null},"z"]' },
    { "many values", "[" .. ("[1,2],"):rep(2000) .. '"end"]' },
  }
  for _, case in ipairs(cases) do
    local what, json = table.unpack(case)
    it("holds " .. what .. ", in one block of its own", function()
      local copy, size, whole = parcels.copy(json)
      assert.equal(json, copy)
      assert.is_true(whole)
      assert.is_true(size > 0)
    end)
  end

  it("is not much larger than what is in it", function()
    local _, small = parcels.copy '""'
    local _, large = parcels.copy('"' .. ("x"):rep(100000) .. '"')
    assert.is_true(small <= 64, small .. " bytes for nothing")
    assert.equal(100000, large - small)
  end)

  it("has up to 64 levels", function()
    assert.is_true(parcels.nested(64))
    local parcel, message, code = parcels.nested(65)
    assert.same({ nil, "limit" }, { parcel, code })
    assert.matches("more than 64 levels", message, 1, true)
  end)

  it("has up to 256 MiB", function()
    assert.is_true(parcels.large(16, 1 << 20))
    local parcel, message, code = parcels.large(257, 1 << 20)
    assert.same({ nil, "limit" }, { parcel, code })
    assert.matches("more than 256 MiB", message, 1, true)
  end)

  it("of a value that is its own twin, twin of twins, is refused soon", function()
    local began = os.clock()
    local parcel, _, code = parcels.doubled(60)
    assert.same({ nil, "limit" }, { parcel, code })
    assert.is_true(os.clock() - began < 5)
  end)

  it("is gone when the last thread lets go of it", function()
    assert.is_true(parcels.share(8))
  end)
end)
