--- Values as JSON and back: cairn.to_json and cairn.from_json. What JSON has no syntax for is an
--- object with one key that begins with `$`.

local cairn = require "cairn"

local list, atom, null = cairn.list, cairn.atom, cairn.null

local RANDOM_TRIALS = 3000
local DAMAGED_TRIALS = 20000

local function refuses(text, expected_code)
  local value, message, code = cairn.from_json(text)
  assert.is_nil(value, text)
  assert.equal(expected_code or "invalid_argument", code, message)
  return message
end

describe("a value as JSON", function()
  local rows = {
    { "a string", "x", '"x"' },
    { "an empty string", "", '""' },
    { "what must be escaped", 'a"\\/\b\f\n\r\t\1\127', [["a\"\\/\b\f\n\r\t\u0001\u007f"]] },
    { "characters beyond ASCII", "caf\u{e9} \u{10ffff}", '"caf\u{e9} \u{10ffff}"' },
    { "bytes that are no UTF-8", "\0\255", '{"$base64":"AP8="}' },
    { "bytes with a NUL", "a\0b", '{"$base64":"YQBi"}' },
    { "an overlong character", "\192\128", '{"$base64":"wIA="}' },
    { "a surrogate", "\237\160\128", '{"$base64":"7aCA"}' },
    { "an integer", -42, "-42" },
    { "the largest integer that everybody reads", 1 << 53, "9007199254740992" },
    { "the smallest", -(1 << 53), "-9007199254740992" },
    { "an integer beyond", (1 << 53) + 1, '{"$integer":"9007199254740993"}' },
    { "the largest integer", math.maxinteger, '{"$integer":"9223372036854775807"}' },
    { "the smallest integer", math.mininteger, '{"$integer":"-9223372036854775808"}' },
    { "a float that is whole", 1.0, "1.0" },
    { "the other zero", -0.0, "-0.0" },
    { "a float in its fewest digits", 0.1, "0.1" },
    { "a float that needs seventeen", 0.1 + 0.2, "0.30000000000000004" },
    { "a large float", 1e300, "1e+300" },
    { "the largest float", 0x1.fffffffffffffp1023, "1.7976931348623157e+308" },
    { "the smallest float", 0x1p-1074, nil },
    { "true", true, "true" },
    { "false", false, "false" },
    { "null", null, "null" },
    { "another name", atom "some", '{"$atom":"some"}' },
    { "the empty name", atom "", '{"$atom":""}' },
    { "a name that is no UTF-8", atom "\255", '{"$atom":{"$base64":"/w=="}}' },
    { "an empty list", list {}, "[]" },
    { "a list", list { 1, list { 2.5 }, "x", null }, '[1,[2.5],"x",null]' },
    { "an empty message", {}, "{}" },
    { "a message, by its keys", { b = 1, a = { d = {}, c = list {} }, [""] = true },
      '{"":true,"a":{"c":[],"d":{}},"b":1}' },
    { "a message that looks like a wrapper", { ["$x"] = 1 }, '{"$message":{"$x":1}}' },
    { "one that is the wrapper itself", { ["$message"] = { ["$base64"] = "x" } },
      '{"$message":{"$message":{"$message":{"$base64":"x"}}}}' },
    { "a message with several such keys", { ["$a"] = 1, ["$b"] = 2 }, '{"$a":1,"$b":2}' },
    { "a message with a key that is no UTF-8", { ["\255"] = "v", k = {} },
      '{"$pairs":[["k",{}],[{"$base64":"/w=="},"v"]]}' },
    { "a message with a NUL in a key", { ["a\0"] = { ["\0"] = 1 } },
      '{"$pairs":[[{"$base64":"YQA="},{"$pairs":[[{"$base64":"AA=="},1]]}]]}' },
  }
  for _, row in ipairs(rows) do
    local what, value, expected = table.unpack(row, 1, 3)
    it("is " .. what .. ", and comes back as such", function()
      local text = assert(cairn.to_json(value))
      if expected then assert.equal(expected, text) end
      local read, message = cairn.from_json(text)
      assert.is_nil(message)
      assert.same(value, read)
      assert.equal(cairn.kind(value), cairn.kind(read))
      assert.equal(text, cairn.to_json(read))
    end)
  end

  it("goes over several lines where that is asked for", function()
    local value = {
      a = list { 1, {}, list {} }, b = { c = "x", ["\255"] = 1 }, d = { ["$"] = "\0" },
    }
    local text = assert(cairn.to_json(value, 2))
    assert.equal([[
{
  "a": [
    1,
    {},
    []
  ],
  "b": {"$pairs": [
    ["c", "x"],
    [{"$base64": "/w=="}, 1]
  ]},
  "d": {"$message": {
    "$": {"$base64": "AA=="}
  }}
}]], text)
    assert.same(value, cairn.from_json(text))
    assert.has_error(function() cairn.to_json(value, -1) end)
    assert.has_error(function() cairn.to_json(value, 17) end)
    assert.has_error(function() cairn.to_json(value, "x") end)
  end)

  it("is none for a float that is not finite", function()
    for _, number in ipairs { 1 / 0, -1 / 0, 0 / 0 } do
      local text, message, code = cairn.to_json { a = list { number } }
      assert.is_nil(text)
      assert.equal("invalid_argument", code)
      assert.matches("not finite", message, 1, true)
    end
  end)

  it("keeps every float, as a float", function()
    math.randomseed(17)
    for _ = 1, RANDOM_TRIALS do
      local number = string.unpack("d", string.pack("i8", math.random(0)))
      if number == number and number - number == 0 then
        local read = cairn.from_json(assert(cairn.to_json(number)))
        assert.equal("float", math.type(read))
        assert.equal(number, read)
      end
    end
  end)
end)

describe("JSON as a value", function()
  it("tells integers from floats", function()
    for text, kind in pairs {
      ["1"] = "integer", ["-0"] = "integer", ["1.0"] = "float", ["1e2"] = "float",
      ["9223372036854775807"] = "integer", ["-9223372036854775808"] = "integer",
    } do
      assert.equal(kind, math.type(cairn.from_json(text)), text)
    end
  end)

  it("takes escapes, blanks and wrappers that need not be", function()
    assert.equal("a\0b", cairn.from_json '"a\\u0000b"')
    assert.equal("\u{1f600}", cairn.from_json ' "\\ud83d\\ude00"\n')
    assert.equal("x", cairn.from_json '{"$base64":"eA=="}')
    assert.equal(7, cairn.from_json '{"$integer":"7"}')
    assert.equal(true, cairn.from_json '{"$atom":"true"}')
    assert.same({ a = 1 }, cairn.from_json '{"$message":{"a":1}}')
    assert.same({ a = 1 }, cairn.from_json '{"$pairs":[["a",1]]}')
    assert.same({}, cairn.from_json '{"$pairs":[]}')
  end)

  local located = {
    { "", 1 }, { "[1,", 1 }, { '{"a":1,\n"a":2}', 2 }, { "[\n\n01]", 3 }, { "{'a':1}", 1 },
    { "9223372036854775808", 1 }, { "-9223372036854775809", 1 }, { "[1e999]", 1 }, { "nul", 1 },
    { '"\255"', 1 }, { '"\\ud800"', 1 }, { '{"a\\u0000":1}', 1 }, { "1 2", 1 }, { '"a\nb"', 1 },
    { "\239\187\1911", 1 }, { "[1,]", 1 }, { "NaN", 1 }, { "\0", 1 }, { "1\0", 1 },
    { "[1,\n2]\0", 2 },
  }
  for _, case in ipairs(located) do
    it(("that is %q is refused at line %d"):format(case[1], case[2]), function()
      assert.matches("line " .. case[2] .. ", column %d+: .", refuses(case[1]))
    end)
  end

  local placed = {
    { '{"a":{"b":[1,{"$integer":"1.5"}]}}', "a.b[2]" }, { '{"a":{"$x":1}}', "a.$x" },
    { '[{"$base64":"A"}]', "[1]" }, { '{"a":{"$base64":1}}', "a" }, { '[1,{"$atom":1}]', "[2]" },
    { '[{"$integer":7}]', "[1]" }, { '[{"$integer":""}]', "[1]" }, { '[{"$integer":"-"}]', "[1]" },
    { '[{"$integer":"9223372036854775808"}]', "[1]" }, { '[{"$integer":"1\\u0000"}]', "[1]" },
    { '{"a":{"$message":1}}', "a" }, { '{"a":{"$pairs":{}}}', "a" },
    { '[{"$pairs":[1]}]', "[1][1]" },
    { '[{"$pairs":[["a",1],["a"]]}]', "[1][2]" }, { '[{"$pairs":[[1,1]]}]', "[1][1]" },
    { '{"z":{"$pairs":[["a",1],["a",2]]}}', "z" },
  }
  for _, case in ipairs(placed) do
    it("that is " .. case[1] .. " is refused at " .. case[2], function()
      assert.matches("json: " .. case[2] .. ": ", refuses(case[1]), 1, true)
    end)
  end

  it("is no deeper than 64 levels, either way", function()
    local function nested(depth) return ("["):rep(depth) .. ("]"):rep(depth) end
    assert.equal(nested(64), cairn.to_json(assert(cairn.from_json(nested(64)))))
    for _, depth in ipairs { 65, 2000, 100000 } do
      local _, message, code = cairn.from_json(nested(depth))
      assert.is_true(code == "limit" or code == "invalid_argument", message)
    end
    assert.matches("64 levels", refuses(nested(65), "limit"), 1, true)
    local messages = ('{"a":'):rep(65) .. "1" .. ("}"):rep(65)
    assert.matches("64 levels", refuses(messages, "limit"), 1, true)
    refuses(('{"$message":{"$a":'):rep(65) .. "1" .. ("}}"):rep(65), "limit")
    refuses(("["):rep(100000))
  end)

  it("is no larger than a message may be", function()
    refuses("[" .. ("0,"):rep(1 << 23) .. "0]", "limit")
    local commas = ('"' .. (","):rep(1 << 20) .. '\\""'):rep(9, ",") -- in strings: no values
    assert.equal(9, #assert(cairn.from_json("[" .. commas .. "]")))
  end)

  it("is text, and a value is a value", function()
    assert.has_error(function() cairn.from_json(1) end)
    assert.has_error(function() cairn.from_json() end)
    assert.has_error(function() cairn.to_json() end)
    assert.has_error(function() cairn.to_json(print) end)
  end)
end)

-- -- Random values and random bytes --------------------------------------------------------

local random_value

local function random_bytes()
  local bytes = {}
  for i = 1, math.random(0, 6) do
    bytes[i] = string.char(math.random(4) == 1 and math.random(0, 255) or math.random(32, 126))
  end
  return table.concat(bytes)
end

local SCALARS = {
  random_bytes,
  function() return math.random(-100, 100) end,
  function() return math.random(0) end,
  function() return (math.random() - 0.5) * 10.0 ^ math.random(-20, 20) end,
  function() return math.random(2) == 1 end,
  function() return null end,
  function() return atom(random_bytes()) end,
}

local function random_container(depth)
  local made = {}
  if math.random(2) == 1 then
    for i = 1, math.random(0, 4) do made[i] = random_value(depth + 1) end
    return list(made)
  end
  for _ = 1, math.random(0, 4) do
    local key = (math.random(5) == 1 and "$" or "") .. random_bytes()
    made[key] = random_value(depth + 1)
  end
  return made
end

function random_value(depth)
  if depth < 5 and math.random(depth + 1) == 1 then return random_container(depth) end
  return SCALARS[math.random(#SCALARS)]()
end

describe("a random value", function()
  it("comes back from JSON as it was", function()
    math.randomseed(19)
    for trial = 1, RANDOM_TRIALS do
      local value = random_value(0)
      local text = assert(cairn.to_json(value, trial % 3))
      local read, message = cairn.from_json(text)
      assert.is_nil(message)
      assert.same(value, read, text)
      assert.equal(text, cairn.to_json(read, trial % 3))
    end
  end)

  it("whose text was damaged is another value, or none", function()
    math.randomseed(23)
    local junk = { "", "\0", "\255", '"', "\\", "{", "}", "[", "]", ",", ":", "$", "1", ".", "e",
      "-", " ", "\\u00", "null", '"$pairs"', '"$message"', '"$base64"' }
    local outcomes = { [true] = 0, [false] = 0 }
    for _ = 1, DAMAGED_TRIALS do
      local text = assert(cairn.to_json(random_value(0)))
      for _ = 1, math.random(1, 3) do
        local at = math.random(0, #text)
        text = text:sub(1, at) .. junk[math.random(#junk)] .. text:sub(at + 1 + math.random(0, 2))
      end
      local read, message, code = cairn.from_json(text)
      outcomes[message == nil] = outcomes[message == nil] + 1
      if message then
        assert.equal("invalid_argument", code)
      else
        assert.same(read, cairn.from_json(assert(cairn.to_json(read))))
      end
    end
    assert.is_true(outcomes[true] > 500 and outcomes[false] > 500)
  end)
end)
