--- The recorded scripts of vectors/store.json: reading them, running them on a store, and putting
--- every outcome (ours and the reference's) into the same few words:
---
---     ok  kept  raised  simple  composite  a/b  (the root: /)  =value  =$3 (the value that step 3
---     wrote)  [names,sorted]  an error's word  and, of the reference only: crash  hang

local cairn = require "cairn"
local cjson = require "cjson"
local place = require "spec.support.place"

local scripts = {}

local function unhex(hex)
  return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

--- A value as the recording notes it -> a Lua string, list or number.
local function plain(value)
  if type(value) ~= "table" then return value end
  if value["$hex"] then return unhex(value["$hex"]) end
  if value["$atom"] then return value["$atom"] end
  if value["$chars"] then return value["$chars"] end
  if value["$float"] then return value["$float"] end
  if value["$tuple"] then value = value["$tuple"] end
  local list = {}
  for i, element in ipairs(value) do list[i] = plain(element) end
  return list
end

--- Values that are no bytes in the reference are none in ours.
local function value_argument(value)
  if type(value) == "table" and value["$chars"] then return { value["$chars"] } end
  return plain(value)
end

---@class spec.Step
---@field op string
---@field args any[]
---@field reference table<string, string> outcomes of "fs" and "rocksdb"

---@class spec.Script
---@field name string
---@field steps spec.Step[]

local function shown(value, steps)
  if #value <= 40 and value:match("^[%w%p]*$") then return "=" .. value end
  for i, step in ipairs(steps) do
    if step.op == "write" and step.args[2] == value then return "=$" .. i end
  end
  return ("=%d bytes nobody wrote"):format(#value)
end

local function path_word(path)
  return path == "" and "/" or path
end

local function names_word(names)
  table.sort(names)
  return "[" .. table.concat(names, ",") .. "]"
end

local FAILURES = {
  enoent = "not_found", not_found = "not_found", enotdir = "not_a_group", eexist = "kept",
}

local function reference_word(op, outcome, steps)
  if outcome.crash then return "crash" end
  if outcome.timeout then return "hang" end
  local ret = plain(outcome.ret)
  if type(ret) == "string" then
    return (op == "resolve" or op == "path" or op == "add_path") and path_word(ret) or ret
  end
  local tag, detail = ret[1], ret[2]
  if tag == "ok" then
    return op == "list" and names_word(detail) or shown(detail, steps)
  elseif tag == "error" then
    return FAILURES[detail] or tostring(detail)
  end
  return "ok"
end

---@param file string
---@return spec.Script[]
function scripts.load(file)
  local loaded = {}
  for _, recorded in ipairs(cjson.decode(place.content(file))) do
    local script = { name = recorded.name, steps = {} }
    for i, call in ipairs(recorded.script) do
      local args = {}
      for a, argument in ipairs(call.args) do
        args[a] = (call.op == "write" and a == 2) and value_argument(argument) or plain(argument)
      end
      script.steps[i] = { op = call.op, args = args }
    end
    for i, step in ipairs(script.steps) do
      step.reference = {
        fs = reference_word(step.op, recorded.backends.fs_rel.direct[i], script.steps),
        rocksdb = reference_word(step.op, recorded.backends.rocksdb.direct[i], script.steps),
      }
    end
    loaded[#loaded + 1] = script
  end
  return loaded
end

local function failed_or(word)
  return function(value, _, code)
    if value == nil then return code end
    return word
  end
end

local OPERATIONS = {
  write = function(store, path, value) return failed_or("ok")(store:write(path, value)) end,
  make_group = function(store, path) return failed_or("ok")(store:group(path)) end,
  make_link = function(store, existing, new)
    local ok, made, code = store:link(existing, new)
    if not ok then return code end
    return made and "ok" or "kept"
  end,
  read = function(store, path, steps)
    local value, _, code = store:read(path)
    return value and shown(value, steps) or code
  end,
  type = function(store, path)
    local kind, _, code = store:type(path)
    return kind or code
  end,
  resolve = function(store, path)
    local resolved, _, code = store:resolve(path)
    return resolved and path_word(resolved) or code
  end,
  list = function(store, path)
    local walk, _, code = store:list(path)
    if not walk then return code end
    local names = type(walk) == "table" and walk or {}
    if type(walk) ~= "table" then
      for name in walk do names[#names + 1] = name end
    end
    return names_word(names)
  end,
  reset = function(store) return failed_or("ok")(store:reset()) end,
  path = function(_, path) return path_word(cairn.normalize(path)) end,
  add_path = function(_, head, tail) return path_word(cairn.normalize { head, tail }) end,
  -- A store is open from `cairn.open` to `close`; there is nothing else to start or stop.
  start = function() return "ok" end,
  stop = function() return "ok" end,
  scope = function(store)
    return cairn.backends()[store:url():match("^%l+")].scope
  end,
}

--- Runs one step and says in a word what came of it.
---@param store cairn.Store
---@param step spec.Step
---@param steps spec.Step[]
---@return string
function scripts.run(store, step, steps)
  local arguments = table.move(step.args, 1, #step.args, 1, {})
  if step.op == "read" then arguments[2] = steps end
  local ran, word = pcall(OPERATIONS[step.op], store, table.unpack(arguments))
  return ran and word or "raised"
end

return scripts
