--- Conditional writes: if_absent and if_equal. Who loses gets `conflict` and changes nothing.

local refused = require "spec.support.refused"

local case = ...

describe("when writing on a condition", function()
  local store
  before_each(function() store = case.store end)

  it("if_absent lets the first one win", function()
    assert(store:write("once", "first", { if_absent = true }))
    refused("conflict", "once", store:write("once", "second", { if_absent = true }))
    assert.equal("first", store:read("once"))
  end)

  it("if_absent makes parents as usual", function()
    assert(store:write("a/b/once", "v", { if_absent = true }))
    assert.equal("v", store:read("a/b/once"))
  end)

  it("if_absent counts a group as present", function()
    assert(store:group("g"))
    assert.is_nil(store:write("g", "v", { if_absent = true }))
    assert.equal("composite", store:type("g"))
  end)

  it("if_absent counts a link as present, dangling or not", function()
    assert(store:link("nowhere", "l"))
    refused("conflict", "l", store:write("l", "v", { if_absent = true }))
    assert.equal("link", store:stat("l").type)
    refused("not_found", "nowhere", store:read("nowhere"))
  end)

  it("if_absent beneath a link is judged at the target", function()
    assert(store:write("g/k", "1"))
    assert(store:link("g", "lg"))
    refused("conflict", "k", store:write("lg/k", "2", { if_absent = true }))
    assert(store:write("lg/new", "3", { if_absent = true }))
    assert.equal("3", store:read("g/new"))
  end)

  it("if_absent = false asks nothing", function()
    assert(store:write("a", "1"))
    assert(store:write("a", "2", { if_absent = false }))
    assert.equal("2", store:read("a"))
  end)

  it("if_equal replaces only the value that is named", function()
    assert(store:write("a", "1"))
    refused("conflict", "a", store:write("a", "3", { if_equal = "2" }))
    refused("conflict", "a", store:write("a", "3", { if_equal = "" }))
    assert.equal("1", store:read("a"))
    assert(store:write("a", "2", { if_equal = "1" }))
    assert.equal("2", store:read("a"))
  end)

  it("if_equal fails where nothing is", function()
    refused("conflict", "a", store:write("a", "3", { if_equal = "" }))
    refused("not_found", "a", store:read("a"))
  end)

  it("if_equal compares large values too", function()
    local large = ("0123456789"):rep(200000)
    assert(store:write("a", large))
    refused("conflict", "a", store:write("a", "x", { if_equal = large:sub(1, -2) .. "?" }))
    assert(store:write("a", "x", { if_equal = large }))
    assert.equal("x", store:read("a"))
  end)

  it("if_equal compares compressed values by what they are", function()
    local text = ("text "):rep(10000)
    assert(store:write("a", text, { compress = true }))
    assert(store:write("a", "x", { if_equal = text }))
    assert.equal("x", store:read("a"))
  end)
end)
