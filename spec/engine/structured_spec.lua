--- Structured fields (RFC 9651): the working group's own tests, and what they do not try.

local cairn = require "cairn"
local lfs = require "lfs"

local place = require "spec.support.place"

local VECTORS = "spec/vectors/structured-fields"
local RANDOM_TRIALS = 20000
local BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

local function parse(text, kind, lax)
  local parsed, message, code = cairn.parse_structured(text, kind, lax)
  if parsed == nil then
    assert.is_true(code == "invalid_argument" or code == "limit", code)
    assert.is_string(message)
  end
  return parsed, message, code
end

-- -- The suite's notation ------------------------------------------------------------------

local function from_base32(text)
  local bytes, bits, count = {}, 0, 0
  for letter in text:gmatch("[^=]") do
    bits = bits << 5 | BASE32:find(letter, 1, true) - 1
    count = count + 5
    if count >= 8 then
      count = count - 8
      bytes[#bytes + 1] = string.char(bits >> count & 255)
    end
  end
  return table.concat(bytes)
end

local BARE = {
  token = function(value) return "token", value end,
  date = function(value) return "date", value end,
  displaystring = function(value) return "display", value end,
  binary = function(value) return "bytes", from_base32(value) end,
}

local function bare(expected)
  if type(expected) == "table" then return BARE[expected.__type](expected.value) end
  local kind = math.type(expected)
  if kind == "integer" then return "integer", expected end
  if kind == "float" then return "decimal", expected end
  return type(expected), expected -- a string, a boolean
end

local function parameters(expected)
  local list = {}
  for i, pair in ipairs(expected) do
    local kind, value = bare(pair[2])
    list[i] = { key = pair[1], value = { type = kind, value = value, parameters = {} } }
  end
  return list
end

local function item(expected)
  local more = parameters(expected[2])
  if type(expected[1]) == "table" and not expected[1].__type then
    local items = {}
    for i, inner in ipairs(expected[1]) do items[i] = item(inner) end
    return { type = "list", value = items, parameters = more }
  end
  local kind, value = bare(expected[1])
  return { type = kind, value = value, parameters = more }
end

local function members(expected, kind)
  if kind == "item" then return item(expected) end
  local list = {}
  for i, member in ipairs(expected) do
    list[i] = kind == "list" and item(member) or { key = member[1], item = item(member[2]) }
  end
  return list
end

--- Every test of the folder with its file's name; cairn's own reader, as it tells 1 from 1.0.
local function each_test(folder)
  return coroutine.wrap(function()
    local names = {}
    for name in lfs.dir(folder) do
      if name:match("%.json$") then names[#names + 1] = name end
    end
    table.sort(names)
    for _, name in ipairs(names) do
      for _, test in ipairs(assert(cairn.from_json(place.content(folder .. "/" .. name)))) do
        coroutine.yield(test, name .. ": " .. test.name)
      end
    end
  end)
end

describe("the working group's tests of structured fields", function()
  it("are all there", function()
    local count = 0
    for _ in each_test(VECTORS) do count = count + 1 end
    for _ in each_test(VECTORS .. "/serialisation-tests") do count = count + 1 end
    assert.equal(2135, count)
  end)

  it("parse, or fail to", function()
    local outcomes = { parsed = 0, refused = 0, either = 0 }
    for test, name in each_test(VECTORS) do
      local parsed, message = parse(table.concat(test.raw, ", "), test.header_type)
      if test.must_fail then
        assert.is_nil(parsed, name)
        outcomes.refused = outcomes.refused + 1
      elseif test.can_fail and not parsed then
        outcomes.either = outcomes.either + 1
      else
        assert.same(members(test.expected, test.header_type), parsed, name .. (message or ""))
        outcomes.parsed = outcomes.parsed + 1
      end
    end
    assert.is_true(outcomes.parsed > 700 and outcomes.refused > 700)
    assert.equal(1591, outcomes.parsed + outcomes.refused + outcomes.either)
  end)

  it("serialise what they parse to in the canonical form", function()
    for test, name in each_test(VECTORS) do
      local parsed = not test.must_fail and parse(table.concat(test.raw, ", "), test.header_type)
      if parsed then
        local canonical = table.concat(test.canonical or test.raw, ", ")
        assert.equal(canonical, cairn.serialize_structured(parsed, test.header_type), name)
      end
    end
  end)

  it("serialise what no text says, or refuse to", function()
    local refused = 0
    for test, name in each_test(VECTORS .. "/serialisation-tests") do
      local given = members(test.expected, test.header_type)
      local text, message, code = cairn.serialize_structured(given, test.header_type)
      if test.must_fail then
        assert.is_nil(text, name)
        assert.equal("invalid_argument", code)
        assert.is_string(message)
        refused = refused + 1
      else
        assert.equal(table.concat(test.canonical, ", "), text, name)
      end
    end
    assert.is_true(refused > 400)
  end)
end)

describe("a structured field", function()
  it("keeps of a key that comes twice the last value at the first place", function()
    local parsed = assert(parse("b=1;z;a;z=2, c=3, a=4, b=5;x, c=6", "dictionary"))
    assert.equal("b=5;x, c=6, a=4", cairn.serialize_structured(parsed, "dictionary"))
    local single = assert(parse("t;z;a;z=2;a;y", "item"))
    assert.equal("t;z=2;a;y", cairn.serialize_structured(single, "item"))
  end)

  local wrong = {
    { "1,", "list", 3 }, { "a=1, b=\"x", "dictionary", 10 }, { "(1 2", "list", 5 },
    { "a=1 b", "dictionary", 5 }, { "Upper", "dictionary", 1 }, { "?2", "item", 2 },
    { "1.", "item", 3 }, { ":AAA", "item", 5 }, { "%\"%C3\"", "item", 4 }, { "", "item", 1 },
    { "@1.5", "item", 5 }, { "\0", "item", 1 }, { "\"\255\"", "item", 2 },
  }
  for _, case in ipairs(wrong) do
    local text, kind, at = table.unpack(case)
    it(("that is %q is refused at byte %d"):format(text, at), function()
      local parsed, message = parse(text, kind)
      assert.is_nil(parsed)
      assert.matches("byte " .. at .. "%f[%D]", message)
    end)
  end

  it("reads as a dictionary of thousands of keys, in any order, in no time", function()
    local keys, again = {}, {}
    for i = 1, 100000 do
      keys[i] = ("k%d=%d"):format(100001 - i, i)
      again[i] = ("same%d"):format(i % 3)
    end
    local before = os.clock()
    assert.equal(100000, #assert(parse(table.concat(keys, ","), "dictionary")))
    assert.equal(3, #assert(parse(table.concat(again, ","), "dictionary")))
    assert.equal(3, #assert(parse("a;" .. table.concat(again, ";"), "item")).parameters)
    assert.is_true(os.clock() - before < 10)
  end)

  it("has no more than 2^20 elements", function()
    local most = 1 << 20
    assert.equal(most, #assert(parse(("1,"):rep(most - 1) .. "1", "list")))
    for _, text in ipairs { ("1,"):rep(most) .. "1", "(" .. ("1 "):rep(most) .. ")" } do
      local _, message, code = parse(text, "list")
      assert.equal("limit", code)
      assert.matches("more than 1048576", message, 1, true)
    end
    local list = {}
    for i = 1, most + 1 do list[i] = false end
    assert.has_error(function() cairn.serialize_structured(list, "list") end)
  end)
end)

describe("keys of `ao-types`", function()
  local lax = { "Upper=1", "1=2", "%41b=3", "a/b=4", "?x=5", "&=6", "+=7", ".a=8", "-=9", "_=1" }

  it("are taken where laxness is asked for, and only there", function()
    for _, text in ipairs(lax) do
      assert.is_nil(parse(text, "dictionary"), text)
      local parsed = assert(parse(text, "dictionary", true))
      assert.equal(text, cairn.serialize_structured(parsed, "dictionary", true))
      assert.is_nil((cairn.serialize_structured(parsed, "dictionary")))
    end
    local all = table.concat(lax, ", ")
    local parsed = assert(parse(all, "dictionary", true))
    assert.equal(#lax, #parsed)
    assert.equal(all, cairn.serialize_structured(parsed, "dictionary", true))
  end)

  it("are all that is laxer", function()
    for _, text in ipairs { "a=1,", "a=01x", "=1", "a b", 'a="\255"', "a=(1", "a:b=1", "a=!" } do
      assert.is_nil(parse(text, "dictionary", true), text)
    end
  end)
end)

describe("serialising a structured field", function()
  local function one(kind, value, more)
    return cairn.serialize_structured({ type = kind, value = value, parameters = more }, "item")
  end

  it("rounds decimals to three digits, ties to the even one", function()
    for _, case in ipairs {
      { 0.0015, "0.002" }, { 0.0025, "0.002" }, { -0.0015, "-0.002" }, { 1.0, "1.0" },
      { 1.25, "1.25" }, { 999999999999.9994, "999999999999.999" }, { -0.0001, "0.0" },
      { -0.0, "0.0" }, { 7, "7.0" }, { 0.1 + 0.2, "0.3" }, { 1e-300, "0.0" },
    } do
      assert.equal(case[2], one("decimal", case[1]))
    end
    for _, number in ipairs { 1e12, -1e12, 999999999999.9996, 1 / 0, -1 / 0, 0 / 0, 1e300 } do
      assert.is_nil((one("decimal", number)))
    end
  end)

  it("gives back every thousandth", function()
    math.randomseed(11)
    for _ = 1, RANDOM_TRIALS do
      local whole = math.random(0, 10 ^ math.random(0, 12) - 1 | 0)
      local text = ("%d.%03d"):format(whole, math.random(0, 999)):gsub("0?0$", "")
      assert.equal(text, one("decimal", assert(parse(text, "item")).value))
    end
  end)

  it("refuses what no field can carry", function()
    local inner = { type = "list", value = {} }
    for _, given in ipairs {
      { { type = "integer", value = 10 ^ 15 | 0 }, "item" },
      { { type = "date", value = -10 ^ 15 | 0 }, "item" },
      { { type = "string", value = "caf\u{e9}" }, "item" },
      { { type = "token", value = "" }, "item" }, { { type = "token", value = "1a" }, "item" },
      { { type = "token", value = "a b" }, "item" },
      { { type = "display", value = "\237\160\128" }, "item" }, -- a surrogate
      { { type = "display", value = "\192\128" }, "item" }, -- overlong
      { { { key = "", item = inner } }, "dictionary" },
      { { { key = "a", item = inner }, { key = "a", item = inner } }, "dictionary" },
      { { type = "integer", value = 1, parameters = {
        { key = "p", value = { type = "boolean", value = true } },
        { key = "o", value = { type = "boolean", value = true } },
        { key = "p", value = { type = "boolean", value = true } } } }, "item" },
    } do
      local text, message, code = cairn.serialize_structured(table.unpack(given))
      assert.is_nil(text)
      assert.equal("invalid_argument", code)
      assert.is_string(message)
    end
  end)

  it("raises for what is no structured field at all", function()
    local itself = { type = "list" }
    itself.value = { itself }
    for _, given in ipairs {
      {}, { type = "number", value = 1 }, { type = "integer", value = 1.5 },
      { type = "integer", value = "1" }, { type = "string" }, { type = "list", value = {} },
      { type = "token", value = "a", params = {} }, itself,
      { type = "token", value = "a", parameters = { { key = "a" } } },
      { type = "token", value = "a", parameters = { 1 } },
      { type = "token", value = "a", parameters = { { key = "a", value = {
        type = "list", value = {} } } } },
    } do
      assert.has_error(function() cairn.serialize_structured(given, "item") end)
    end
    assert.has_error(function() cairn.serialize_structured({ itself }, "list") end)
    assert.has_error(function() cairn.serialize_structured({ { key = "a" } }, "dictionary") end)
    assert.has_error(function() cairn.serialize_structured("a", "item") end)
    assert.has_error(function() cairn.serialize_structured({}, "field") end)
    assert.has_error(function() cairn.parse_structured("a", "field") end)
    assert.has_error(function() cairn.parse_structured("a", "item", 1) end)
    assert.has_error(function() cairn.parse_structured(1, "item") end)
  end)
end)

-- -- Random values and random bytes --------------------------------------------------------

local function pick(list) return list[math.random(#list)] end

local function letters(from, to, most)
  local bytes = {}
  for i = 1, math.random(0, most) do bytes[i] = string.char(math.random(from, to)) end
  return table.concat(bytes)
end

local VALUES = {
  integer = function() return math.random(-999999999999999, 999999999999999) end,
  decimal = function() return math.random(-10 ^ 9 | 0, 10 ^ 9 | 0) / 1000 end,
  string = function() return letters(32, 126, 12) end,
  token = function() return pick { "a", "*", "Z" } .. letters(97, 122, 5) .. pick { "", "/:" } end,
  bytes = function() return letters(0, 255, 12) end,
  boolean = function() return math.random(2) == 1 end,
  date = function() return math.random(-10 ^ 12 | 0, 10 ^ 12 | 0) end,
  display = function() return letters(0, 127, 5) .. pick { "", "\u{20ac}", "\u{10ffff}", '%"' } end,
}

local TYPES = {}
for name in pairs(VALUES) do TYPES[#TYPES + 1] = name end
table.sort(TYPES)

local function random_bare()
  local kind = pick(TYPES)
  return { type = kind, value = VALUES[kind](), parameters = {} }
end

local function random_keyed(field, make)
  local list, seen = {}, {}
  for _ = 1, math.random(0, 4) do
    local key = letters(97, 122, 2) .. "k" .. letters(48, 57, 1)
    if not seen[key] then list[#list + 1] = { key = key, [field] = make() } end
    seen[key] = true
  end
  return list
end

local function random_item()
  local made = random_bare()
  if math.random(3) == 1 then made.parameters = random_keyed("value", random_bare) end
  return made
end

local function random_member()
  if math.random(4) > 1 then return random_item() end
  local inner = {}
  for i = 1, math.random(0, 3) do inner[i] = random_item() end
  return { type = "list", value = inner, parameters = random_keyed("value", random_bare) }
end

local function random_list()
  local list = {}
  for i = 1, math.random(0, 4) do list[i] = random_member() end
  return list
end

local RANDOM = {
  item = random_item,
  list = random_list,
  dictionary = function() return random_keyed("item", random_member) end,
}

describe("a random structured field", function()
  it("comes back as it was", function()
    math.randomseed(3)
    for _ = 1, RANDOM_TRIALS // 4 do
      local kind = pick { "item", "list", "dictionary" }
      local made = RANDOM[kind]()
      local text = assert(cairn.serialize_structured(made, kind))
      assert.same(made, assert(parse(text, kind)), text)
    end
  end)

  it("that was damaged parses to what serialises, or not at all", function()
    math.randomseed(5)
    local junk = { "", "\0", "\255", "\t", " ", ",", ";", "=", "(", ")", '"', "\\", ":", "%", "?",
      "@", "-", ".", "*", "0", "9", "a", "A" }
    local outcomes = { [true] = 0, [false] = 0 }
    for trial = 1, RANDOM_TRIALS do
      local kind, lax = pick { "item", "list", "dictionary" }, trial % 2 == 0
      local text = assert(cairn.serialize_structured(RANDOM[kind](), kind))
      for _ = 1, math.random(1, 3) do
        local at = math.random(0, #text)
        text = text:sub(1, at) .. pick(junk) .. text:sub(at + 1 + math.random(0, 2))
      end
      local parsed = parse(text, kind, lax)
      outcomes[parsed ~= nil] = outcomes[parsed ~= nil] + 1
      if parsed then
        local canonical = assert(cairn.serialize_structured(parsed, kind, lax))
        assert.same(parsed, assert(parse(canonical, kind, lax)), text)
      end
    end
    assert.is_true(outcomes[true] > 1000 and outcomes[false] > 1000)
  end)

  it("that is cut off anywhere is refused or shorter, and bytes at random do no harm", function()
    local whole = 'a=(1 "x\\"y" :aGk=:);p=%"%c3%a9", b;q=@5, c=?0, d=-1.5'
    for size = 0, #whole do parse(whole:sub(1, size), "dictionary") end
    math.randomseed(7)
    for _ = 1, RANDOM_TRIALS // 4 do
      for kind in pairs(RANDOM) do parse(letters(0, 255, 40), kind, true) end
    end
  end)
end)
