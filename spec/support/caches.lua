--- Caches to try things on: fresh stores of each kind, a clock that stands still, and nobody's
--- policies but the shipped ones.

local cairn = require "cairn"

local place = require "spec.support.place"

local caches = {}

--- 2026-01-01T00:00:00Z
caches.BEGINNING = 1767225600000

---@class spec.Caches
---@field cache cairn.Cache
---@field store cairn.Store
---@field clock cairn.Clock
---@field root string

local LOCATIONS = {
  memory = function() return "memory:" end,
  fs = function(root) return "fs:" .. root .. "/store" end,
  rocksdb = function(root) return "rocksdb:" .. root .. "/store" end,
}

caches.BACKENDS = { "memory", "fs", "rocksdb" }

--- A cache on a fresh store. To be closed with caches.close.
---@param backend "memory"|"fs"|"rocksdb"
---@param options? cairn.CacheOptions
---@return spec.Caches
function caches.open(backend, options)
  local root = place.fresh()
  local store = assert(cairn.open(LOCATIONS[backend](root)))
  local clock = cairn.clock(caches.BEGINNING)
  local all = { store = store, clock = clock }
  for name, value in pairs(options or {}) do all[name] = value end
  if all.policies == nil then
    all.policies = assert(cairn.policies { directory = root .. "/policies", clock = clock })
  end
  return { cache = assert(cairn.cache(all)), store = store, clock = clock, root = root }
end

function caches.close(opened)
  opened.cache:close()
  opened.store:close()
  place.remove(opened.root)
end

--- A function to compute with that counts its calls.
function caches.computing(answer)
  local computation = { calls = 0 }
  function computation.run(base, request)
    computation.calls = computation.calls + 1
    if type(answer) == "function" then return answer(base, request, computation.calls) end
    return answer
  end
  return computation
end

return caches
