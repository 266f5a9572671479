--- Starter, chain: the same data in several stores.
---
--- A write goes to every store that may be written and is done when enough of them have
--- accepted it. A read asks the first and falls back on the others; if the first has become
--- slow, it is raced against the second, and whoever has the answer first gives it. What the
--- first lacks and another has is copied back.
---
--- A store that was away misses the writes of that time. Until they are copied (`cairn export`
--- and `cairn import`, or by being read) it has gaps, which the others fill, and, at paths
--- that were overwritten or removed meanwhile, what was there before.
---
---     cairn.chain({ "rocksdb:/disk1/data", "rocksdb:/disk2/data" },
---       { policies = cairn.policies { use = { chain = "mirror" } } })

-- Edit these.
local NEED = 1 -- stores that must accept a write; 2 and more: refused while too few do
local RACE_ABOVE = 20 -- ms that the first takes on average; 0: always; false: never
local COPY_BACK = true
local DEADLINE = { cluster = 2000, remote = 10000 } -- ms by scope
local KEEP_OUT = { after = 3, ms = 5000 } -- failures in a row, and how long then

-- Tiers are first, being caches in front of all mirrors, and those that are failing last.
local function rank(store)
  if store.failing then return 3 end
  return store.tier and 1 or 2
end

--- Names of the stores for which `is_fit`, by rank, equals as they were configured.
local function ordered(stores, is_fit)
  local order = {}
  for wanted = 1, 3 do
    for _, store in ipairs(stores) do
      if rank(store) == wanted and is_fit(store) then order[#order + 1] = store.name end
    end
  end
  return order
end

local function is_read(store)
  return store.read
end

local function is_mirror(store)
  return store.write and not store.tier
end

local function is_listed(store)
  return store.read and not store.tier
end

-- Who gets what a later one answered.
local function is_filled(store)
  return store.write and not store.failing and (store.tier or COPY_BACK)
end

--- How many of the first are asked at once. A tier answers at once or not at all, so there
--- is no race where one stands in front, and none against who is failing. Looking at how slow
--- a store has become makes the decision a new one for each read.
---@param context cairn.ChainContext
local function racers(context, order)
  if #order < 2 or not RACE_ABOVE then return nil end
  for _, store in ipairs(context.stores) do
    local is_next = store.name == order[1] or store.name == order[2]
    if store.tier or (store.failing and is_next) then return nil end
  end
  local health = context.health[order[1]]
  return health and health.latency >= RACE_ABOVE and 2 or nil
end

local function deadlines_of(stores, order)
  local is_asked, deadlines = {}, {}
  for _, name in ipairs(order) do is_asked[name] = true end
  for _, store in ipairs(stores) do
    if is_asked[store.name] then deadlines[store.name] = DEADLINE[store.scope] end
  end
  return deadlines
end

---@type cairn.PolicyModule
local mirror = { question = "chain" }

---@param context cairn.ChainContext
---@return cairn.ChainDecision?
function mirror.decide(context)
  local stores, is_write = context.stores, context.action == "write"
  local is_list = context.operation == "list"
  local order = ordered(stores, is_write and is_mirror or is_list and is_listed or is_read)
  if #order == 0 then return nil end
  local decision = {
    order = order, deadlines = deadlines_of(stores, order), keep_out = KEEP_OUT,
  }
  if is_write then
    decision.need = math.min(NEED, #order)
  elseif not is_list then
    decision.race = racers(context, order)
    decision.promote = ordered(stores, is_filled)
  end
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

local A, B, C = store "a", store "b", store("c", { scope = "remote" })
local AWAY = store("a", { failing = true })
local TIER = store("tier", { backend = "memory", tier = true })

local SLOW = RACE_ABOVE or 0

local function read(stores, latency)
  local health = {}
  for _, each in ipairs(stores) do health[each.name] = { failures = 0, latency = latency } end
  return { action = "read", operation = "read", stores = stores, health = health }
end

local function write(stores)
  return { action = "write", operation = "write", stores = stores }
end

mirror.examples = {
  { name = "the first is asked, then the second; what the first lacks is copied back",
    context = read({ A, B }, 0),
    decision = { order = { "a", "b" }, promote = COPY_BACK and { "a", "b" } or {},
      keep_out = KEEP_OUT } },
  { name = "a slow one is raced",
    context = read({ A, B, C }, SLOW),
    decision = { order = { "a", "b", "c" }, race = RACE_ABOVE and 2 or nil,
      deadlines = { c = DEADLINE.remote } } },
  { name = "one that is failing is asked last and not raced",
    context = read({ AWAY, B }, SLOW),
    decision = { order = { "b", "a" }, promote = COPY_BACK and { "b" } or {} } },
  { name = "no race behind a tier",
    context = read({ A, TIER, B }, SLOW),
    decision = { order = { "tier", "a", "b" },
      promote = COPY_BACK and { "tier", "a", "b" } or { "tier" } } },
  { name = "no race of one",
    context = read({ A }, SLOW),
    decision = { order = { "a" } } },
  { name = "a tier that is failing",
    context = read({ store("tier", { tier = true, failing = true }), A }, SLOW),
    decision = { order = { "a", "tier" }, promote = COPY_BACK and { "a" } or {} } },
  { name = "lists do not come from a tier",
    context = { action = "read", operation = "list", stores = { TIER, A, B } },
    decision = { order = { "a", "b" } } },
  { name = "all are written, and enough must accept",
    context = write { A, TIER, B },
    decision = { order = { "a", "b" }, need = math.min(NEED, 2) } },
  { name = "nobody to write: no opinion",
    context = write { TIER },
    decision = false },
}

return mirror
