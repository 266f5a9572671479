--- Which stores are asked or written, and in which order?
---
--- What is near is asked before what is far: tiers, then local stores, clusters, remote
--- ones; among equals as they were configured. A store that is failing comes last, not
--- out: if nobody else has the entry, its silence must show as an outage and not pass for
--- an absence. What a later store answers is copied into the tiers.
---
--- Written is the first store that accepts, in the same order; no tier ever is, for what
--- is only there is lost when the tier forgets.

local PROMOTE_MAX = 1024 * 1024 -- bytes; what is larger would push out too much else
local KEEP_OUT = { after = 3, ms = 5000 } -- failures in a row, and how long then
local DEADLINE = { cluster = 2000, remote = 10000 } -- ms by scope

local RANK = { ["local"] = 2, cluster = 3, remote = 4 } -- of a tier: 1
local LAST_RANK = 5

---@param store cairn.ChainStore
---@return integer
local function rank(store)
  if store.failing then return LAST_RANK end
  return store.tier and 1 or RANK[store.scope]
end

--- A tier's listing shows what happens to be in it, so it is not asked for one.
---@param store cairn.ChainStore
---@param context cairn.ChainContext
local function is_eligible(store, context)
  if context.action == "write" then return store.write and not store.tier end
  return store.read and not (store.tier and context.operation == "list")
end

--- Puts `name` behind the names of its rank and of those before it. A chain has few stores.
local function insert(order, ranks, name, own)
  local at = #order + 1
  while at > 1 and ranks[at - 1] > own do
    order[at], ranks[at] = order[at - 1], ranks[at - 1]
    at = at - 1
  end
  order[at], ranks[at] = name, own
end

---@type cairn.PolicyModule
local chain = { question = "chain" }

---@param context cairn.ChainContext
---@return cairn.ChainDecision?
function chain.decide(context)
  local order, ranks, deadlines, has_tier = {}, {}, nil, false
  local stores = context.stores
  for i = 1, #stores do
    local store = stores[i]
    if is_eligible(store, context) then
      insert(order, ranks, store.name, rank(store))
      has_tier = has_tier or store.tier
      if DEADLINE[store.scope] then
        deadlines = deadlines or {}
        deadlines[store.name] = DEADLINE[store.scope]
      end
    end
  end
  if #order == 0 then return nil end
  return {
    order = order,
    deadlines = deadlines,
    keep_out = KEEP_OUT,
    promote = has_tier,
    promote_max = has_tier and PROMOTE_MAX or nil,
  }
end

-- -- Examples ---------------------------------------------------------------------------

--- A store as the examples need it: local, for reading and writing.
local function store(name, changes)
  local one = {
    name = name, backend = "rocksdb", scope = "local",
    read = true, write = true, tier = false, failing = false,
  }
  for key, value in pairs(changes or {}) do one[key] = value end
  return one
end

local MEMORY = store("memory", { backend = "memory", tier = true })
local DISK = store "disk"
local CLUSTER = store("cluster", { backend = "cluster", scope = "cluster" })
local GATEWAY = store("gateway", { backend = "gateway", scope = "remote", write = false })
local NODE = store("node", { backend = "node", scope = "remote" })

chain.examples = {
  { name = "one store is asked",
    context = { action = "read", operation = "read", stores = { DISK } },
    decision = { order = { "disk" }, promote = false } },
  { name = "near before far, tiers first, and they are filled",
    context = { action = "read", operation = "read",
      stores = { GATEWAY, CLUSTER, DISK, MEMORY } },
    decision = { order = { "memory", "disk", "cluster", "gateway" }, promote = true,
      promote_max = PROMOTE_MAX } },
  { name = "equals in their order",
    context = { action = "read", operation = "read", stores = { NODE, DISK, GATEWAY } },
    decision = { order = { "disk", "node", "gateway" } } },
  { name = "what is far has a deadline",
    context = { action = "read", operation = "read", stores = { DISK, CLUSTER, NODE } },
    decision = { order = { "disk", "cluster", "node" },
      deadlines = { cluster = DEADLINE.cluster, node = DEADLINE.remote },
      keep_out = KEEP_OUT } },
  { name = "failing ones last",
    context = { action = "read", operation = "read",
      stores = { store("disk", { failing = true }), GATEWAY } },
    decision = { order = { "gateway", "disk" } } },
  { name = "a failing tier as well",
    context = { action = "read", operation = "read",
      stores = { store("memory", { tier = true, failing = true }), DISK } },
    decision = { order = { "disk", "memory" } } },
  { name = "tiers do not list",
    context = { action = "read", operation = "list", stores = { MEMORY, DISK } },
    decision = { order = { "disk" }, promote = false } },
  { name = "what may not be read is not asked",
    context = { action = "read", operation = "read",
      stores = { store("drop", { read = false }), DISK } },
    decision = { order = { "disk" } } },
  { name = "written is no tier, and nothing that is for reading",
    context = { action = "write", operation = "write", stores = { MEMORY, GATEWAY, NODE, DISK } },
    decision = { order = { "disk", "node" }, promote = false } },
  { name = "nobody to write: no opinion",
    context = { action = "write", operation = "write", stores = { MEMORY, GATEWAY } },
    decision = false },
}

return chain
