-- An expensive report, wanted by a thousand at once, computed once.
--
--     scripts/run examples/expensive_report.lua [store-url]

local cairn = require "cairn"

local here = arg[0]:match("^(.*)/") or "."
local cache <close> = assert(cairn.cache { store = arg[1] or "memory:" })
local workers <close> = assert(cairn.workers {
  cache = cache, path = here .. "/handlers/?.lua;" .. package.path,
})

local CALLERS = 1000

-- Each caller is a worker; they share the cache, over all threads.
local callers = {}
for i = 1, CALLERS do
  callers[i] = assert(workers:worker { group = "caller/" .. i, handler = "reader", static = true })
end

local began = cairn.now()
for _, caller in ipairs(callers) do assert(caller:send { year = 2026 }) end

-- Answers of one worker come in order, so this one comes after what was sent to it.
local counts = { computed = 0, shared = 0, found = 0 }
for _, caller in ipairs(callers) do assert(caller:ask { year = 2026 }) end
local stats = cache:stats()
counts.computed, counts.shared, counts.found = stats.computed, stats.coalesced, stats.hits

print(("%d callers, computed %d time, shared with %d, found %d times")
  :format(CALLERS, counts.computed, counts.shared, counts.found))
print(cairn.now() - began < 5000 and "in time" or "not in time")
print(callers[1]:ask({ year = 2026 }).title)
