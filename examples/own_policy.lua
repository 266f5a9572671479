-- A policy of one's own, changed while the program runs.
--
--     scripts/run examples/own_policy.lua [directory]
--
-- The directory (default: ./own-policies) gets a file `cache_control.lua`, which goes before the
-- shipped one. policies/README.md is the guide.

local cairn = require "cairn"

local directory = arg[1] or "own-policies"
assert(os.execute("mkdir -p '" .. directory:gsub("'", "'\\''") .. "'"))

local function save(source)
  local file <close> = assert(io.open(directory .. "/cache_control.lua", "w"))
  assert(file:write(source))
end

-- Searches are kept for so many seconds; on everything else it has no opinion.
local SEARCHES = [[
local SECONDS = %d

local policy = { question = "cache_control" }

function policy.decide(context)
  if context.asked.path ~= "search" then return nil end
  if context.moment == "lookup" then return { lookup = true } end
  if context.moment ~= "store" then return nil end
  return { store = true, fresh_for = SECONDS * 1000, reason = "a search" }
end

policy.examples = {
  { name = "a search is looked up",
    context = { moment = "lookup", asked = { path = "search" } }, decision = { lookup = true } },
  { name = "and kept",
    context = { moment = "store", asked = { path = "search" } }, decision = { store = true } },
  { name = "anything else is not", context = { moment = "store" }, decision = false },
}

return policy
]]

local clock = cairn.clock() -- stands still until it is moved
save(SEARCHES:format(10))
local policies <close> = assert(cairn.policies { directory = directory, clock = clock })
local cache <close> = assert(cairn.cache { store = "memory:", policies = policies, clock = clock })

local function search(words)
  local request = { path = "search", words = words }
  local _, info = assert(cache:resolve({ name = "library" }, request, function()
    return "found: " .. words
  end))
  return info.cache
end

local _, first = assert(policies:show("cache_control")) -- the source, and its version

-- What it would decide, and who.
local decision, by = policies:decide("cache_control",
  { moment = "store", asked = { path = "search" } })
print(("fresh for %d ms, says line %d of %s"):format(decision.fresh_for, by.line, by.policy))

print("10 s:   " .. search "stones" .. ", " .. search "stones")
clock:advance(11 * 1000)
print("later:  " .. search "stones" .. ", " .. search "stones")

-- A changed file is seen by itself, a moment after it was saved; reload does not wait.
save(SEARCHES:format(3600))
assert(policies:reload("cache_control"))
print("1 hour: " .. search "cairns" .. ", " .. search "cairns")
clock:advance(11 * 1000)
print("later:  " .. search "cairns")

-- A broken one is refused, and the last good one goes on.
save(SEARCHES:format(3600):gsub("return policy", "retrun policy"))
local _, problem = policies:reload("cache_control")
print("refused: " .. problem)
print("still:  " .. search "cairns")

-- Back to the first version: it is written over the file.
assert(policies:rollback("cache_control", first))
print("rolled back: " .. policies:show("cache_control"):match("[^\n]+"))
