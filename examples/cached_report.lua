-- A report that is dear to compute is computed once and kept for a while.
--
--     scripts/run examples/cached_report.lua [store-url]

local cairn = require "cairn"

-- Time stands still until it is moved, so that nobody has to wait for a minute to pass. Leave
-- the clock out, and it is the real one.
local clock = cairn.clock()
local cache <close> = assert(cairn.cache { store = arg[1], clock = clock })

-- The base: what is reported on. It goes by the hash of its content, wherever it is kept.
local sales = assert(cache:write { may = "12 7 30", june = "8 41 3 19" })
assert(cache:purge { prefix = sales }) -- start afresh, so that each run prints the same

local computed = 0

--- What is asked for: the sales of a month, added up. The result says itself how long it is
--- good for, and for how long after that it will do while a new one is made.
local function report(base, request)
  computed = computed + 1
  local total = 0
  for amount in base[request.month]:gmatch("%d+") do total = total + tonumber(amount) end
  return {
    month = request.month, total = total,
    ["cache-control"] = "max-age=60, stale-while-revalidate=300",
  }
end

-- Nothing is kept or looked up unless somebody says so. Here the caller does; it could be the
-- node (an option of cairn.cache), the result, or a policy: examples/own_policy.lua.
local function ask(month, cache_control)
  local answer, info, _, failed = cache:resolve(sales, { path = "report", month = month }, report,
    { cache_control = cache_control or "store, cache" })
  if not answer then
    print(("%-5s %-7s status %d: %s"):format(month, failed.cache, failed.status, info))
    return
  end
  print(("%-5s %-7s total %d, computed %d times (%s)"):format(month, info.cache, answer.total,
    computed, info.cache_status))
end

ask "june" -- not there: computed, and kept
ask "june" -- there
ask("june", "no-cache") -- somebody wants it computed now

clock:advance(61 * 1000)
ask "june" -- its minute is over: the old one at once ...
cache:revalidate() -- ... and a new one, now that there is time
ask "june"

ask("may", "only-if-cached") -- better no answer than a slow one

print("purged: " .. assert(cache:purge { prefix = sales }))
ask "june"
