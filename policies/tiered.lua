--- Starter, chain: memory, then RocksDB, then another node or a gateway.
---
--- A read asks what is near first. What a farther store answers is copied into every nearer
--- one that may be written: into memory and onto the own disk, so that the next read of it
--- does not leave the machine. Copies are bounded in size. Messages, and bytes at their own
--- hash, never change, so copies of them are good for ever; whoever reads values from a far
--- store that do change there bounds their time, too (COPY_FOR).
---
--- Written is the own disk; memory forgets what changes, and a far store is written only
--- when no near one accepts.
---
---     cairn.chain({
---       { store = "memory:?max_bytes=256M", tier = true },
---       "rocksdb:./data",
---       { store = far, write = false },
---     }, { policies = cairn.policies { use = { chain = "tiered" } } })

-- Edit these.
local COPY_MAX = 8 * 1024 * 1024 -- bytes of a value; larger ones stay where they are
local COPY_FOR = nil -- ms, say 60 * 60 * 1000; then messages are not copied, which cannot expire
local DEADLINE = { cluster = 1000, remote = 5000 } -- ms by scope
local KEEP_OUT = { after = 3, ms = 10000 } -- failures in a row, and how long then

-- The nearest first; a store that is failing is asked after all others.
local function distance(store)
  if store.failing then return 6 end
  if store.scope == "remote" then return 5 end
  if store.scope == "cluster" then return 4 end
  if store.backend == "memory" then return 1 end
  return store.tier and 2 or 3
end

--- The stores for which `is_fit`, the nearest first, equals as they were configured.
local function nearest(stores, is_fit)
  local order = {}
  for wanted = 1, 6 do
    for _, store in ipairs(stores) do
      if distance(store) == wanted and is_fit(store) then order[#order + 1] = store end
    end
  end
  return order
end

local function names_of(stores)
  local names = {}
  for i, store in ipairs(stores) do names[i] = store.name end
  return names
end

local function deadlines_of(stores)
  local deadlines = {}
  for _, store in ipairs(stores) do deadlines[store.name] = DEADLINE[store.scope] end
  return deadlines
end

local function is_read(store)
  return store.read
end

-- What a tier holds is not all there is.
local function is_listed(store)
  return store.read and not store.tier
end

local function is_written(store)
  return store.write and not store.tier
end

local function is_near(store)
  return store.write and store.scope == "local" and not store.failing
end

---@type cairn.PolicyModule
local tiered = { question = "chain" }

---@param context cairn.ChainContext
---@return cairn.ChainDecision?
function tiered.decide(context)
  local is_fit = is_read
  if context.action == "write" then
    is_fit = is_written
  elseif context.operation == "list" then
    is_fit = is_listed
  end
  local order = nearest(context.stores, is_fit)
  if #order == 0 then return nil end
  local decision = {
    order = names_of(order), deadlines = deadlines_of(order), keep_out = KEEP_OUT,
  }
  if is_fit == is_read then
    decision.promote = names_of(nearest(context.stores, is_near))
    decision.promote_max = COPY_MAX
    decision.promote_for = COPY_FOR
  end
  return decision
end

-- -- Examples ---------------------------------------------------------------------------

local function store(name, backend, changes)
  local one = {
    name = name, backend = backend, scope = "local",
    read = true, write = true, tier = false, failing = false,
  }
  for key, value in pairs(changes or {}) do one[key] = value end
  return one
end

local MEMORY = store("memory", "memory", { tier = true })
local SSD = store("ssd", "fs", { tier = true })
local DISK = store("disk", "rocksdb")
local CLUSTER = store("cluster", "cluster", { scope = "cluster" })
local FAR = store("far", "node", { scope = "remote", write = false })

tiered.examples = {
  { name = "the nearest first, and everything near is filled",
    context = { action = "read", operation = "read",
      stores = { FAR, CLUSTER, DISK, SSD, MEMORY } },
    decision = { order = { "memory", "ssd", "disk", "cluster", "far" },
      promote = { "memory", "ssd", "disk" }, promote_max = COPY_MAX, promote_for = COPY_FOR,
      deadlines = { cluster = DEADLINE.cluster, far = DEADLINE.remote }, keep_out = KEEP_OUT } },
  { name = "what fails comes last and is not filled",
    context = { action = "read", operation = "read",
      stores = { MEMORY, store("disk", "rocksdb", { failing = true }), FAR } },
    decision = { order = { "memory", "far", "disk" }, promote = { "memory" } } },
  { name = "a disk for reading only is not filled",
    context = { action = "read", operation = "read",
      stores = { MEMORY, store("disk", "rocksdb", { write = false }), FAR } },
    decision = { promote = { "memory" } } },
  { name = "lists come from who has everything",
    context = { action = "read", operation = "list", stores = { MEMORY, DISK, FAR } },
    decision = { order = { "disk", "far" } } },
  { name = "the disk is written",
    context = { action = "write", operation = "write", stores = { MEMORY, FAR, DISK } },
    decision = { order = { "disk" } } },
  { name = "... or the cluster, if the disk cannot be",
    context = { action = "write", operation = "write",
      stores = { store("disk", "rocksdb", { failing = true }), CLUSTER } },
    decision = { order = { "cluster", "disk" } } },
  { name = "nobody to write: no opinion",
    context = { action = "write", operation = "write", stores = { MEMORY, FAR } },
    decision = false },
}

return tiered
