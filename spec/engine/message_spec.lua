--- From typed messages to stored ones and back.

local cairn = require "cairn"

local messages = require "spec.support.messages"

local vectors = messages.vectors "ids.json"

describe("the stored form of a message", function()
  it("is the reference's in every vector", function()
    assert.equal(108, #vectors)
    for _, vector in ipairs(vectors) do
      local stored = assert(cairn.to_stored(vector.msg))
      assert.is_true(messages.equal(vector.tabm.ret, stored), vector.name)
    end
  end)

  it("has only bytes and messages, with the types noted", function()
    local cases = {
      { { n = -7, z = 0 }, { n = "-7", z = "0", ["ao-types"] = 'n="integer", z="integer"' } },
      { { n = math.mininteger }, { n = "-9223372036854775808", ["ao-types"] = 'n="integer"' } },
      { { f = 3.14 }, { f = "3.14000000000000012434e+00", ["ao-types"] = 'f="float"' } },
      { { f = -0.0 }, { f = "-0.00000000000000000000e+00", ["ao-types"] = 'f="float"' } },
      { { f = 5e-324 }, { f = "4.94065645841246544177e-324", ["ao-types"] = 'f="float"' } },
      { { a = true, b = cairn.atom "x\\y" },
        { a = '"true"', b = '"x\\\\y"', ["ao-types"] = 'a="atom", b="atom"' } },
      { { a = "", b = {}, c = cairn.list {} },
        { ["ao-types"] = 'a="empty-binary", b="empty-message", c="empty-list"' } },
      { { l = { "a", 1, true, 0.5 } },
        { l = '"a", "(ao-type-integer) 1", "(ao-type-atom) \\"true\\"", '
          .. '"(ao-type-float) 5.00000000000000000000e-01"', ["ao-types"] = 'l="list"' } },
      { { l = { 'say "hi" \\' } }, { l = '"say \\"hi\\" \\\\"', ["ao-types"] = 'l="list"' } },
      { { l = { 1, { 2, "q" } } },
        { l = '"(ao-type-integer) 1", "(ao-type-list) \\"(ao-type-integer) 2\\", \\"q\\""',
          ["ao-types"] = 'l="list"' } },
      { { l = { { a = 1 }, "b" } },
        { l = { ["1"] = { a = "1", ["ao-types"] = 'a="integer"' }, ["2"] = "b" },
          ["ao-types"] = 'l="list"' } },
      { { l = { "b", { a = 1 } } },
        { l = { ["1"] = "b", ["2"] = { a = "1", ["ao-types"] = 'a="integer"' } },
          ["ao-types"] = 'l="list"' } },
      { { Key = "v" }, { key = "v" } },
      { { Key = "v", KEY = "v" }, { key = "v" } },
      { { [("A"):rep(43)] = 1 },
        { [("A"):rep(43)] = "1", ["ao-types"] = ("%41"):rep(43) .. '="integer"' } },
      { { ["a b=é"] = 1 }, { ["a b=é"] = "1", ["ao-types"] = 'a%20b%3d%c3%a9="integer"' } },
      { { a = "b", priv = "x", private_x = "y", Privy = "z", unsigned_id = "u",
          ["Content-Digest"] = "d" }, { a = "b" } },
      { { o = { priv = "x" } }, { ["ao-types"] = 'o="empty-message"' } },
    }
    for _, case in ipairs(cases) do
      local message, expected = table.unpack(case)
      assert.same(expected, cairn.to_stored(message))
    end
  end)

  it("of a stored message is itself", function()
    for _, vector in ipairs(vectors) do
      local stored = vector.tabm.ret
      assert.is_true(messages.equal(stored, assert(cairn.to_stored(stored))), vector.name)
    end
  end)

  it("adds its notes to those that were given", function()
    assert.same({ a = "1", b = "2", ["ao-types"] = 'a="integer", b="integer"' },
      cairn.to_stored { a = 1, b = "2", ["ao-types"] = 'b="integer"' })
    assert.same({ a = "1", ["ao-types"] = 'a="integer", b="empty-list"' },
      cairn.to_stored { a = 1, b = cairn.list {}, ["ao-types"] = 'a="integer",b="empty-list"' })
    assert.same({ a = "1" }, cairn.to_stored { a = "1", ["ao-types"] = "" })
  end)

  it("writes in one way what was given in another, and it is read back with its id", function()
    local rows = {
      { { a = "007", ["ao-types"] = 'a="integer"' }, { a = "7", ["ao-types"] = 'a="integer"' } },
      { { a = "-0", ["ao-types"] = 'a="integer"' }, { a = "0", ["ao-types"] = 'a="integer"' } },
      { { a = "2", ["ao-types"] = 'a="float"' },
        { a = "2.00000000000000000000e+00", ["ao-types"] = 'a="float"' } },
      { { a = "x", ["ao-types"] = 'a="atom"' }, { a = '"x"', ["ao-types"] = 'a="atom"' } },
      { { a = '"x" ,"(ao-type-integer) 01"', ["ao-types"] = 'a="list"' },
        { a = '"x", "(ao-type-integer) 1"', ["ao-types"] = 'a="list"' } },
      { { a = " ", ["ao-types"] = 'a="list"' }, { ["ao-types"] = 'a="empty-list"' } },
      { { a = "5", ["ao-types"] = '%41="integer"' }, { a = "5", ["ao-types"] = 'a="integer"' } },
      { { a = "5", b = "6", ["ao-types"] = 'b=integer,a="integer" , a="integer"' },
        { a = "5", b = "6", ["ao-types"] = 'a="integer", b="integer"' } },
      { { a = "5", ["ao-types"] = '%61="integer", A="integer"' },
        { a = "5", ["ao-types"] = 'a="integer"' } },
      { { a = "5", ["ao-types"] = 'priv-x="empty-binary"' }, { a = "5" } },
      { { a = "5", ["ao-types"] = 'content-digest="empty-binary", unsigned_id="empty-list"' },
        { a = "5" } },
      { { a = "5", ["ao-types"] = 'ao-types="empty-list", private="integer"' }, { a = "5" } },
      { { o = { priv = "x" }, ["ao-types"] = 'o="empty-message"' },
        { ["ao-types"] = 'o="empty-message"' } },
      { { l = { ["1"] = "a", ["2"] = "b" }, ["ao-types"] = 'l="list"' },
        { l = '"a", "b"', ["ao-types"] = 'l="list"' } },
      { { l = { ["2"] = { k = "v" }, ["1"] = "07", ["ao-types"] = '1="integer",3="empty-list"' },
          ["ao-types"] = 'l="list"' },
        { l = { ["1"] = "7", ["2"] = { k = "v" }, ["ao-types"] = '1="integer", 3="empty-list"' },
          ["ao-types"] = 'l="list"' } },
    }
    for i, row in ipairs(rows) do
      local given, expected = table.unpack(row)
      assert.same(expected, cairn.to_stored(given), "row " .. i)
      local typed = assert(cairn.from_stored(expected))
      assert.same(expected, cairn.to_stored(typed), "row " .. i)
      assert.equal(cairn.id(given), cairn.id(typed), "row " .. i)
    end
  end)

  it("takes a map for a list only if its keys are 1, 2, ...", function()
    local keys = { { "0" }, { "2" }, { "1", "3" }, { "01" }, { "1", "x" }, { "" }, { "1", "1.0" },
      { "18446744073709551617" }, { "1", "18446744073709551618" } }
    for _, row in ipairs(keys) do
      local map = {}
      for _, key in ipairs(row) do map[key] = { k = "v" } end
      local stored, said, code = cairn.to_stored { n = map, ["ao-types"] = 'n="list"' }
      assert.is_nil(stored)
      assert.equal("ao-types says list, but the keys are not 1, 2, ...: 'n'", said)
      assert.equal("invalid_argument", code)
    end
    local absent = { ["1"] = "a", ["ao-types"] = '2="integer"' }
    local _, said = cairn.to_stored { n = absent, ["ao-types"] = 'n="list"' }
    assert.matches("keys are not 1, 2, ...: 'n'", said, 1, true)
  end)

  it("is the same for lists in lists, down to the deepest", function()
    local map = { ["1"] = "x" }
    for level = 1, 63 do
      local stored = assert(cairn.to_stored(map))
      local typed = assert(cairn.from_stored(stored))
      assert.same(stored, cairn.to_stored(typed), "level " .. level)
      map = { ["1"] = map, ["ao-types"] = '1="list"' }
    end
    local message = { n = "1", ["ao-types"] = 'n="integer"' }
    for _ = 1, 63 do message = { m = message } end
    assert.same(message, cairn.to_stored(message))
  end)

  it("leaves a given note alone whose value is not there", function()
    local given = { a = "1", ["ao-types"] = 'status="integer"' }
    assert.same(given, cairn.to_stored(given))
    assert.same({ a = "1" }, cairn.from_stored(given))
  end)

  it("is refused where a message cannot be", function()
    local refused = {
      { { Key = "v", key = "w" }, "two values at one key: 'key'" },
      { { device = { a = 1 } }, "the value at 'device' may not be a message" },
      { { o = { device = { { a = 1 } } } }, "'device' may not be a message" },
      { { f = 1 / 0 }, "not finite" },
      { { l = { 1, 0 / 0 } }, "not finite" },
      { { n = "x", ["ao-types"] = 'n="integer"' }, "ao-types says what the value is not: 'n'" },
      { { n = 1, ["ao-types"] = 'n="float"' }, "ao-types says what the value is not: 'n'" },
      { { n = "x", ["ao-types"] = 'n="empty-binary"' }, "what the value is not: 'n'" },
      { { n = { a = "1" }, ["ao-types"] = 'n="list"' }, "keys are not 1, 2, ...: 'n'" },
      { { n = { k = "v" }, ["ao-types"] = 'n="empty-message"' }, "what the value is not: 'n'" },
      { { n = { k = "v" }, ["ao-types"] = 'n="integer"' }, "what the value is not: 'n'" },
      { { n = "1", ["ao-types"] = '%4e="integer", n="atom"' }, "says two things of: 'n'" },
      { { n = "1", ["ao-types"] = 'n="integer", n="float"' }, "ao-types says two things of: 'n'" },
      { { n = "1", ["ao-types"] = 'n="bignum"' }, "no dictionary of types" },
      { { n = "1", ["ao-types"] = "n" }, "no dictionary of types" },
      { { ["ao-types"] = 5 }, "the value at 'ao-types' is a dictionary" },
      { cairn.list { 1 }, "a message expected" },
    }
    for _, case in ipairs(refused) do
      local message, expected = table.unpack(case)
      local stored, said, code = cairn.to_stored(message)
      assert.is_nil(stored)
      assert.matches(expected, said, 1, true)
      assert.equal("invalid_argument", code)
    end
  end)

  it("may hold an empty device", function()
    assert.same({ ["ao-types"] = 'device="empty-message"' }, cairn.to_stored { device = {} })
    assert.same({ device = '"a", "b"', ["ao-types"] = 'device="list"' },
      cairn.to_stored { device = { "a", "b" } })
  end)

  it("is the same in every locale", function()
    local before = os.setlocale(nil, "numeric")
    for _, locale in ipairs { "de_DE.UTF-8", "fr_FR.UTF-8", "C" } do
      os.setlocale(locale, "numeric")
      local stored = cairn.to_stored { f = 0.5 }
      assert.equal("5.00000000000000000000e-01", stored.f)
      assert.equal(0.5, cairn.from_stored(stored).f)
    end
    os.setlocale(before, "numeric")
  end)
end)

describe("the typed form of a stored message", function()
  it("is what was stored, for every vector", function()
    for _, vector in ipairs(vectors) do
      local typed = assert(cairn.from_stored(vector.tabm.ret))
      assert.is_true(messages.equal(vector.tabm.ret, assert(cairn.to_stored(typed))), vector.name)
    end
  end)

  it("is what was stored, for random messages", function()
    for trial = 1, 700 do
      math.randomseed(trial)
      local stored = cairn.to_stored(messages.random(3))
      if stored then
        local typed = assert(cairn.from_stored(stored))
        assert.is_true(messages.equal(stored, assert(cairn.to_stored(typed))), "trial " .. trial)
      end
    end
  end)

  it("tells bytes that look like a typed item from the item", function()
    local lists = {
      { "(ao-type-integer) 1" }, { 1 }, { "(ao-type-" }, { 2, "(ao-type-x) y" },
    }
    for _, list in ipairs(lists) do
      assert.same({ l = list }, cairn.from_stored(cairn.to_stored { l = list }))
    end
    assert.not_equal(cairn.id { l = { "(ao-type-integer) 1" } }, cairn.id { l = { 1 } })
  end)

  it("keeps lists of any shape", function()
    local deep = { "x" }
    for _ = 1, 20 do deep = { 1, deep, '"' } end
    for _, list in ipairs { deep, { {}, cairn.list {} }, { cairn.list {} }, { "", "" }, { { {} } },
      { "a, b", '"', "\\", "\n", "\0" }, { true, cairn.null, cairn.atom "x" } } do
      assert.same({ l = list }, cairn.from_stored(cairn.to_stored { l = list }))
    end
    local long = {}
    for i = 1, 2000 do long[i] = { n = i } end
    assert.same({ l = long }, cairn.from_stored(cairn.to_stored { l = long }))
  end)

  it("is refused as corrupt where notes and values disagree", function()
    -- What cairn.to_stored would not let through comes over HTTP.
    local corrupt = {
      { n = "x", ["ao-types"] = 'n="integer"' },
      { n = "", ["ao-types"] = 'n="integer"' },
      { n = "-", ["ao-types"] = 'n="integer"' },
      { n = "9223372036854775808", ["ao-types"] = 'n="integer"' },
      { f = "nan", ["ao-types"] = 'f="float"' },
      { f = "0x1p3", ["ao-types"] = 'f="float"' },
      { f = "1e999", ["ao-types"] = 'f="float"' },
      { a = '"open', ["ao-types"] = 'a="atom"' },
      { l = '"a" "b"', ["ao-types"] = 'l="list"' },
      { l = '"a",', ["ao-types"] = 'l="list"' },
      { l = '"(ao-type-integer) x"', ["ao-types"] = 'l="list"' },
      { l = '"(ao-type-what) x"', ["ao-types"] = 'l="list"' },
      { b = "v", ["ao-types"] = 'b="empty-binary"' },
      { b = "v", ["ao-types"] = "no dictionary" },
    }
    for _, fields in ipairs(corrupt) do
      local message, said, code = cairn.from_http { fields = fields }
      assert.is_nil(message)
      assert.matches("ao%-types", said)
      assert.equal("corrupt", code)
    end
  end)

  it("reads notes and values that others write differently", function()
    assert.same({ n = 7, a = cairn.atom "x", f = 2.0, l = { "a", "b" } }, cairn.from_stored {
      n = "007", a = "x", f = "2", l = '"a"  ,"b" ',
      ["ao-types"] = ' N=integer ,a="atom", f="float",l="list"',
    })
  end)
end)
