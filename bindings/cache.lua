-- cache.lua -- the part of `cairn.cache` that is Lua: options, listing, and what is computed
-- afresh behind a stale answer. Compiled into the module; `class` is the metatable of
-- caches, `core` is in lua_cache.c.

local cairn, class, core = ...

local methods = class.__index

-- -- Opening -----------------------------------------------------------------------------

local OPTIONS = {
  store = true, stores = true, policies = true, cache_control = true, hashpath = true,
  ids = true, heuristics = true, store_scope = true, budget = true, queue = true, clock = true,
}
local HASHPATHS = { ignore = true, ["sha-256-chain"] = true, ["accumulate-256"] = true }
local IDS = { safe = true, reference = true }

-- Whose line is to be named is known where the caller is: defaults.lua, whose cairn.cache
-- goes over ours.
local function refuse(what, ...)
  error(("bad argument #1 to 'cache' (" .. what .. ")"):format(...), 0)
end

-- What was raised, without the line of ours at which it was; and of a bad argument, what
-- is wrong with it.
local function mistake_of(raised)
  local message = tostring(raised):gsub("^cairn/cache%.lua:%d+: ", "")
  return message, message:match("^bad argument #%d+ to '[^']*' %((.*)%)$")
end

-- Calls one of our functions with what came from the options: what is wrong with its
-- arguments is wrong with ours. Of `names` each pair is what it calls a part of them, and
-- what we do.
local function with_options(names, ours, ...)
  local results = table.pack(pcall(ours, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local message, what = mistake_of(results[2])
  for inner, outer in pairs(names) do
    local at, rest = (what or message):match("^(" .. inner .. ")(.*)$")
    if at then refuse("%s%s", outer, rest) end
  end
  if what then refuse("options: %s", what) end
  error(message, 0)
end

local function check_one_of(options, name, known)
  local value = options[name]
  if value ~= nil and not known[value] then
    refuse("options.%s: cannot be %s", name, tostring(value))
  end
end

local function check_bytes(options, name)
  local value = options[name]
  if value ~= nil and (math.type(value) ~= "integer" or value < 1) then
    refuse("options.%s: a number of bytes expected, got %s", name, tostring(value))
  end
end

local function check_object(options, name, wanted, others)
  local value = options[name]
  local kind = type(value)
  for _, other in ipairs(others) do
    if kind == other then return end
  end
  if value ~= nil and kind ~= "userdata" then
    refuse("options.%s: %s expected, got %s", name, wanted, kind)
  end
end

local function check(options)
  if type(options) ~= "table" then refuse("options: table expected, got %s", type(options)) end
  for name in pairs(options) do
    if not OPTIONS[name] then refuse("there is no option '%s'", tostring(name)) end
  end
  if options.store ~= nil and options.stores ~= nil then
    refuse("options: either store or stores")
  end
  check_object(options, "policies", "cairn.Policies, directory or false", { "string", "boolean" })
  check_object(options, "clock", "cairn.Clock", {})
  if options.policies == true then refuse("options.policies: true says nothing") end
  if options.stores ~= nil and type(options.stores) ~= "table" then
    refuse("options.stores: list expected, got %s", type(options.stores))
  end
  check_one_of(options, "hashpath", HASHPATHS)
  check_one_of(options, "ids", IDS)
  check_bytes(options, "budget")
  check_bytes(options, "queue")
  return options
end

local function scopes_of(scope)
  if type(scope) == "string" then return { scope } end
  if scope ~= nil and type(scope) ~= "table" then
    refuse("options.store_scope: string or list expected, got %s", type(scope))
  end
  return scope
end

local function policies_of(given)
  if given == false then return false end
  if given == nil then return cairn.policies() end
  if type(given) == "string" then
    return with_options({ ["options%.directory"] = "options.policies" }, cairn.policies,
      { directory = given })
  end
  return given
end

local function is_chain(value)
  return type(value) == "userdata" and type(value.members) == "function"
end

local function chain_of(options, policies)
  if is_chain(options.store) then return options.store end
  local members = options.stores
  if not members then
    local store, message, code = options.store, nil, nil
    if store == nil then store, message, code = cairn.open() end
    if store == nil then return nil, message, code end
    members = { store }
  end
  local one = options.stores == nil
  return with_options({
    [one and "members%[1%]" or "members"] = one and "options.store" or "options.stores",
    ["options%.policies"] = "options.policies", clock = "options.clock",
  }, cairn.chain, members, { policies = policies, clock = options.clock })
end

local function open(options)
  local policies, chain, cache, message, code
  policies, message, code = policies_of(options.policies)
  if policies == nil then return nil, message, code end
  chain, message, code = chain_of(options, policies)
  if not chain then return nil, message, code end
  cache, message, code = with_options({
    clock = "options.clock", store_scope = "options.store_scope",
    cache_control = "options.cache_control",
  }, core.open, chain, policies or nil, options.clock, {
    cache_control = options.cache_control, hashpath = options.hashpath, ids = options.ids,
    no_heuristics = options.heuristics == false, scopes = scopes_of(options.store_scope),
    budget = options.budget, queue = options.queue,
  })
  if not cache then return nil, message, code end
  local own = core.own(cache)
  own.chain, own.policies, own.pending, own.waiting = chain, policies, {}, {}
  return cache
end

function cairn.cache(options)
  return open(check(options or {}))
end

-- They stay to be seen behind the function that C makes of __index: the shell offers them.
class.__methods = methods

-- -- Whose mistake it is -----------------------------------------------------------------

-- Raises what was raised beneath a method as the mistake of who called that: their line,
-- the method's name.
local function blame(raised, name)
  local message = mistake_of(raised)
  local number, where, what = message:match("^bad argument #(%d+) to '([^']*)' (%(.*%))$")
  if number then
    message = where == "own" and ("calling '%s' on bad self %s"):format(name, what)
      or ("bad argument #%s to '%s' %s"):format(number, name, what)
  end
  error(message, 3)
end

-- The method, whose mistakes in arguments are those of its caller.
local function blaming(name, method)
  return function(...)
    local results = table.pack(pcall(method, ...))
    if not results[1] then blame(results[2], name) end
    return table.unpack(results, 2, results.n)
  end
end

-- -- Resolving ---------------------------------------------------------------------------

local function seconds(ms)
  return ms // 1000
end

-- RFC 9211: the status of this cache in the form of a header field.
local function cache_status(info)
  local parts = { "cairn" }
  if info.cache == "hit" or info.cache == "stale" then
    parts[#parts + 1] = "hit"
    if info.fresh_for then parts[#parts + 1] = ("ttl=%d"):format(seconds(info.fresh_for)) end
    if info.store then parts[#parts + 1] = ("detail=%s"):format(info.store) end
  else
    parts[#parts + 1] = info.cache == "bypass" and "fwd=bypass" or "fwd=miss"
    if info.coalesced then parts[#parts + 1] = "collapsed" end
    if info.stored then parts[#parts + 1] = "stored" end
  end
  return table.concat(parts, "; ")
end

local info_class = {
  __index = function(info, name)
    if name == "cache_status" then return cache_status(info) end
  end,
}

-- Of one hashpath one computation waits, however many answers were stale.
local function remember(cache, info, base, request, compute, options)
  local own = core.own(cache)
  if own.waiting[info.hashpath] then return end
  own.waiting[info.hashpath] = true
  table.insert(own.pending, {
    hashpath = info.hashpath, base = base, request = request, compute = compute,
    options = options,
  })
end

local resolve = core.resolve(remember, info_class)
methods.resolve = resolve

local function refresh(cache, one)
  local options = { refresh = true }
  for _, name in ipairs { "cache_control", "node_cache_control", "timeout", "scopes" } do
    options[name] = one.options and one.options[name]
  end
  local ok, found = pcall(resolve, cache, one.base, one.request, one.compute, options)
  return ok and found ~= nil
end

methods.revalidate = blaming("revalidate", function(cache, most)
  local own = core.own(cache)
  if most ~= nil and math.type(most) ~= "integer" then
    error(("bad argument #1 to 'revalidate' (most: integer expected, got %s)")
      :format(type(most)), 0)
  end
  local done, failed = 0, 0
  for _ = 1, math.min(most or math.huge, #own.pending) do
    local one = table.remove(own.pending, 1)
    if not one then break end -- somebody else did it meanwhile
    own.waiting[one.hashpath] = nil
    if refresh(cache, one) then done = done + 1 else failed = failed + 1 end
  end
  return done, failed
end)

-- -- Listing -----------------------------------------------------------------------------

local function is_id(path)
  return #path == 43 and not path:find("[^%w_-]")
end

local function sorted_keys(message)
  local keys = {}
  for key in pairs(message) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function names_in(group)
  local names = {}
  for name in group do names[#names + 1] = name end
  return names
end

--- The keys of what lies at an id, else the names in the group.
methods.list = blaming("list", function(cache, path)
  local chain = core.own(cache).chain
  local resolved, message, code = chain:resolve(path or "")
  if not resolved then return nil, message, code end
  if is_id(resolved) then
    local stored
    stored, message, code = cache:read(resolved, { stored = true })
    if type(stored) == "table" then return sorted_keys(stored) end
    if code ~= "not_found" then return nil, message, code end
  end
  local group
  group, message, code = chain:list(resolved)
  if not group then return nil, message, code end
  return names_in(group)
end)

methods.list_numbered = blaming("list_numbered", function(cache, path)
  core.own(cache)
  local names, message, code = cache:list(path)
  if not names then return nil, message, code end
  local numbers = {}
  for _, name in ipairs(names) do
    if name:find("^%-?%d+$") then numbers[#numbers + 1] = math.tointeger(name) end
  end
  table.sort(numbers)
  return numbers
end)

-- -- Checking ----------------------------------------------------------------------------

methods.verify = blaming("verify", function(cache, id)
  core.own(cache)
  local value, message, code = cache:read(id, { verify = true })
  if value == nil then return nil, message, code end
  return true
end)
