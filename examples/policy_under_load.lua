-- A policy is edited while a cache answers as fast as it can. What happens to the calls?
--
--     scripts/run examples/policy_under_load.lua
--
-- The cache is in memory, its policies in ./policies-under-load, which is made. Each edit is
-- a file saved as an editor would save it: the engine sees that by itself, between two
-- calls. The calls go on all the while; what took over 2 ms of one, or failed, is counted.

local cairn = require "cairn"

local DIRECTORY = "policies-under-load"
local FILE = DIRECTORY .. "/cache_control.lua"
local PAGES = 100
local CALLS = 20000 -- of each chapter, once its edit has been noticed
local NOTICED_MS = 5000 -- the longest that is waited for it
local SLOW_MS = 2

-- -- The policy, and what is done to it -----------------------------------------------------

-- Pages are looked up, and kept for so many ms; something may stand in the way.
local POLICY = [[
local policy = { question = "cache_control" }

function policy.decide(context)
  %s
  if context.moment == "lookup" then return { lookup = true } end
  if context.moment == "store" then return { store = true, fresh_for = %d } end
  return nil
end

policy.examples = {
  { name = "pages are looked up", context = { moment = "lookup" }, decision = { lookup = true } },
  { name = "and kept", context = { moment = "store" }, decision = { store = true } },
}

return policy
]]

local function policy_with(obstacle, fresh_for)
  return POLICY:format(obstacle, fresh_for)
end

-- What no example shows: it happens to one page of a hundred.
local function on_page_7(statement)
  return ('if context.asked.path == "page 7" then %s end'):format(statement)
end

local GOOD = policy_with("", 60000)
local BROKEN = GOOD:gsub("return { store = true,", "return { store == true,")
local UNTRUE = GOOD:gsub("store = true, fresh_for", "store = false, fresh_for")
local ENDLESS = policy_with(on_page_7 "while true do end", 60000)
local BOMB = policy_with(on_page_7 'local s = "x" while true do s = s .. s end', 60000)
local FAILING = policy_with(on_page_7 "return context.nothing.at_all", 30000)

-- -- The calls ------------------------------------------------------------------------------

assert(os.execute("mkdir -p " .. DIRECTORY), "cannot make " .. DIRECTORY)
os.remove(FILE)

-- A decision may take 100,000 steps and 50 ms, as ever, but hold 128 KiB.
local policies <close> = assert(cairn.policies { directory = DIRECTORY, memory = 128 * 1024 })
local cache <close> = assert(cairn.cache { store = "memory:", policies = policies })
local site = assert(cache:write { name = "a site" })

local function render()
  return ("<p>"):rep(30)
end

local function call(counts)
  local page = { path = "page " .. math.random(PAGES) }
  local began = cairn.now()
  local answer, info = cache:resolve(site, page, render)
  local took = cairn.now() - began
  counts.calls = counts.calls + 1
  counts.slowest = math.max(counts.slowest, took)
  if took > SLOW_MS then counts.slow = counts.slow + 1 end
  if answer == render() then
    counts[info.cache] = (counts[info.cache] or 0) + 1
  else
    counts.failed = counts.failed + 1
  end
end

-- -- Chapters -------------------------------------------------------------------------------

local seen = #policies:events()

local function print_event(event, began)
  local message = event.message and "  " .. event.message:gsub("%S*/", "") or ""
  print(("    %4d ms  %-8s  %s%s"):format(math.max(0, event.time - began), event.event,
    event.version, message))
end

-- What was reported since the last time. Of failures that repeat themselves the engine
-- tells the first, the second, the fourth and so on; here it is the first and the last.
local function print_events(began)
  local events = policies:events()
  for i = seen + 1, #events do
    local event, following = events[i], events[i + 1]
    local repeated = event.message and event.message:find(" times)", 1, true)
    local goes_on = following and following.event == event.event
    if not (repeated and goes_on) then print_event(event, began) end
  end
  seen = #events
end

local function chapter(title, edit, is_noticed)
  local counts = { calls = 0, failed = 0, slow = 0, slowest = 0 }
  for _ = 1, CALLS // 4 do call(counts) end
  local began = cairn.now()
  edit()
  while is_noticed and not is_noticed() and cairn.now() - began < NOTICED_MS do
    for _ = 1, 20 do call(counts) end
  end
  for _ = 1, CALLS do call(counts) end
  print(("\n%s\n    %d calls, %d failed; %d took over %d ms, the longest %d ms"):format(title,
    counts.calls, counts.failed, counts.slow, SLOW_MS, counts.slowest))
  print(("    hits %d, misses %d, not looked up %d"):format(counts.hit or 0, counts.miss or 0,
    counts.bypass or 0))
  print_events(began)
end

local function save(source)
  return function()
    local file <close> = assert(io.open(FILE, "w"))
    assert(file:write(source))
  end
end

-- A function that says whether there was such an event since the last chapter.
local function has_event(name)
  return function()
    local events = policies:events()
    for i = seen + 1, #events do
      if events[i].event == name then return true end
    end
    return false
  end
end

local function edited(title, source, event)
  chapter(title, save(source), has_event(event))
end

chapter("the shipped policy: nobody asked for anything to be kept", function() end)
edited("a good edit: keep pages for a minute", GOOD, "loaded")
edited("a broken edit: a typing mistake", BROKEN, "refused")
edited("an untrue edit: not what its own examples say", UNTRUE, "refused")
edited("an endless loop, for one page of a hundred", ENDLESS, "loaded")
edited("a memory bomb, for one page of a hundred", BOMB, "loaded")

chapter("rolled back, twice", function()
  assert(policies:rollback("cache_control"))
  assert(policies:rollback("cache_control"))
end)

local candidate = DIRECTORY .. "/candidate.txt"
chapter("a candidate that fails for one page, on trial with half of the calls", function()
  local file <close> = assert(io.open(candidate, "w"))
  assert(file:write(FAILING))
  file:close()
  assert(policies:canary("cache_control", candidate, { share = 0.5, max_errors = 0.001 }))
end, has_event "returned")

os.remove(candidate)

-- -- What is left --------------------------------------------------------------------------

print "\nwho decides now"
for _, info in ipairs(policies:list()) do
  if info.name == "cache_control" then
    print(("    %s %s, from %s"):format(info.name, info.version, info.origin:match("[^/]*$")))
  end
end
print("    which is the good edit: " .. tostring(policies:show("cache_control") == GOOD))
