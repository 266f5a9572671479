--- The defaults: what `cairn.open()`, `cairn.cache()` and `cairn.policies()` open when they
--- are not told what.
---
--- Asked in this order, the first that answers wins:
---   1. the environment: CAIRN_STORE, a URL; CAIRN_POLICIES, a directory;
---   2. cairn.conf.lua in the current directory, else in $XDG_CONFIG_HOME/cairn (by
---      default ~/.config/cairn): Lua that returns a table with `store` = a URL or a
---      table as cairn.open takes it, `policies` = a directory, `use` = which policy
---      answers a question, `cache` = what cairn.cache takes beside these;
---   3. an embedded RocksDB in ./cairn-data, $XDG_CONFIG_HOME/cairn/policies.
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

-- -- What the file may say ------------------------------------------------------------

-- Each takes the file's name, a value and what to call it; gives the value, or nil,
-- message, code.

local function check_text(name, value, called)
  if type(value) == "string" and value ~= "" then return value end
  return refuse("%s: '%s' must be a string, not %s", name, called,
    value == "" and "an empty one" or "a " .. type(value))
end

local function is_plain(value)
  local kind = type(value)
  return kind == "string" or kind == "number" or kind == "boolean"
end

local function check_store(name, store)
  if type(store) == "string" then return store end
  if type(store) ~= "table" then
    return refuse("%s: 'store' must be a URL or a table, not a %s", name, type(store))
  end
  for key, value in next, store do
    if type(key) ~= "string" or not is_plain(value) then
      return refuse("%s: store: '%s' must be a name with a string, number or boolean",
        name, tostring(key))
    end
  end
  return store
end

local function check_use(name, use)
  if type(use) ~= "table" then return refuse("%s: 'use' must be a table", name) end
  for question, policy in next, use do
    if type(question) ~= "string" or type(policy) ~= "string" then
      return refuse("%s: use: '%s' must be a question with the name of a policy", name,
        tostring(question))
    end
  end
  return use
end

-- A copy that holds nothing but plain values and tables of such: stores = { { store =
-- { backend = ... } } } is the deepest that makes sense.
local function plain_copy(value, depth)
  if is_plain(value) then return value end
  if type(value) ~= "table" or depth == 0 then return nil end
  local own = {}
  for key, item in next, value do
    item = plain_copy(item, depth - 1)
    if item == nil then return nil, tostring(key) end
    own[key] = item
  end
  return own
end

local CACHE_KEYS = {
  budget = true, cache_control = true, hashpath = true, heuristics = true, ids = true,
  queue = true, store_scope = true, stores = true,
}

local function check_cache(name, cache)
  if type(cache) ~= "table" then return refuse("%s: 'cache' must be a table", name) end
  for key in next, cache do
    if not CACHE_KEYS[key] then
      return refuse("%s: cache: unknown key '%s'", name, tostring(key))
    end
  end
  local own, culprit = plain_copy(cache, 4)
  if own then return own end
  return refuse("%s: cache: '%s' must be a string, number, boolean or a table of such", name,
    culprit)
end

local CHECKS = {
  cache = check_cache, policies = check_text, store = check_store, use = check_use,
}

local function check_configuration(name, result)
  if type(result) ~= "table" then
    return refuse("%s: must return a table, e.g. return { store = \"fs:/srv/data\" }", name)
  end
  local configuration = {}
  for key, value in next, result do
    local check = CHECKS[key]
    if not check then
      return refuse("%s: unknown key '%s' (known: cache, policies, store, use)", name,
        tostring(key))
    end
    local message, code
    configuration[key], message, code = check(name, value, key)
    if message then return nil, message, code end
  end
  return configuration
end

---@param name string of the file, for messages
---@param text string
---@return table? configuration
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

-- $XDG_CONFIG_HOME/cairn; nil if there is no home.
local function configuration_folder()
  local folder = os.getenv("XDG_CONFIG_HOME")
  local home = os.getenv("HOME")
  if not folder or folder == "" then folder = home and home ~= "" and home .. "/.config" end
  return folder and folder .. "/cairn"
end

-- The first file there is, and its name; {} and "preset" without one.
local function read_first_configuration()
  local folder = configuration_folder()
  for _, name in ipairs { FILE, folder and folder .. "/" .. FILE } do
    local text, message, code = read_file(name)
    if text == nil then return nil, message, code end
    if text then
      local configuration
      configuration, message, code = read_configuration(name, text)
      if not configuration then return nil, message, code end
      return configuration, name
    end
  end
  return {}, "preset"
end

local function from_environment(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

-- -- Stores ---------------------------------------------------------------------------

--- Where the default store is, and who says so: "CAIRN_STORE", a file's name, or
--- "preset".
---@return (string|cairn.StoreOptions)? where
---@return string origin or message
---@return cairn.code? code
function cairn.default_store()
  local url = from_environment("CAIRN_STORE")
  if url then return url, "CAIRN_STORE" end
  local configuration, origin, code = read_first_configuration()
  if not configuration then return nil, origin, code end
  if configuration.store then return configuration.store, origin end
  return PRESET, "preset"
end

local open_store = cairn.open

local function preset_exists()
  local file = io.open(PRESET_PLACE .. "/CURRENT", "rb") -- every RocksDB has one
  if file then file:close() end
  return file ~= nil
end

-- What pcall raised: there a function has neither line nor name.
local function named(message, name)
  return (tostring(message):gsub("'%?'", "'" .. name .. "'", 1))
end

local function tell_of_new_store()
  io.stderr:write("cairn: made a store in ./", PRESET_PLACE, " (rocksdb)\n")
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
    if not ok then return refuse("%s: store: %s", origin, named(store, "open")) end
  else
    store, message, code = open_store(where)
  end
  if store and new then tell_of_new_store() end
  return store, message, code
end

function cairn.open(where)
  if where == nil then return open_default() end
  -- A mistake in the argument is the caller's: theirs is the line to be named.
  local ok, store, message, code = pcall(open_store, where)
  if not ok then error(named(store, "open"), 2) end
  return store, message, code
end

-- -- Policies -------------------------------------------------------------------------

--- What `cairn.policies()` takes when it is given nothing, who named the directory, and the
--- configuration that says `use`, if one does.
---@return cairn.PoliciesOptions? options
---@return string origin or message
---@return string|cairn.code|nil use_origin or code
function cairn.default_policies()
  local configuration, origin, code = read_first_configuration()
  if not configuration then return nil, origin, code end
  local options = { directory = from_environment("CAIRN_POLICIES"), use = configuration.use }
  local use_origin = options.use and origin or nil
  if options.directory then return options, "CAIRN_POLICIES", use_origin end
  options.directory = configuration.policies
  if options.directory then return options, origin, use_origin end
  local folder = configuration_folder()
  options.directory = folder and folder .. "/policies"
  return options, "preset", use_origin
end

-- -- The cache ------------------------------------------------------------------------

--- What `cairn.cache()` takes when it is given nothing, and who named its store: `store`
--- says where one is, or `stores` where several are. CAIRN_STORE goes over `stores`.
---@return cairn.CacheOptions? options
---@return string origin or message
---@return cairn.code? code
function cairn.default_cache()
  local configuration, origin, code = read_first_configuration()
  if not configuration then return nil, origin, code end
  local options = configuration.cache or {}
  local url = from_environment("CAIRN_STORE")
  if url then options.stores = nil end
  if options.stores then return options, origin end
  options.store, origin = url or configuration.store, url and "CAIRN_STORE" or origin
  if options.store then return options, origin end
  options.store = PRESET
  return options, "preset"
end

local open_cache = cairn.cache

-- The options with the default store where they name none; whether it would be made.
local function with_default_store(options)
  local where, origin, code = cairn.default_store()
  if not where then return nil, origin, code end
  local own = { store = where }
  for key, value in next, options do own[key] = value end
  return own, origin
end

function cairn.cache(options)
  local origin, code
  local given = options ~= nil
  if not given then
    options, origin, code = cairn.default_cache()
  elseif type(options) == "table" and options.store == nil and options.stores == nil then
    options, origin, code = with_default_store(options)
  end
  if options == nil then return nil, origin, code end
  local new = origin == "preset" and not preset_exists()
  local ok, cache, message
  -- As above: a mistake in the options is the caller's, or the file's.
  ok, cache, message, code = pcall(open_cache, options)
  if not ok and given then error(cache, 2) end
  if not ok then return refuse("%s: cache: %s", origin, cache) end
  if cache and new then tell_of_new_store() end
  return cache, message, code
end
