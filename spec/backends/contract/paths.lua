--- SEMANTICS of paths: one name, many spellings, and what is refused.

local refused = require "spec.support.refused"

local case = ...

describe("and its paths", function()
  local store
  before_each(function() store = case.store end)

  --- `size` bytes of path in segments of at most 100.
  local function path_of(size)
    local path = (("x"):rep(100) .. "/"):rep(size // 101 + 1):sub(1, size)
    return (path:gsub("/$", "y"))
  end

  it("finds one entry under every spelling of its path", function()
    assert(store:write("a/b", "v"))
    for _, spelling in ipairs {
      "a/b", "/a/b", "a/b/", "//a//b//", { "a", "b" }, { "a", { "b" } }, { { "a/b" } },
      { "", "a", "", "b" }, { "/a/", "/b/" },
    } do
      assert.equal("v", store:read(spelling))
    end
    assert(store:write({ "a", { "c" } }, "w"))
    assert.equal("w", store:read("a/c"))
  end)

  it("keeps upper and lower case apart", function()
    assert(store:write("Key", "upper"))
    refused("not_found", "key", store:read("key"))
  end)

  it("has a root that is always a group", function()
    for _, root in ipairs { "", "/", "///", {} } do
      assert.equal("composite", store:type(root))
      assert.equal("", store:resolve(root))
      assert.is_nil(assert(store:list(root))())
      assert(store:group(root))
      assert.equal("not_found", select(3, store:read(root)))
      assert.equal("is_group", select(3, store:write(root, "v")))
    end
  end)

  it("takes any byte but NUL in a name", function()
    local names = {}
    for byte = 1, 255 do
      local char = string.char(byte)
      if char ~= "/" and char ~= "." then names[#names + 1] = "n" .. char end
    end
    names[#names + 1] = "\255\254"
    names[#names + 1] = "ключ"
    names[#names + 1] = "..."
    names[#names + 1] = ".hidden"
    names[#names + 1] = "a b%20c?x=1&y=2"
    for _, name in ipairs(names) do assert(store:write({ "odd", name }, "= " .. name)) end
    for _, name in ipairs(names) do assert.equal("= " .. name, store:read({ "odd", name })) end
    table.sort(names)
    local listed = {}
    for name in assert(store:list("odd")) do listed[#listed + 1] = name end
    assert.same(names, listed)
  end)

  it("has room for a name that equals its parent's", function()
    assert(store:write("a/a", "1"))
    assert(store:write("g/g/g/k", "2"))
    assert.equal("1", store:read("a/a"))
    assert.equal("composite", store:type("a"))
    assert.equal("2", store:read("g/g/g/k"))
    refused("not_found", "g/g/k", store:read("g/g/k"))
    assert.equal("a/a", store:resolve("a/a"))
  end)

  it("takes paths of 2,048 bytes and refuses longer ones", function()
    local longest = path_of(2048)
    assert.equal(2048, #longest)
    assert(store:write(longest, "v"))
    assert.equal("v", store:read(longest))
    assert.equal("v", store:read("//" .. longest .. "//")) -- counted once normal
    assert.equal("invalid_path", select(3, store:write(path_of(2049), "v")))
    assert.equal("invalid_path", select(3, store:read(path_of(2049))))
    assert.equal("invalid_path", select(3, store:read(path_of(100000))))
  end)

  it("takes names of 255 bytes, and longer ones where it can hold them", function()
    local name = ("n"):rep(255)
    assert(store:write("g/" .. name, "v"))
    assert.equal("v", store:read("g/" .. name))
    local longer = name .. "n"
    if case.backend.name_max then
      refused("name_too_long", "nnnn", store:write("g/" .. longer, "v"))
      refused("name_too_long", "nnnn", store:group(longer))
      refused("name_too_long", "nnnn", store:link("x", longer))
      refused("name_too_long", "nnnn", store:write(longer .. "/below", "v"))
      refused("name_too_long", "nnnn", store:pack("p", { [longer] = "v" }))
      refused("name_too_long", "nnnn", store:read("g/" .. longer))
      refused("name_too_long", "nnnn", store:type("g/" .. longer .. "/x"))
    else
      assert(store:write("g/" .. longer, "v"))
      assert.equal("v", store:read("g/" .. longer))
    end
  end)

  describe("refuses with invalid_path", function()
    local bad = { "a/./b", "..", ".", "a/..", "../x", "a\0b", { "a", ".." }, { "a", { "." } } }
    local asked = {
      read = function(path) return store:read(path) end,
      write = function(path) return store:write(path, "v") end,
      group = function(path) return store:group(path) end,
      ["link from"] = function(path) return store:link("x", path) end,
      ["link to"] = function(path) return store:link(path, "x") end,
      pack = function(path) return store:pack(path, { a = "1" }) end,
      type = function(path) return store:type(path) end,
      list = function(path) return store:list(path) end,
      range = function(path) return store:range(path) end,
      resolve = function(path) return store:resolve(path) end,
      stat = function(path) return store:stat(path) end,
      delete = function(path) return store:delete(path) end,
      ["recursive delete"] = function(path) return store:delete(path, { recursive = true }) end,
      read_at = function(path) return store:read_at(path, 0, 1) end,
    }
    for operation, ask in pairs(asked) do
      it("a path with `.`, `..` or NUL given to " .. operation, function()
        for _, path in ipairs(bad) do
          local value, message, code = ask(path)
          assert.is_nil(value)
          assert.equal("invalid_path", code)
          local shown = type(path) == "table" and "a/" or path:match("^[^%z]*")
          assert.matches(shown, message, 1, true)
        end
        assert.is_nil(assert(store:list())()) -- and nothing came of it
      end)
    end
  end)
end)
