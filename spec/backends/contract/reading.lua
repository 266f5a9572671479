--- read and type: what is there, and what is not.

local cairn = require "cairn"
local uv = require "luv"

local refused = require "spec.support.refused"

local case = ...

describe("when reading", function()
  local store
  before_each(function() store = case.store end)

  it("answers not_found for a path nobody wrote", function()
    refused("not_found", "nowhere", store:read("nowhere"))
    refused("not_found", "no/where/at/all", store:read("no/where/at/all"))
    refused("not_found", "nowhere", store:type("nowhere"))
  end)

  it("answers not_found for a group", function()
    assert(store:group("g"))
    refused("not_found", "g", store:read("g"))
  end)

  it("answers not_found beneath a value", function()
    assert(store:write("f", "v"))
    refused("not_found", "f/x", store:read("f/x"))
    refused("not_found", "f/x/y", store:type("f/x/y"))
    refused("not_found", "f/x", store:stat("f/x"))
    refused("not_found", "f/x", store:list("f/x"))
  end)

  it("keeps every byte of a value, zeros included", function()
    local every = {}
    for byte = 0, 255 do every[#every + 1] = string.char(byte) end
    local values = {
      "", "\0", "\0\0\0", "v", table.concat(every), "\1target", "\3\131", "a\r\nb\n",
    }
    for i, value in ipairs(values) do assert(store:write("v/" .. i, value)) end
    for i, value in ipairs(values) do assert.equal(value, store:read("v/" .. i)) end
  end)

  it("gives back values of every size around its own limits", function()
    for _, size in ipairs { 1, 127, 128, 4095, 4096, 65535, 65536, 1048575, 1048576, 1048577 } do
      local value = ("0123456789abcdef"):rep(size // 16 + 1):sub(1, size)
      assert(store:write("sized", value))
      assert.is_true(value == store:read("sized"), size .. " bytes")
      assert.equal(size, store:stat("sized").size)
    end
  end)

  it("calls a value simple and a group composite", function()
    assert(store:write("g/v", "1"))
    assert.equal("simple", store:type("g/v"))
    assert.equal("composite", store:type("g"))
  end)

  it("does not give what has expired", function()
    local past, future = cairn.now() - 1000, cairn.now() + 3600000
    assert(store:write("e/gone", "1", { expires = past }))
    assert(store:write("e/here", "2", { expires = future }))
    refused("not_found", "e/gone", store:read("e/gone"))
    refused("not_found", "e/gone", store:type("e/gone"))
    refused("not_found", "e/gone", store:stat("e/gone"))
    assert.equal("2", store:read("e/here"))
    assert.equal(future, store:stat("e/here").expires)
    local names = {}
    for name in assert(store:list("e")) do names[#names + 1] = name end
    assert.same({ "here" }, names)
  end)

  it("gives a value until the moment it expires", function()
    assert(store:write("brief", "v", { expires = cairn.now() + 300 }))
    assert.equal("v", store:read("brief"))
    uv.sleep(320)
    refused("not_found", "brief", store:read("brief"))
  end)

  it("treats what has expired as absent when writing", function()
    local past = { expires = cairn.now() - 1000 }
    assert(store:write("x", "old", past))
    assert(store:write("x", "new", { if_absent = true }))
    assert.equal("new", store:read("x"))
    assert(store:write("y", "old", past))
    assert(store:write("y/below", "v"))
    assert.equal("v", store:read("y/below"))
    assert(store:write("z", "old", past))
    local _, made = assert(store:link("x", "z"))
    assert.is_true(made)
    assert.equal("new", store:read("z"))
  end)
end)
