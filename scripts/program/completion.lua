--- What TAB offers in the shell: names, fields, methods, and paths of a store inside
--- the strings given to its methods. Only looks: no function of the user's is called.

local output = require "cairn.program.output"

local completion = {}

--- Globals that are made when they are first used, by name: they are offered, and made
--- when what is in them is asked for.
---@type table<string, fun(): any>
completion.lazy = {}

local MOST = 500 -- candidates

local KEYWORDS = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function",
  "goto", "if", "in", "local", "nil", "not", "or", "repeat", "return", "then", "true",
  "until", "while" }

-- What indexing would look through: the value if it is a table, then its __index, or,
-- where that is a function, what it says that it finds.
local function tables_behind(value)
  local found = {}
  for _ = 1, 8 do
    if type(value) == "table" then found[#found + 1] = value end
    local metatable = debug.getmetatable(value)
    value = type(metatable) == "table" and rawget(metatable, "__index") or nil
    if type(value) == "function" then value = rawget(metatable, "__methods") end
    if type(value) ~= "table" then break end
  end
  return found
end

local function field(value, name)
  for _, each in ipairs(tables_behind(value)) do
    local found = rawget(each, name)
    if found ~= nil then return found end
  end
  return nil
end

-- The value of `a.b.c`, as far as it can be told without running anything of the user's.
local function value_of(expression)
  local value = _G
  for name in expression:gmatch("[^.]+") do
    local lazy = value == _G and rawget(_G, name) == nil and completion.lazy[name]
    if lazy then
      local ok, made = pcall(lazy)
      value = ok and made or nil
    else
      value = field(value, name)
    end
    if value == nil then return nil end
  end
  return value
end

local function names_in(value, prefix, methods_only, found)
  for _, each in ipairs(tables_behind(value)) do
    for name, member in next, each do
      local fits = type(name) == "string" and name:find("^[%a_][%w_]*$")
        and name:sub(1, #prefix) == prefix
      local method = fits and type(member) == "function" and name:sub(1, 2) ~= "__"
      if fits and (method or not methods_only) then found[name] = true end
    end
  end
end

local function sorted(found, before)
  local list = {}
  for name in pairs(found) do list[#list + 1] = before .. name end
  table.sort(list)
  return table.move(list, 1, math.min(#list, MOST), 1, {})
end

local function complete_name(word)
  local object, mark, prefix = word:match("^(.*)([.:])([%w_]*)$")
  local found = {}
  if object then
    local value = value_of(object)
    if value ~= nil then names_in(value, prefix, mark == ":", found) end
    return sorted(found, object .. mark)
  end
  names_in(_G, word, false, found)
  for name in pairs(completion.lazy) do
    if name:sub(1, #word) == word then found[name] = true end
  end
  for _, keyword in ipairs(KEYWORDS) do
    if keyword:sub(1, #word) == word then found[keyword] = true end
  end
  return sorted(found, "")
end

local function is_group(store, path, kind)
  return kind == "composite" or kind == "link" and store:type(path) == "composite"
end

local function is_cache(value)
  return type(value) == "userdata" and type(field(value, "read_resolved")) == "function"
end

local function complete_path(store, partial)
  local group, prefix = partial:match("^(.*/)([^/]*)$")
  group, prefix = group or "", prefix or partial
  local paths = {}
  local names = store:list(group, { from = prefix })
  for name, kind in names or function() end do
    if name:sub(1, #prefix) ~= prefix or #paths == MOST then break end
    local typeable = output.visible(name) == name and not name:find("[\"'\\]")
    if typeable then
      local path = group .. name
      paths[#paths + 1] = path .. (is_group(store, path, kind) and "/" or "")
    end
  end
  return paths
end

-- The text of the string literal in which `text` ends; nil if it ends in none, or if
-- `closer` stands outside of all.
local function open_string(text, closer)
  local quote, start
  local i = 1
  while i <= #text do
    local letter = text:sub(i, i)
    if quote and letter == "\\" then
      i = i + 1
    elseif letter == quote then
      quote = nil
    elseif not quote and (letter == '"' or letter == "'") then
      quote, start = letter, i + 1
    elseif not quote and letter == closer then
      return nil
    end
    i = i + 1
  end
  return quote and text:sub(start)
end

-- The object of the last `object:method(` and what comes behind it.
local function last_call(text)
  local object, rest
  for name, at in text:gmatch("([%a_][%w_.]*)%s*:%s*[%a_][%w_]*%s*()") do
    object, rest = name, text:sub(at)
  end
  return object, rest
end

-- A store or a chain.
local function is_store(value)
  return type(value) == "userdata" and type(field(value, "list")) == "function"
    and type(field(value, "stat")) == "function"
end

---@param line string
---@param from integer where the editor's word begins (0 is the start of the line)
---@param to integer where the cursor is
---@return string[] candidates that could stand in place of the word
function completion.complete(line, from, to)
  local before = line:sub(1, to)
  local word, candidates
  local object, rest = last_call(before)
  local partial = object and open_string(rest, ")")
  if partial then
    local store = value_of(object)
    word = partial
    if is_cache(store) then store = store.chain end
    candidates = is_store(store) and complete_path(store, partial) or {}
  elseif open_string(before) then
    return {}
  else
    word = before:match("[%a_][%w_.:]*$") or ""
    candidates = complete_name(word)
  end
  -- The editor's word may begin elsewhere: at a blank within a path, or further left.
  local start = to - #word
  for i, candidate in ipairs(candidates) do
    candidates[i] = start >= from and line:sub(from + 1, start) .. candidate
      or candidate:sub(from - start + 1)
  end
  return candidates
end

return completion
