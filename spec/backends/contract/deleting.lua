--- delete and reset.

local cairn = require "cairn"
local refused = require "spec.support.refused"

local case = ...

describe("when deleting", function()
  local store
  before_each(function() store = case.store end)

  local function names(path)
    local found = {}
    for name in assert(store:list(path)) do found[#found + 1] = name end
    return found
  end

  it("removes a value and leaves its group", function()
    assert(store:write("g/a", "1"))
    assert(store:write("g/b", "2"))
    assert.same({ true }, { store:delete("g/a") })
    refused("not_found", "g/a", store:read("g/a"))
    assert.same({ "b" }, names("g"))
    assert(store:delete("g/b"))
    assert.equal("composite", store:type("g"))
  end)

  it("removes a link, never its target", function()
    assert(store:write("v", "1"))
    assert(store:write("g/k", "2"))
    assert(store:link("v", "lv"))
    assert(store:link("g", "lg"))
    assert(store:link("nowhere", "ln"))
    assert(store:delete("lv"))
    assert(store:delete("lg"))
    assert(store:delete("ln"))
    assert.equal("1", store:read("v"))
    assert.equal("2", store:read("g/k"))
    assert.same({ "g", "v" }, names())
  end)

  it("removes a link that loops", function()
    assert(store:link("y", "x"))
    assert(store:link("x", "y"))
    assert(store:delete("x"))
    refused("not_found", "x", store:stat("x"))
    refused("not_found", "y", store:read("y"))
  end)

  it("removes beneath a link at the target", function()
    assert(store:write("g/k", "1"))
    assert(store:link("g", "lg"))
    assert(store:delete("lg/k"))
    refused("not_found", "g/k", store:read("g/k"))
  end)

  it("removes an empty group", function()
    assert(store:group("g/h"))
    assert(store:delete("g/h"))
    refused("not_found", "g/h", store:type("g/h"))
    assert.equal("composite", store:type("g"))
  end)

  it("refuses a group that is not empty, unless told to", function()
    assert(store:write("g/h/k", "1"))
    assert(store:link("g", "g/l"))
    refused("is_group", "g", store:delete("g"))
    refused("is_group", "g", store:delete("g", { recursive = false }))
    assert.equal("1", store:read("g/h/k"))
    assert(store:delete("g", { recursive = true }))
    refused("not_found", "g", store:type("g"))
    refused("not_found", "g/h", store:type("g/h"))
    refused("not_found", "g/h/k", store:read("g/h/k"))
    assert.same({}, names())
  end)

  it("answers not_found for what is not there", function()
    refused("not_found", "nowhere", store:delete("nowhere"))
    refused("not_found", "no/where", store:delete("no/where"))
    refused("not_found", "nowhere", store:delete("nowhere", { recursive = true }))
  end)

  it("does not follow links when it removes a tree", function()
    assert(store:write("data/k", "kept"))
    assert(store:link("data", "g/sub/l"))
    assert(store:link("data", "top"))
    assert(store:delete("g", { recursive = true }))
    assert.equal("kept", store:read("data/k"))
    assert(store:delete("top", { recursive = true }))
    assert.equal("kept", store:read("data/k"))
    assert.same({ "data" }, names())
  end)

  it("removes a tree of many entries", function()
    local function fill(sink)
      for i = 1, 400 do sink:write(("t/%d/%d"):format(i % 7, i), "v") end
    end
    if case.backend.batch then assert(store:batch(fill)) else fill(store) end
    assert(store:write("other", "kept"))
    assert(store:delete("t", { recursive = true }))
    refused("not_found", "t", store:type("t"))
    refused("not_found", "t/3/3", store:read("t/3/3"))
    assert(store:group("t"))
    assert.same({}, names("t"))
    assert.equal("kept", store:read("other"))
  end)

  it("removes what has expired along with its group", function()
    assert(store:write("g/e", "v", { expires = cairn.now() - 1000 }))
    assert(store:delete("g"))
    refused("not_found", "g", store:type("g"))
    assert(store:group("g"))
    assert.same({}, names("g"))
  end)

  it("lets another kind take the place", function()
    assert(store:write("x", "v"))
    assert(store:delete("x"))
    assert(store:write("x/y", "w"))
    assert(store:delete("x", { recursive = true }))
    assert(store:link("elsewhere", "x"))
    assert(store:delete("x"))
    assert(store:write("x", "again"))
    assert.equal("again", store:read("x"))
  end)

  it("keeps the root, whatever is asked", function()
    assert(store:write("a/b", "v"))
    refused("invalid_argument", "root", store:delete(""))
    refused("invalid_argument", "root", store:delete("", { recursive = true }))
    assert.equal("v", store:read("a/b"))
  end)

  it("empties the store on reset", function()
    assert(store:write("a/b", "1"))
    assert(store:link("a", "l"))
    assert(store:pack("p", { k = "v" }))
    assert(store:write("large", ("x"):rep(3000000)))
    assert.same({ true }, { store:reset() })
    for _, path in ipairs { "a", "a/b", "l", "p", "p/k", "large" } do
      refused("not_found", path, store:type(path))
    end
    assert.same({}, names())
    assert.equal("composite", store:type(""))
    assert(store:reset())
    assert(store:write("a/c", "2"))
    assert.same({ "c" }, names("a"))
  end)
end)
