-- Memory in front of a disk: one chain of two stores, in the order that a policy decides.
--
--     scripts/run examples/tiers.lua [store-url]

local cairn = require "cairn"

local disk <close> = assert(cairn.open(arg[1]))

-- A tier is a cache: it forgets when it is full, and its silence means nothing. `chain.lua` in
-- policies/ asks it first and fills it with what the disk answers; `tiered.lua` there is the
-- one to start from for more than two.
local chain <close> = assert(cairn.chain {
  { name = "memory", store = "memory:?max_bytes=64M", tier = true },
  { name = "disk", store = disk },
})

local function read(path)
  local value, member = assert(chain:read(path))
  print(("%-13s from %s"):format(value, member))
end

assert(chain:write("greetings/en", "Hello, world")) -- on the disk: no tier is written
read "greetings/en" -- from there, and copied into memory
read "greetings/en" -- and from memory

assert(chain:write("greetings/en", "Good morning")) -- memory forgets what has changed
read "greetings/en"
read "greetings/en"

local _, message, code = chain:read("greetings/fr")
print(("%s: %s"):format(code, message))

-- Why? Each step of a call, and who decided what.
local steps = {}
assert(chain:read("greetings/en", { explain = steps }))
for _, step in ipairs(steps) do
  local who = step.policy and "policies/" .. step.policy .. ".lua" or step.store
  print(("  %s by %s: %s"):format(step.operation, who, step.detail or step.status))
end

for _, member in ipairs(chain:members()) do
  local counts = member.counts
  print(("%-6s asked %d times, found %d, filled %d"):format(member.name, counts.asked,
    counts.found, counts.promoted))
end
