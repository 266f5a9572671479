--- Starter, chain: which stores keep what, by path.
---
--- A route sends everything beneath a prefix to stores of its own: data that must never be
--- evicted apart from what is only a cache, large values apart from small ones. The first
--- route that fits decides; other paths are left to the shipped chain.lua by having no
--- opinion. Tiers stand in front of every route, unless it says `tiers = false`.
---
--- Several changes made as one go where the first of them goes. Looking at the path makes
--- each decision a new one: about a microsecond a call.
---
---     cairn.chain({
---       { store = "rocksdb:./jobs", name = "durable" }, { store = "fs:./blobs", name = "bulk" },
---       "rocksdb:./cache",
---     }, { policies = cairn.policies { use = { chain = "routes" } } })

-- Edit these: a prefix of whole segments ("a/b", or "" for every path), and names of stores,
-- the preferred first.
local ROUTES = {
  { prefix = "jobs", stores = { "durable" }, tiers = false },
  { prefix = "data", stores = { "bulk", "archive" } },
}

local DEADLINE = { cluster = 2000, remote = 10000 } -- ms by scope
local KEEP_OUT = { after = 3, ms = 5000 } -- failures in a row, and how long then

-- What paths beneath a prefix begin with: "a/" for "a", "/a" and "a/"; "" for "".
local heads = {}
for i = 1, #ROUTES do
  local prefix = ROUTES[i].prefix:gsub("^/+", ""):gsub("/+$", "")
  heads[i] = prefix == "" and "" or prefix .. "/"
end

local function route_for(path)
  path = path .. "/"
  for i = 1, #heads do
    if path:sub(1, #heads[i]) == heads[i] then return ROUTES[i] end
  end
  return nil
end

--- Adds a store to what is decided if it may be asked.
local function add(decision, store, is_allowed)
  if not is_allowed then return end
  decision.order[#decision.order + 1] = store.name
  decision.deadlines[store.name] = DEADLINE[store.scope]
end

---@type cairn.PolicyModule
local routes = { question = "chain" }

---@param context cairn.ChainContext
---@return cairn.ChainDecision?
function routes.decide(context)
  local route = route_for(context.path)
  if not route then return nil end
  local is_read = context.action == "read"
  local is_tiered = is_read and route.tiers ~= false and context.operation ~= "list"
  local decision = {
    order = {}, deadlines = {}, keep_out = KEEP_OUT, promote = is_tiered, reason = route.prefix,
  }
  local named = {}
  for _, store in ipairs(context.stores) do
    named[store.name] = store
    if store.tier then add(decision, store, is_tiered and store.read) end
  end
  local tiers = #decision.order
  for _, name in ipairs(route.stores) do
    local store = named[name]
    add(decision, store, store and not store.tier and store[context.action])
  end
  if #decision.order == tiers then return nil end -- none of its stores is there
  return decision
end

-- -- Examples ---------------------------------------------------------------------------

local function store(name, changes)
  local one = {
    name = name, backend = "rocksdb", scope = "local",
    read = true, write = true, tier = false, failing = false,
  }
  for key, value in pairs(changes or {}) do one[key] = value end
  return one
end

local TIER = store("(tier)", { backend = "memory", tier = true })
local OTHER = store "(other)"
local READ_ONLY = { scope = "remote", write = false }

local function asks(action, operation, path, stores)
  return { action = action, operation = operation, path = path, stores = stores }
end

local is_total = false -- does a route take every path?
for i = 1, #heads do is_total = is_total or heads[i] == "" end

routes.examples = {
  { name = "no route: for the default", context = asks("read", "read", "~no/route", { OTHER }),
    decision = false }, -- nor is one of its stores there, if a route takes every path
}

local function example(name, context, decision)
  table.insert(routes.examples, { name = name, context = context, decision = decision })
end

--- The stores of a route behind a tier and one that is not its own.
local function chain_of(names, changes)
  local stores = { OTHER, TIER }
  for _, name in ipairs(names) do stores[#stores + 1] = store(name, changes) end
  return stores
end

local function behind_tier(names)
  return table.move(names, 1, #names, 2, { TIER.name })
end

-- That each route is reached, and only by what is beneath its prefix.
for i, route in ipairs(ROUTES) do
  local prefix, names, has_tiers = heads[i]:sub(1, -2), route.stores, route.tiers ~= false
  local stores, path = chain_of(names), heads[i] .. "x"
  example(prefix .. ": read", asks("read", "read", path, stores), {
    order = has_tiers and behind_tier(names) or names, promote = has_tiers, reason = route.prefix,
  })
  example(prefix .. ": the prefix itself", asks("read", "type", prefix, stores),
    { order = has_tiers and behind_tier(names) or names })
  if not is_total then
    example(prefix .. ": not what only begins alike", asks("read", "read", prefix .. "~x", stores),
      false)
  end
  example(prefix .. ": lists do not come from tiers", asks("read", "list", prefix, stores),
    { order = names, promote = false })
  example(prefix .. ": written", asks("write", "write", path, stores),
    { order = names, promote = false, keep_out = KEEP_OUT })
  example(prefix .. ": far stores have a deadline",
    asks("read", "list", path, chain_of(names, READ_ONLY)),
    { order = names, deadlines = { [names[1]] = DEADLINE.remote } })
  example(prefix .. ": none of its stores may be written",
    asks("write", "write", path, chain_of(names, READ_ONLY)), false)
  example(prefix .. ": none of its stores is there",
    asks("read", "read", path, { OTHER, TIER }), false)
end

return routes
