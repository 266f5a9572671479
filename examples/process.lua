-- A process that counts: a worker that holds a state and answers one request after another.
--
--     scripts/run examples/process.lua

local cairn = require "cairn"

local here = arg[0]:match("^(.*)/") or "."
local workers <close> = assert(cairn.workers { path = here .. "/handlers/?.lua;" .. package.path })

-- A group has one worker: whoever names it gets the same one.
local visits = assert(workers:worker {
  group = "visits", handler = "tally", message = { name = "visits", from = 100 }, static = true,
})
local same = assert(workers:worker { group = "visits", handler = "tally", static = true })

for _ = 1, 1000 do visits:send { by = 1 } end -- nobody waits for these
print("after 1,000 visits", same:ask({ by = 0 }).count)

-- Without `static` a worker becomes what it answers, and moves to the group of that.
local moving = assert(workers:worker { handler = "tally", message = { name = "moving" } })
local before = moving.group
moving:ask { by = 5 }
print("moved", moving.group ~= before, moving.group == workers:group { name = "moving", count = 5 })

-- What goes wrong is an answer: a request that cannot be understood ended this worker, with what
-- it held. error_strategy = "ignore" keeps one.
local answer, message, code = visits:ask { by = "many" }
print("asked nonsense", answer, code)
print("reason", message:match(":%d+: (.*)"))
print("afterwards", select(3, visits:ask { by = 1 }))
