--- Starter, cache_control: everything is looked up and kept, for a while.
---
--- For results that do not say how long they are good for: they are fresh for a time, then
--- still served while they are computed afresh (stale-while-revalidate), then only if that
--- fails (stale-if-error). What nobody forbids is looked up and kept without being asked to.
---
--- Who does speak is heard as ever: `no-store`, `private`, `no-cache`, `always` and so on are
--- left to the shipped cache_control.lua (by having no opinion), and a result or a node that
--- gives an age is taken at its word.
---
--- A result with a status is kept by that: a "not found" for a short time (negative caching),
--- a server's failure never.
---
---     cairn.policies { use = { cache_control = "ttl" } }

-- ms; edit these.
local TTL = 5 * 60 * 1000
local WHILE_REVALIDATE = 60 * 1000
local IF_ERROR = 24 * 60 * 60 * 1000

-- What has one of these statuses; 0: not kept.
local TTL_BY_STATUS = {
  ["404"] = 30 * 1000, ["410"] = 60 * 60 * 1000,
  ["500"] = 0, ["502"] = 0, ["503"] = 0, ["504"] = 0,
}

local LONGEST = 2 ^ 31 | 0 -- seconds (RFC 9111, 1.2.2)
local SILENT = {} -- what a party says that is not there; only read

--- Whether any of the parties says one of these.
local function is_said(context, directives)
  for _, party in ipairs { "node", "result", "request" } do
    local said = context[party]
    for i = 1, said and #directives or 0 do
      if said[directives[i]] then return true end
    end
  end
  return false
end

--- Seconds as ms; nil for anything that is no number of seconds.
local function span(argument)
  if math.type(argument) ~= "integer" or argument < 0 then return nil end
  return math.min(argument, LONGEST) * 1000
end

-- -- Looking up -----------------------------------------------------------------------

local ABOUT_LOOKUP = { "always", "no-cache", "cache", "only-if-cached" }

---@param context cairn.CacheContext
---@return cairn.CacheDecision?
local function at_lookup(context)
  if is_said(context, ABOUT_LOOKUP) then return nil end
  local request = context.request or SILENT
  local max_stale = request["max-stale"]
  return {
    lookup = true,
    accept = {
      max_age = span(request["max-age"]),
      min_fresh = span(request["min-fresh"]),
      max_stale = max_stale == true or span(max_stale) or nil,
    },
  }
end

-- -- Keeping ----------------------------------------------------------------------------

local FORBIDS = { "no-store", "private", "no-cache" }
local STRICT = { "must-revalidate", "proxy-revalidate" }

--- What a party that gives an age says of a result.
local function as_said(said)
  local while_revalidate = span(said["stale-while-revalidate"])
  local if_error = span(said["stale-if-error"])
  return {
    store = true,
    fresh_for = span(said["s-maxage"] or said["max-age"]) or 0,
    while_revalidate = while_revalidate,
    if_error = if_error,
    -- s-maxage alone forbids to serve what is stale (RFC 9111, 5.2.2.10).
    must_revalidate = said["s-maxage"] ~= nil and not (while_revalidate or if_error),
  }
end

local function has_age(said)
  return said and (said["s-maxage"] or said["max-age"]) ~= nil
end

--- By the status that the result has, if it has one.
local function by_status(status)
  local negative = TTL_BY_STATUS[status]
  if negative == 0 then return { store = false, reason = "status " .. status } end
  if negative then return { store = true, fresh_for = negative, tags = { "negative" } } end
  return {
    store = true, fresh_for = TTL, while_revalidate = WHILE_REVALIDATE, if_error = IF_ERROR,
  }
end

---@param context cairn.CacheContext
---@return cairn.CacheDecision?
local function at_store(context)
  if context.hashpath == "ignore" or is_said(context, FORBIDS) then return nil end
  local decision
  if has_age(context.node) then
    decision = as_said(context.node)
  elseif has_age(context.result) then
    decision = as_said(context.result)
  elseif context.result and context.result.immutable then
    decision = { store = true, reason = "immutable" }
  else
    decision = by_status(context.answer.status)
  end
  if is_said(context, STRICT) then decision.must_revalidate = true end
  return decision
end

---@type cairn.PolicyModule
local ttl = { question = "cache_control" }

--- What is stale is served as was decided when it was kept: that is for the default.
---@param context cairn.CacheContext
---@return cairn.CacheDecision?
function ttl.decide(context)
  if context.moment == "lookup" then return at_lookup(context) end
  if context.moment == "store" then return at_store(context) end
  return nil
end

-- -- Examples ---------------------------------------------------------------------------

ttl.examples = {
  { name = "looked up though nobody asks",
    context = { moment = "lookup" },
    decision = { lookup = true } },
  { name = "a request's wishes count",
    context = { moment = "lookup",
      request = { ["max-age"] = 5, ["min-fresh"] = 1, ["max-stale"] = 60 } },
    decision = { lookup = true,
      accept = { max_age = 5000, min_fresh = 1000, max_stale = 60000 } } },
  { name = "... also for anything stale",
    context = { moment = "lookup", request = { ["max-stale"] = true } },
    decision = { accept = { max_stale = true } } },
  { name = "whoever speaks of it is heard by the default",
    context = { moment = "lookup", request = { ["no-cache"] = true } },
    decision = false },

  { name = "kept for a while, though nobody asks",
    context = { moment = "store" },
    decision = { store = true, fresh_for = TTL, while_revalidate = WHILE_REVALIDATE,
      if_error = IF_ERROR } },
  { name = "also if somebody asks",
    context = { moment = "store", request = { store = true } },
    decision = { store = true, fresh_for = TTL } },
  { name = "whoever forbids it is heard by the default",
    context = { moment = "store", result = { private = true } },
    decision = false },
  { name = "and so is a node that keeps nothing",
    context = { moment = "store", hashpath = "ignore" },
    decision = false },
  { name = "a result that gives an age",
    context = { moment = "store", result = { ["max-age"] = 60, ["stale-if-error"] = 10 } },
    decision = { store = true, fresh_for = 60000, if_error = 10000, must_revalidate = false } },
  { name = "... for shared caches",
    context = { moment = "store", result = { ["s-maxage"] = 60, ["max-age"] = 5 } },
    decision = { fresh_for = 60000, must_revalidate = true } },
  { name = "... that cannot be read",
    context = { moment = "store", result = { ["max-age"] = "soon" } },
    decision = { fresh_for = 0 } },
  { name = "the node's age beats it",
    context = { moment = "store", node = { ["max-age"] = 1 }, result = { ["max-age"] = 60 } },
    decision = { fresh_for = 1000 } },
  { name = "a result that never changes does not age",
    context = { moment = "store", result = { immutable = true } },
    decision = { store = true, reason = "immutable" } },
  { name = "must-revalidate",
    context = { moment = "store", result = { ["must-revalidate"] = true } },
    decision = { fresh_for = TTL, must_revalidate = true } },
  { name = "a status without a time of its own is like none",
    context = { moment = "store", answer = { status = "299" } },
    decision = { store = true, fresh_for = TTL } },
  { name = "what is stale is for the default",
    context = { moment = "stale" },
    decision = false },
}

for status, ms in pairs(TTL_BY_STATUS) do
  table.insert(ttl.examples, {
    name = "a result with status " .. status,
    context = { moment = "store", answer = { status = status } },
    decision = ms == 0 and { store = false }
      or { store = true, fresh_for = ms, tags = { "negative" } },
  })
end

return ttl
