--- JSON as a program wants to read it: fields in a fixed order, integers exact, bytes
--- that are no text marked as such.
---
--- Strings and decoding are lua-cjson's; its numbers have 14 digits and its tables no
--- order, so those are written here. cjson is loaded when it is first needed.

local base64 = require "cairn.base64"
local failure = require "cairn.program.failure"

local json = {}

local function cjson()
  local ok, library = pcall(require, "cjson")
  if not ok then
    failure.raise("unsupported", "JSON needs lua-cjson (apt install lua-cjson)")
  end
  return library
end

local Object, List = {}, {}

--- `json.object { "name", value, "other", value }`: fields whose value is nil need `n`.
function json.object(fields)
  return setmetatable(fields, Object)
end

--- A sequence.
function json.list(values)
  return setmetatable(values, List)
end

local function by_name(a, b)
  return tostring(a) < tostring(b)
end

--- A Lua table as it is: a sequence as a list, others as objects in the order of their
--- names. An empty one is an object.
function json.plain(value)
  if type(value) == "string" then return json.bytes(value) end
  if type(value) ~= "table" then return value end
  if #value > 0 then
    local list = {}
    for i, item in ipairs(value) do list[i] = json.plain(item) end
    return json.list(list)
  end
  local names, fields = {}, {}
  for name in next, value do names[#names + 1] = name end
  table.sort(names, by_name)
  for _, name in ipairs(names) do
    fields[#fields + 1], fields[#fields + 2] = tostring(name), json.plain(value[name])
  end
  return json.object(fields)
end

--- A string if it is UTF-8, else {"base64": ...}.
---@param bytes string?
function json.bytes(bytes)
  if bytes == nil or utf8.len(bytes) then return bytes end
  return json.object { "base64", base64.encode(bytes) }
end

--- The inverse, for what was decoded; nil if it is neither.
---@return string?
function json.to_bytes(value)
  if type(value) == "string" then return value end
  local text = type(value) == "table" and value.base64
  return type(text) == "string" and base64.decode(text) or nil
end

local encode

local function encode_object(fields)
  local parts = {}
  for i = 1, fields.n or #fields, 2 do
    if fields[i + 1] ~= nil then
      parts[#parts + 1] = cjson().encode(fields[i]) .. ":" .. encode(fields[i + 1])
    end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function encode_list(values)
  local parts = {}
  for i, value in ipairs(values) do parts[i] = encode(value) end
  return "[" .. table.concat(parts, ",") .. "]"
end

-- The fewest digits that are read back as the same number.
local function shortest(number)
  local text = ("%.15g"):format(number)
  return tonumber(text) == number and text or ("%.17g"):format(number)
end

function encode(value)
  local kind = math.type(value) or getmetatable(value)
  if kind == Object then return encode_object(value) end
  if kind == List then return encode_list(value) end
  if kind == "integer" then return ("%d"):format(value) end
  if kind == "float" then return shortest(value) end
  if type(value) == "string" then return (cjson().encode(value):gsub("\\/", "/")) end
  return tostring(value) -- a boolean
end

--- One line, without its end.
function json.encode(value)
  return encode(value)
end

--- nil and a message for what is not JSON.
function json.decode(text)
  local ok, value = pcall(cjson().decode, text)
  if not ok then return nil, (tostring(value):gsub("^.-:%d+: ", "")) end
  return value
end

-- -- Metadata ----------------------------------------------------------------------

local EXACT = 1 << 53 -- integers up to here survive a reader that has only floats

local function field_value(value)
  local kind = math.type(value)
  if kind == "integer" and (value > EXACT or value < -EXACT) then
    return json.object { "integer", ("%d"):format(value) }
  end
  if kind == "float" and (value % 1 == 0 or value ~= value or value - value ~= 0) then
    local text = ("%.17g"):format(value)
    return json.object { "float", text:find("^-?%d+$") and text .. ".0" or text }
  end
  if type(value) == "string" then return json.bytes(value) end
  return value
end

local FLOATS = { inf = math.huge, ["-inf"] = -math.huge, nan = 0 / 0, ["-nan"] = 0 / 0 }

local function to_field_value(value)
  if math.type(value) == "float" then return math.tointeger(value) or value end
  if value == json.null() then return nil end
  if type(value) ~= "table" then return value end
  if type(value.integer) == "string" then return math.tointeger(tonumber(value.integer)) end
  if type(value.float) == "string" then
    local number = FLOATS[value.float] or tonumber(value.float)
    return number and number * 1.0 -- adding 0.0 would lose the sign of -0.0
  end
  return json.to_bytes(value)
end

function json.null()
  return cjson().null
end

--- An object in the order of the names; a list of pairs if one of them is no text.
---@param metadata table<string, string|number|boolean>?
function json.metadata(metadata)
  if not metadata or not next(metadata) then return nil end
  local names, text = {}, true
  for name in pairs(metadata) do
    names[#names + 1] = name
    text = text and utf8.len(name) ~= nil
  end
  table.sort(names)
  local fields = {}
  for _, name in ipairs(names) do
    local value = field_value(metadata[name])
    if text then
      table.move({ name, value }, 1, 2, #fields + 1, fields)
    else
      fields[#fields + 1] = json.list { json.bytes(name), value }
    end
  end
  return text and json.object(fields) or json.list(fields)
end

--- The inverse, for what was decoded; nil and a message.
---@return table<string, string|number|boolean>?
---@return string? message
function json.to_metadata(value)
  if type(value) ~= "table" then return nil, "metadata must be an object or a list" end
  local pairs_of = {}
  if value[1] ~= nil then
    for i, pair in ipairs(value) do
      if type(pair) ~= "table" then return nil, "metadata: a list must hold pairs" end
      pairs_of[i] = pair
    end
  else
    for name, field in pairs(value) do pairs_of[#pairs_of + 1] = { name, field } end
  end
  local metadata = {}
  for _, pair in ipairs(pairs_of) do
    local name, field = json.to_bytes(pair[1]), pair[2]
    local decoded
    if field ~= nil then decoded = to_field_value(field) end
    if name == nil or decoded == nil then
      return nil, ("metadata: '%s' has no value that could be kept"):format(tostring(name))
    end
    metadata[name] = decoded
  end
  return metadata
end

return json
