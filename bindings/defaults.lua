--- The default store: what `cairn.open()` opens when it is not told what.
---
--- Asked in this order, the first that answers wins:
---   1. the environment: CAIRN_STORE, a URL;
---   2. cairn.conf.lua in the current directory, else in $XDG_CONFIG_HOME/cairn (by
---      default ~/.config/cairn): Lua that returns a table with `store` = a URL or a
---      table as cairn.open takes it;
---   3. an embedded RocksDB in ./cairn-data.
---
--- A configuration file comes with a directory, and not always from a friend: it is
--- text, not bytecode; it reaches no file, program or module; it can neither run for
--- long nor grow. What that costs: it is run under a hook at every instruction, which
--- is slow and does not matter for a table.

-- What the C module gives: itself, and io.open for reading that opens nothing but a
-- regular file, because reading a pipe or a device may never end.
---@class cairn
local cairn, open_regular = ...

local PRESET_PLACE = "cairn-data"
local PRESET = "rocksdb:./" .. PRESET_PLACE
local FILE = "cairn.conf.lua"
local KNOWN = { store = true }

local FILE_BYTES = 64 * 1024 -- the file itself
local INSTRUCTIONS = 100000
local MEMORY_KIB = 4 * 1024 -- over what was in use when it began
local TEXT_BYTES = 64 * 1024 -- what one library call may make

local function refuse(...)
  return nil, string.format(...), "invalid_argument"
end

-- One call of these can make more than any count of instructions stops, so it is
-- weighed before. `string.rep` and `table.unpack` are left out altogether.
local function weighed(make, texts_of)
  return function(...)
    local bytes = 0
    for _, text in ipairs(texts_of(...)) do
      bytes = bytes + (type(text) == "string" and #text or 32)
      if bytes > TEXT_BYTES then error("a text over 64 KiB", 2) end
    end
    return make(...)
  end
end

local function copy(library, names)
  local own = {}
  for name in names:gmatch("%w+") do own[name] = library[name] end
  return own
end

local function new_environment()
  local environment = copy(_G, "assert error ipairs next pairs select tonumber tostring type")
  environment.math = copy(math, "abs ceil floor fmod huge max maxinteger min mininteger"
    .. " modf pi sqrt tointeger type ult")
  environment.string = copy(string, "byte char len lower reverse sub upper")
  environment.string.format = weighed(string.format, function(...)
    return { ... }
  end)
  environment.table = copy(table, "insert remove")
  environment.table.concat = weighed(table.concat, function(list, separator)
    local texts = {}
    for i, text in ipairs(list) do
      texts[2 * i - 1], texts[2 * i] = text, separator or ""
      if i > TEXT_BYTES then break end
    end
    return texts
  end)
  return environment
end

-- ("x"):rep(n) finds its method through the metatable that all strings share, so it
-- is lent to the file's own string library while the file runs.
local function with_string_methods(methods, body)
  local metatable = getmetatable("")
  local index = metatable.__index
  metatable.__index = methods
  local results = table.pack(pcall(body))
  metatable.__index = index
  return table.unpack(results, 1, results.n)
end

-- Where in the file we are: the innermost of its functions, below the hook and the
-- library.
local function line_in(source)
  for level = 3, math.huge do
    local where = debug.getinfo(level, "Sl")
    if not where then return "" end
    if where.source == source then return where.currentline .. ": " end
  end
end

local function run_bounded(name, chunk, environment)
  local thread = coroutine.create(chunk)
  local left = INSTRUCTIONS
  local most = collectgarbage("count") + MEMORY_KIB
  local function stop(why)
    error(name .. ":" .. line_in("@" .. name) .. why, 0)
  end
  debug.sethook(thread, function()
    left = left - 1
    if left < 0 then stop("it runs for too long") end
    if collectgarbage("count") > most then stop("it takes too much memory") end
  end, "", 1)
  local _, ok, result = with_string_methods(environment.string, function()
    return coroutine.resume(thread)
  end)
  if not ok and type(result) ~= "string" then result = "raised a " .. type(result) end
  return ok, result
end

local function check_store(name, store)
  if type(store) == "string" then return store end
  if type(store) ~= "table" then
    return refuse("%s: 'store' must be a URL or a table, not a %s", name, type(store))
  end
  for key, value in next, store do
    local kind = type(value)
    if type(key) ~= "string" or not (kind == "string" or kind == "number" or kind == "boolean") then
      return refuse("%s: store: '%s' must be a name with a string, number or boolean",
        name, tostring(key))
    end
  end
  return store
end

local function check_configuration(name, result)
  if type(result) ~= "table" then
    return refuse("%s: must return a table, e.g. return { store = \"fs:/srv/data\" }", name)
  end
  for key in next, result do
    if not KNOWN[key] then
      return refuse("%s: unknown key '%s' (known: store)", name, tostring(key))
    end
  end
  if result.store == nil then return false end
  return check_store(name, result.store)
end

---@param name string of the file, for messages
---@param text string
---@return string|table|false? store false: it names none
---@return string? message
---@return cairn.code? code
local function read_configuration(name, text)
  local environment = new_environment()
  local ok, result
  -- Under pcall: else an overflow in the parser goes through the caller's own message
  -- handler, and may come back as anything.
  local _, chunk, message = pcall(load, text, "@" .. name, "t", environment)
  if chunk then ok, result = run_bounded(name, chunk, environment) end
  if ok then return check_configuration(name, result) end
  message = message or result
  local placed = message:sub(1, #name + 1) == name .. ":"
  return refuse("%s%s", placed and "" or name .. ": ", message)
end

local NO_SUCH_FILE, NO_SUCH_FOLDER = 2, 20 -- ENOENT, ENOTDIR

-- The text of a file; false when there is none.
local function read_file(name)
  local file, message, number = open_regular(name)
  if not file then
    if number == NO_SUCH_FILE or number == NO_SUCH_FOLDER then return false end
    return nil, message, "io"
  end
  local text, trouble = file:read(FILE_BYTES + 1)
  file:close()
  if trouble then return nil, name .. ": " .. trouble, "io" end
  text = text or ""
  if #text > FILE_BYTES then return refuse("%s: over %d bytes", name, FILE_BYTES) end
  return text
end

local function configuration_files()
  local files = { FILE }
  local folder = os.getenv("XDG_CONFIG_HOME")
  local home = os.getenv("HOME")
  if not folder or folder == "" then folder = home and home ~= "" and home .. "/.config" end
  if folder then files[2] = folder .. "/cairn/" .. FILE end
  return files
end

--- Where the default store is, and who says so: "CAIRN_STORE", a file's name, or
--- "preset".
---@return (string|cairn.StoreOptions)? where
---@return string origin or message
---@return cairn.code? code
function cairn.default_store()
  local url = os.getenv("CAIRN_STORE")
  if url and url ~= "" then return url, "CAIRN_STORE" end
  for _, name in ipairs(configuration_files()) do
    local text, message, code = read_file(name)
    if text == nil then return nil, message, code end
    if text then
      local store
      store, message, code = read_configuration(name, text)
      if store == nil then return nil, message, code end
      if store then return store, name end
      break
    end
  end
  return PRESET, "preset"
end

local open_store = cairn.open

local function preset_exists()
  local file = io.open(PRESET_PLACE .. "/CURRENT", "rb") -- every RocksDB has one
  if file then file:close() end
  return file ~= nil
end

-- What pcall(open_store) raised: there a function has neither line nor name.
local function named(message)
  return (tostring(message):gsub("'%?'", "'open'", 1))
end

local function open_default()
  local where, origin, code = cairn.default_store()
  if not where then return nil, origin, code end
  local new = origin == "preset" and not preset_exists()
  local store, message
  if type(where) == "table" then
    -- A table of ours it is, but with types that the backend may not like.
    local ok
    ok, store, message, code = pcall(open_store, where)
    if not ok then return refuse("%s: store: %s", origin, named(store)) end
  else
    store, message, code = open_store(where)
  end
  if store and new then
    io.stderr:write("cairn: made a store in ./", PRESET_PLACE, " (rocksdb)\n")
  end
  return store, message, code
end

function cairn.open(where)
  if where == nil then return open_default() end
  -- A mistake in the argument is the caller's: theirs is the line to be named.
  local ok, store, message, code = pcall(open_store, where)
  if not ok then error(named(store), 2) end
  return store, message, code
end
