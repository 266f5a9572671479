-- A rate limiter: a worker for each client, made when it first comes, gone when it stays away.
--
--     scripts/run examples/rate_limiter.lua

local cairn = require "cairn"

local here = arg[0]:match("^(.*)/") or "."
local workers <close> = assert(cairn.workers { path = here .. "/handlers/?.lua;" .. package.path })

local function allow(client, now)
  local bucket = assert(workers:worker {
    group = "limit/" .. client, handler = "bucket", static = true, timeout = 60000,
    message = { rate = 10, burst = 5 },
  })
  return assert(bucket:ask { now = now })
end

local function try(client, count, now)
  local allowed, last = 0, nil
  for _ = 1, count do
    last = allow(client, now)
    if last.allowed then allowed = allowed + 1 end
  end
  return allowed, last
end

local now = cairn.now()
local allowed, last = try("anna", 20, now)
print(("anna at once: %d of 20, then again in %d ms"):format(allowed, last.wait))
print(("bert is not anna: %d of 3"):format((try("bert", 3, now))))
print(("anna 300 ms later: %d of 20"):format((try("anna", 20, now + 300))))

for _, info in ipairs(workers:list "limit/") do
  print(info.group, info.requests .. " requests")
end
