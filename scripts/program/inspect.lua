--- A Lua value as text that a reader, and mostly Lua too, understands.

local output = require "cairn.program.output"

local WIDTH, DEPTH, ITEMS, TEXT_BYTES = 76, 6, 200, 4096

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or
  repeat return then true until while]]):gmatch("%a+") do
  KEYWORDS[word] = true
end

local ESCAPES = { ['"'] = '\\"', ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(text)
  local rest = #text - TEXT_BYTES
  if rest > 0 then text = text:sub(1, TEXT_BYTES) end
  local parts = {}
  -- visible() doubles backslashes and makes the rest \xNN, which Lua reads too.
  for plain, special in text:gmatch('([^"\n\r\t]*)(["\n\r\t]?)') do
    parts[#parts + 1] = output.visible(plain) .. (ESCAPES[special] or "")
  end
  local quoted = '"' .. table.concat(parts) .. '"'
  return rest > 0 and ("%s... (%d bytes more)"):format(quoted, rest) or quoted
end

local function by_type_and_value(a, b)
  local kind_a, kind_b = type(a), type(b)
  if kind_a ~= kind_b then return kind_a < kind_b end
  if kind_a == "number" or kind_a == "string" then return a < b end
  return tostring(a) < tostring(b)
end

local show

local function show_key(key, depth, seen)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") and not KEYWORDS[key] then return key end
  return "[" .. show(key, depth, seen) .. "]"
end

local function items_of(value, depth, seen)
  local items, keys = {}, {}
  local length = rawlen(value)
  for i = 1, math.min(length, ITEMS) do
    items[i] = show(rawget(value, i), depth + 1, seen)
  end
  for key in next, value do
    local listed = math.type(key) == "integer" and key >= 1 and key <= length
    if not listed then keys[#keys + 1] = key end
  end
  table.sort(keys, by_type_and_value)
  for _, key in ipairs(keys) do
    if #items >= ITEMS then break end
    items[#items + 1] = show_key(key, depth + 1, seen) .. " = "
      .. show(rawget(value, key), depth + 1, seen)
  end
  local left = length + #keys - #items
  if left > 0 then
    items.cut = true
    items[#items + 1] = ("... -- %d more"):format(left)
  end
  return items
end

local function show_table(value, depth, seen)
  if seen[value] then return "<cycle>" end
  if depth >= DEPTH then return "{...}" end
  seen[value] = true
  local items = items_of(value, depth, seen)
  seen[value] = nil
  if #items == 0 then return "{}" end
  local line = "{ " .. table.concat(items, ", ") .. " }"
  local indent = ("  "):rep(depth)
  local fits = #indent + #line <= WIDTH and not line:find("\n") and not items.cut
  if fits then return line end
  local start = "\n" .. indent .. "  "
  return "{" .. start .. table.concat(items, "," .. start) .. "\n" .. indent .. "}"
end

function show(value, depth, seen)
  if type(value) == "string" then return quote(value) end
  local metatable = debug.getmetatable(value)
  local speaks = type(metatable) == "table" and rawget(metatable, "__tostring")
  if type(value) == "table" and not speaks then return show_table(value, depth, seen) end
  local ok, text = pcall(tostring, value)
  return ok and output.visible(text) or "<" .. type(value) .. ">"
end

---@param value any
---@return string
return function(value)
  return show(value, 0, {})
end
