--- Messages as Lua tables: what is a list, what a message, what neither.

local cairn = require "cairn"

local messages = require "spec.support.messages"

--- There and back: through the stored form, as a value of a message.
local function carried(value)
  return assert(cairn.from_stored(assert(cairn.to_stored { k = value }))).k
end

describe("a value", function()
  local kinds = {
    { "bytes", "" },
    { "bytes", "\0\255" },
    { "integer", 0 },
    { "integer", math.mininteger },
    { "float", 1.0 },
    { "float", -0.0 },
    { "boolean", true },
    { "boolean", false },
    { "atom", cairn.null },
    { "atom", cairn.atom "name" },
    { "list", { 1 } },
    { "list", cairn.list {} },
    { "list", cairn.list { "a" } },
    { "message", {} },
    { "message", { a = 1 } },
  }
  for _, case in ipairs(kinds) do
    local kind, value = table.unpack(case)
    it(("like %s is %s"):format(tostring(value):gsub(": 0x.*", ""), kind), function()
      assert.equal(kind, cairn.kind(value))
      assert.is_true(messages.equal(value, carried(value)))
      assert.equal(kind, cairn.kind(carried(value)))
    end)
  end

  it("that is none raises, naming the key", function()
    local cases = {
      { { a = print }, "value.a: a function is no value" },
      { { a = { b = { io.stdout } } }, "value.a.b[1]: a userdata is no value" },
      { { a = { [1.5] = "x" } }, "value.a: the key 1.5 is a number" },
      { { a = { [true] = "x" } }, "value.a: a key is a boolean" },
      { { a = { "x", b = "y" } }, "value.a: a table with items and with names" },
      { { a = { "x", nil, "y", [7] = "z" } }, "value.a: the keys of a list are 1 to its length" },
      { { a = cairn.list { [2] = "x" } }, "value.a: the keys of a list" },
      { { a = cairn.list { x = "y" } }, "value.a: a table with items and with names" },
    }
    for _, case in ipairs(cases) do
      local message, expected = table.unpack(case)
      assert.error_matches(function() cairn.id(message) end, "^.*" .. expected:gsub("%W", "%%%0"))
    end
    assert.error_matches(function() cairn.kind(print) end, "a function is no value")
    assert.error_matches(function() cairn.kind() end, "value expected")
  end)

  it("may be nested 64 levels and no more", function()
    local function nest(levels)
      local outer = { k = "v" }
      for _ = 2, levels do outer = { k = outer } end
      return outer
    end
    assert.is_string(cairn.id(nest(64)))
    assert.error_matches(function() cairn.id(nest(65)) end, "more than 64 levels")
  end)

  it("that holds itself raises at once", function()
    local inner = {}
    inner.again = { inner }
    assert.error_matches(function() cairn.id { a = inner } end,
      "value%.a[%w.]*: this table holds itself")
  end)

  it("that unfolds without end raises", function()
    local shared = { k = ("x"):rep(1000) }
    for _ = 1, 40 do shared = { a = shared, b = shared } end
    assert.error_matches(function() cairn.id(shared) end, "more than 256 MiB")
  end)

  it("is read raw: no metamethod runs", function()
    local trap = setmetatable({ k = "v" }, {
      __index = error, __pairs = error, __len = error, __newindex = error,
    })
    assert.same({ k = { k = "v" } }, cairn.to_stored { k = trap })
  end)
end)

describe("an atom", function()
  it("is the same object as every other of its name", function()
    assert.equal(cairn.atom "some_atom", cairn.atom "some_atom")
    assert.equal(cairn.atom "a", carried(cairn.atom "a"))
    assert.not_equal(cairn.atom "a", cairn.atom "b")
    collectgarbage()
    assert.equal("atom", cairn.kind(cairn.atom "some_atom"))
  end)

  it("tells its name", function()
    assert.equal("some_atom", tostring(cairn.atom "some_atom"))
    assert.equal("null", tostring(cairn.null))
    assert.equal('a "quoted" \\ name', tostring(carried(cairn.atom 'a "quoted" \\ name')))
  end)

  it("named true, false or null is what Lua has for it", function()
    assert.equal(true, cairn.atom "true")
    assert.equal(false, cairn.atom "false")
    assert.equal(cairn.null, cairn.atom "null")
  end)

  it("of another type than a string raises", function()
    assert.error_matches(function() cairn.atom(1) end, "name: string expected")
  end)
end)

describe("cairn.list", function()
  it("marks the table it is given", function()
    local items = { "a" }
    assert.equal(items, cairn.list(items))
    assert.equal(items, cairn.list(items))
    assert.equal("list", cairn.kind(cairn.list()))
  end)

  it("leaves tables of other classes alone", function()
    local other = setmetatable({}, {})
    assert.error_matches(function() cairn.list(other) end, "without a metatable")
    assert.error_matches(function() cairn.list "x" end, "items: table expected")
  end)

  it("marks what comes back from C", function()
    assert.equal("list", cairn.kind(carried(cairn.list {})))
    assert.equal(getmetatable(cairn.list()), getmetatable(carried { 1, 2 }))
  end)
end)
