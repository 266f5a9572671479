--- Starter, cache_control: what is kept must be worth its room.
---
--- Results are kept when somebody asks for it, as ever, but not if they are too large, or so
--- cheap to compute that looking them up gains nothing. What is kept gets a priority by how
--- dear it was, which eviction.lua obeys when the cache's `budget` is used up, and tags by
--- which it can be purged: those that the result names itself, and `large`.
---
--- Everything else (looking up, and results that nobody wants kept) is left to the shipped
--- cache_control.lua by having no opinion.
---
---     local policies = cairn.policies { use = { cache_control = "budget" } }
---     local cache = cairn.cache { budget = 1 << 30, policies = policies }
---     cache:purge { tag = "large" }

-- Edit these.
local MAX_BYTES = 16 * 1024 * 1024 -- larger answers are not kept
local LARGE_BYTES = 1024 * 1024 -- these are tagged
local MIN_COST = 2 -- ms, 1 or more; what was computed faster is not kept ...
local READ_BYTES_PER_MS = 64 * 1024 -- ... nor what came faster than it could be read
local TAGS_KEY = "cache-tags" -- where a result names its tags, with spaces or commas between
local TAGS_BYTES = 240 -- of all tags together: there is no room for more than 256

-- The priority of what took so many ms or more; the dearest first.
local PRIORITIES = { { 10000, 3 }, { 1000, 2 }, { 100, 1 } }

local LONGEST = 2 ^ 31 | 0 -- seconds (RFC 9111, 1.2.2)
local SILENT = {} -- what a party says that is not there; only read

-- -- Whether it is wanted ---------------------------------------------------------------

--- What one party says of keeping a result; nil: nothing. As in cache_control.lua.
local function opinion(said, is_result)
  if said.always then return true end
  if said["no-store"] or (is_result and said.private) then return false end
  if said.store then return true end
  return nil
end

local function is_wanted(context, node, result)
  if context.hashpath == "ignore" then return false end
  local wanted = opinion(node, false)
  if wanted == nil then wanted = opinion(result, true) end
  if wanted == nil then wanted = opinion(context.request or SILENT, false) end
  return wanted
end

-- -- Whether it is worth it -------------------------------------------------------------

--- Why a result is not kept; nil: it is.
local function objection(size, cost)
  if size > MAX_BYTES then return "too large" end
  if cost < MIN_COST then return "cheap to compute" end
  if size > cost * READ_BYTES_PER_MS then return "computed as fast as read" end
  return nil
end

local function priority(cost)
  for _, row in ipairs(PRIORITIES) do
    if cost >= row[1] then return row[2] end
  end
  return 0
end

--- As many tags as there is room for; each takes a byte more.
---@param context cairn.CacheContext
---@return string[]
local function tags(context)
  local list, room = {}, TAGS_BYTES
  if context.size >= LARGE_BYTES then list[1] = "large" end
  for tag in (context.answer[TAGS_KEY] or ""):gmatch("[^%s%c,]+") do
    room = room - #tag - 1
    if room < 0 then break end
    list[#list + 1] = tag
  end
  return list
end

-- -- How long it is good for ------------------------------------------------------------

--- Seconds as ms; nil for anything that is no number of seconds.
local function span(argument)
  if math.type(argument) ~= "integer" or argument < 0 then return nil end
  return math.min(argument, LONGEST) * 1000
end

--- nil: it does not age. As in cache_control.lua: the node before the result.
local function lifetime(node, result)
  local argument = node["s-maxage"] or node["max-age"] or result["s-maxage"] or result["max-age"]
  return argument and (span(argument) or 0)
end

local function window(node, result, directive)
  return span(node[directive]) or span(result[directive])
end

local function is_strict(said)
  if said["must-revalidate"] or said["proxy-revalidate"] then return true end
  if said["stale-while-revalidate"] or said["stale-if-error"] then return false end
  return said["s-maxage"] and true or nil
end

---@type cairn.PolicyModule
local budget = { question = "cache_control" }

---@param context cairn.CacheContext
---@return cairn.CacheDecision?
function budget.decide(context)
  if context.moment ~= "store" then return nil end
  local node, result = context.node or SILENT, context.result or SILENT
  if not is_wanted(context, node, result) then return nil end

  local cost = context.cost
  local why_not = objection(context.size, cost)
  if why_not then return { store = false, reason = why_not } end
  -- Kept, but never fresh, unless the node says otherwise: nothing to rank.
  if result["no-cache"] then return nil end

  local strict = is_strict(node)
  if strict == nil then strict = is_strict(result) end
  return {
    store = true,
    fresh_for = lifetime(node, result),
    while_revalidate = window(node, result, "stale-while-revalidate"),
    if_error = window(node, result, "stale-if-error"),
    must_revalidate = strict or false,
    priority = priority(cost),
    tags = tags(context),
  }
end

-- -- Examples ---------------------------------------------------------------------------

local COST = PRIORITIES[1][1] -- dear enough for what is small
local SMALL = 100

--- What somebody wants kept.
local function stored(size, cost, facts)
  local context = { moment = "store", size = size, cost = cost }
  for name, value in pairs(facts or { request = { store = true } }) do context[name] = value end
  return context
end

budget.examples = {
  { name = "worth it: kept", context = stored(SMALL, COST),
    decision = { store = true, tags = {}, must_revalidate = false } },
  { name = "less worth than the least of priorities",
    context = stored(SMALL, PRIORITIES[#PRIORITIES][1] - 1),
    decision = { priority = 0 } },
  { name = "a large one is tagged so", context = stored(LARGE_BYTES, COST),
    decision = { store = true, tags = { "large" } } },
  { name = "tagged as it says itself",
    context = stored(SMALL, COST, { answer = { [TAGS_KEY] = "news, sport" },
      request = { store = true } }),
    decision = { tags = { "news", "sport" } } },
  { name = "tags for which there is no room are left out",
    context = stored(SMALL, COST, {
      answer = { [TAGS_KEY] = "news " .. ("x"):rep(TAGS_BYTES) }, request = { store = true } }),
    decision = { tags = { "news" } } },
  { name = "too large", context = stored(MAX_BYTES + 1, COST),
    decision = { store = false, reason = "too large" } },
  { name = "too cheap", context = stored(SMALL, MIN_COST - 1),
    decision = { store = false, reason = "cheap to compute" } },
  { name = "computed as fast as a disk reads",
    context = stored(MIN_COST * READ_BYTES_PER_MS + 1, MIN_COST),
    decision = { store = false, reason = "computed as fast as read" } },

  { name = "nobody wants it kept: for the default", context = stored(SMALL, COST, {}),
    decision = false },
  { name = "somebody forbids it",
    context = stored(SMALL, COST, { request = { ["no-store"] = true } }),
    decision = false },
  { name = "it is for its asker alone",
    context = stored(SMALL, COST, { result = { private = true }, request = { store = true } }),
    decision = false },
  { name = "it must be computed afresh each time: for the default, if it is not too large",
    context = stored(SMALL, COST, { result = { store = true, ["no-cache"] = true } }),
    decision = false },
  { name = "it must be computed afresh each time, and is too large",
    context = stored(MAX_BYTES + 1, COST, { result = { store = true, ["no-cache"] = true } }),
    decision = { store = false } },
  { name = "the node keeps nothing",
    context = stored(SMALL, COST, { hashpath = "ignore", request = { store = true } }),
    decision = false },
  { name = "the node wants it whatever the others say",
    context = stored(SMALL, COST, { node = { always = true }, result = { ["no-store"] = true } }),
    decision = { store = true } },

  { name = "good for as long as it says",
    context = stored(SMALL, COST, { result = { store = true, ["max-age"] = 60,
      ["stale-while-revalidate"] = 5, ["stale-if-error"] = 10 } }),
    decision = { fresh_for = 60000, while_revalidate = 5000, if_error = 10000,
      must_revalidate = false } },
  { name = "... or as the node says",
    context = stored(SMALL, COST, { node = { store = true, ["s-maxage"] = 1 },
      result = { ["max-age"] = 60 } }),
    decision = { fresh_for = 1000, must_revalidate = true } },
  { name = "an age that cannot be read is none",
    context = stored(SMALL, COST, { result = { store = true, ["max-age"] = "soon" } }),
    decision = { fresh_for = 0 } },
  { name = "must-revalidate",
    context = stored(SMALL, COST, { result = { store = true, ["must-revalidate"] = true } }),
    decision = { must_revalidate = true } },
  { name = "looking up is for the default", context = { moment = "lookup" }, decision = false },
}

for _, row in ipairs(PRIORITIES) do
  table.insert(budget.examples, {
    name = ("%d ms of computing"):format(row[1]),
    context = stored(SMALL, row[1]),
    decision = { store = true, priority = row[2] },
  })
end

return budget
