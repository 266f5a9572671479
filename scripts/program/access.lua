--- The store a command works on, and its paths.

local cairn = require "cairn"
local failure = require "cairn.program.failure"
local output = require "cairn.program.output"
local process = require "cairn.process"

local access = {}

local function has_option(scheme, name)
  local backend = cairn.backends()[scheme]
  for _, option in ipairs(backend and backend.options or {}) do
    if option.name == name then return true end
  end
  return false
end

-- The same place with an option, where the backend has it and nobody has set it.
local function with_option(where, name, value)
  if type(where) == "table" then
    if where[name] ~= nil or not has_option(where.backend, name) then return where end
    local copy = { [name] = value }
    for key, other in pairs(where) do copy[key] = other end
    return copy
  end
  local asked = where:find("?", 1, true)
  if not has_option(where:match("^([^:]*):") or "", name) then return where end
  if asked and where:find("[?&]" .. name .. "=", asked) then return where end
  return ("%s%s%s=%s"):format(where, asked and "&" or "?", name, value)
end

--- The same place for a reader: opening it makes nothing and changes nothing, and works
--- while another process writes there, where the backend can do that.
---@param where string|cairn.StoreOptions
function access.for_reading(where)
  return with_option(with_option(where, "create", false), "read_only", true)
end

local function for_removing(where)
  return with_option(where, "create", false)
end

-- A configuration's table may hold types that its backend does not take, at which `open`
-- raises: here that is an answer like the others.
local function open_configured(open, where, origin)
  if type(where) ~= "table" then return open(where) end
  local ok, store, message, code = pcall(open, where)
  if ok then return store, message, code end
  return nil, ("%s: store: %s"):format(origin, store), "invalid_argument"
end

local function is_missing(origin)
  return origin == "preset" and not process.kind("cairn-data")
end

local function check_preset(origin)
  if is_missing(origin) then
    failure.raise("not_found", "there is no store in ./cairn-data yet: cairn put makes one, "
      .. "--store names another")
  end
end

local function open_what_exists(change)
  local where, origin, code = cairn.default_store()
  failure.check(where, origin, code)
  check_preset(origin)
  return failure.check(open_configured(cairn.open, change(where), origin))
end

--- For a command that only reads.
---@return cairn.Store
function access.open_to_read()
  return open_what_exists(access.for_reading)
end

--- For a command that only removes: a store that is not there is not made.
---@return cairn.Store
function access.open_existing()
  return open_what_exists(for_removing)
end

---@return cairn.Store
function access.open_to_write()
  return failure.check(cairn.open())
end

-- -- Caches ---------------------------------------------------------------------------

-- A member of a chain: where a store is, or a table about it.
local function change_member(member, change)
  if type(member) ~= "table" or member.store == nil then return change(member) end
  local copy = {}
  for key, value in pairs(member) do copy[key] = value end
  copy.store = change(member.store)
  return copy
end

--- Where the stores of the default cache are, to read.
---@return (string|cairn.StoreOptions)[]
function access.stores_to_read()
  local options, origin, code = cairn.default_cache()
  failure.check(options, origin, code)
  check_preset(origin)
  local places = {}
  for i, member in ipairs(options.stores or { options.store }) do
    local where = type(member) == "table" and member.store or member
    places[i] = access.for_reading(where)
  end
  return places
end

-- The default cache; `change` makes of its stores what the command needs.
local function open_cache(more, change)
  local options, origin, code = cairn.default_cache()
  failure.check(options, origin, code)
  if change then check_preset(origin) end
  local new = is_missing(origin)
  for key, value in pairs(more or {}) do options[key] = value end
  if change and options.store then options.store = change(options.store) end
  for i, member in ipairs(change and options.stores or {}) do
    options.stores[i] = change_member(member, change)
  end
  local ok, cache, message, problem = pcall(cairn.cache, options)
  if not ok then failure.raise("invalid_argument", "%s: cache: %s", origin, cache) end
  failure.check(cache, message, problem)
  if new then output.note("made a store in ./cairn-data (rocksdb)") end
  return cache
end

--- For a command that only reads.
---@param more? cairn.CacheOptions
---@return cairn.Cache
function access.cache_to_read(more)
  return open_cache(more, access.for_reading)
end

--- For a command that only removes.
---@return cairn.Cache
function access.existing_cache()
  return open_cache(nil, for_removing)
end

---@param more? cairn.CacheOptions
---@return cairn.Cache
function access.cache_to_write(more)
  return open_cache(more)
end

--- A frozen state of the store where it has them, so that a long read is of one piece.
---@param store cairn.Store
---@return cairn.Store
function access.freeze(store)
  local frozen, message, code = store:snapshot()
  if not frozen and code ~= "unsupported" then failure.raise(code, "%s", message) end
  return frozen or store
end

--- As store:list; what goes wrong on the way is a failure like any other.
---@param store cairn.Store
---@param group string
function access.list(store, group)
  local names, message, code, closed = store:list(group)
  if not names then return nil, message, code end
  return failure.steps(names), nil, nil, closed
end

--- From here on cairn.open() and cairn.cache() make the default store without saying so.
function access.make_quietly()
  local open, open_cache_of = cairn.open, cairn.cache
  function cairn.cache(options)
    if options ~= nil then return open_cache_of(options) end
    local origin, code
    options, origin, code = cairn.default_cache()
    if options == nil then return nil, origin, code end
    return open_cache_of(options)
  end
  function cairn.open(where)
    if where ~= nil then return open(where) end
    local origin, code
    where, origin, code = cairn.default_store()
    if where == nil then return nil, origin, code end
    return open_configured(open, where, origin)
  end
end

--- "a" and "b" are "a/b"; the root is "".
function access.join(group, name)
  return group == "" and name or group .. "/" .. name
end

--- The normal form of a path, or a failure.
function access.path(path)
  return failure.check(cairn.normalize(path))
end

return access
