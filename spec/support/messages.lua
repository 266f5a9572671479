--- Messages for specs: out of the golden vectors, and random ones that mean harm.

local cairn = require "cairn"

local hyperbeam = require "spec.support.hyperbeam"
local place = require "spec.support.place"

local messages = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

---@param bytes string
---@return string
function messages.base64(bytes)
  local out = {}
  for at = 1, #bytes, 3 do
    local a, b, c = bytes:byte(at, at + 2)
    local group = a << 16 | (b or 0) << 8 | (c or 0)
    for i = 0, 3 do
      local place_of = group >> (18 - 6 * i) & 63
      local lacks = i == 3 and not c or i == 2 and not b
      out[#out + 1] = lacks and "=" or ALPHABET:sub(place_of + 1, place_of + 1)
    end
  end
  return table.concat(out)
end

--- A file of vectors as values: what the reference's JSON writes `$hex` and `$float` for
--- becomes bytes and floats; `$tuple`, `$map` and `$chars` become plain keys.
---@param name string of a file in spec/vectors
function messages.vectors(name)
  local text = place.content("spec/vectors/" .. name)
  text = text:gsub('{%s*"%$float"%s*:%s*"([^"]*)"%s*}', "%1")
  text = text:gsub('{%s*"%$hex"%s*:%s*"([^"]*)"%s*}', function(hex)
    return ('{"$base64":"%s"}'):format(messages.base64(hyperbeam.bytes(hex)))
  end)
  text = text:gsub('"%$(%l+)"%s*:', function(word)
    return word ~= "atom" and ('"%s":'):format(word) or nil
  end)
  return assert(cairn.from_json(text))
end

--- Equal as values: tables by what is in them.
function messages.equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b and math.type(a) == math.type(b)
  end
  for key, value in pairs(a) do
    if not messages.equal(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

-- Keys that mean something somewhere, and those that a field or a part's name cannot carry.
local KEYS = {
  "a", "b", "k", "key", "x-y", "1", "2", "body", "data", "inline-body-key", "ao-ids",
  "body-keys", "content-type", "content-disposition", "signature", "signature-input",
  "method", "path", "status", "@path", "query-param", "commitments", "", " ", "a b", "a/b", "/",
  "//", "a/", "%", "%2f", "%61", "a%2fb", 'a"b', "a\\b", "a:b", "a\r\nb", "a\n", "\0", "é",
  "a;b", "name", "body/x", "o/body", ".", "..", "x=y", "x, y", "\127", "host",
  ("i"):rep(43), ("A"):rep(43), ("Zz"):rep(21), ("k"):rep(32), ("=,"):rep(16), ('"'):rep(43),
  ("a/"):rep(16), ("é"):rep(16),
}

local VALUES = {
  "v", "VALUE", " v", "v ", "\tv", "v\t", "a\nb", "a\r\nb", "\r", "\n", "\0", "a\0b", " ", "é",
  "\255", "data", "body", "a", "inline-body-key", "ao-ids", "content-type", "signature",
  ("A"):rep(43), "x=y", 'a="b"', '"', "\\", '\\"', "a b",
  "inline", 'form-data;name="a"', "a: b", "--", "\r\n\r\n", "\r\n--",
  "x\r\ncontent-disposition: inline",
  "text/plain", "multipart/form-data", 'multipart/form-data; boundary="x"',
  "MULTIPART/FORM-DATA;boundary=x",
  ("A"):rep(43) .. '="v"', ("x"):rep(4095) .. " ", ("x"):rep(4096), ("x"):rep(4097),
  ("y"):rep(5000) .. "\n",
}

local function pick(list)
  return list[math.random(#list)]
end

local function random_bytes()
  local out = {}
  for i = 1, math.random(12) do out[i] = string.char(math.random(0, 255)) end
  return table.concat(out)
end

local function random_key()
  return math.random(8) == 1 and random_bytes() or pick(KEYS)
end

local function random_value(depth)
  local kind = math.random(12)
  if kind <= 3 and depth > 0 then return messages.random(depth - 1) end
  if kind == 4 then return random_bytes() end
  if kind == 5 then return math.random(-1000, 1000) end
  if kind == 6 then return pick { "", true, cairn.null, {}, 0.1, cairn.list {} } end
  if kind == 7 then return { pick(VALUES), math.random(9), pick(VALUES) } end
  if kind == 8 and depth > 0 then return { messages.random(depth - 1), pick(VALUES) } end
  return pick(VALUES)
end

--- A random message whose keys and values try to be taken for something else.
---@param depth integer
---@return table
function messages.random(depth)
  local message, seen = {}, {}
  for _ = 1, math.random(0, 5) do
    local key, value = random_key(), random_value(depth)
    -- Commitments that are a message are no part of it.
    local left_out = key == "commitments" and type(value) == "table"
    if not left_out and not seen[key:lower()] then message[key] = value end
    seen[key:lower()] = true
  end
  return message
end

return messages
