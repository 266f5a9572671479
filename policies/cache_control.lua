--- May a result be looked up, may it be kept, and for how long is it good?
---
--- Three parties have a say: the node's operator, the result, and the request. Setting by
--- setting the first of them that speaks is heard: node, result, request. When nobody
--- speaks, nothing is looked up and nothing is kept, however long a result says that it
--- is good for.
---
--- The directives are those of RFC 9111 (HTTP caching, as a shared cache) and RFC 5861
--- (serving what is stale), and three more: `always`, `store` and `cache`. A cache that
--- cannot ask "has it changed?" computes afresh wherever those RFCs say to validate.
--- policies/README.md has the table.

-- What one party says of a setting, and by which directive; nothing if it does not speak
-- of it. Earlier lines count before later ones: `always` before what stands beside it,
-- `no-x` before `x`. They are written out: every decision about new facts comes by here.

local function says_of_lookup(said)
  if said.always then return true, "always" end
  if said["no-cache"] then return false, "no-cache" end
  if said.cache then return true, "cache" end
end

local function says_of_store(said)
  if said.always then return true, "always" end
  if said["no-store"] then return false, "no-store" end
  if said.store then return true, "store" end
end

--- A result may also be meant for its asker alone, and this cache is shared.
local function result_says_of_store(said)
  if said.always then return true, "always" end
  if said["no-store"] then return false, "no-store" end
  if said.private then return false, "private" end
  if said.store then return true, "store" end
end

-- Failures that are answers: computing again would fail again, and what was right once
-- would hide it. Any other failure is an outage.
local ANSWERS = {
  conflict = true, infinite_recursion = true, invalid_argument = true, invalid_path = true,
  is_group = true, link_loop = true, name_too_long = true, not_a_group = true,
  not_found = true, unauthorized = true, unsupported = true,
}

local math_type = math.type

local LONGEST = 2 ^ 31 | 0 -- seconds: what is more than this is this (RFC 9111, 1.2.2)
local SILENT = {} -- what a party says that is not there; only read

--- The reasons for explanations, by directive, made beforehand.
local function reasons_of(party)
  local reasons = {}
  for _, directive in ipairs { "always", "cache", "no-cache", "no-store", "private", "store" } do
    reasons[directive] = party .. " says " .. directive
  end
  return reasons
end

local NODE, RESULT, REQUEST = reasons_of "node", reasons_of "result", reasons_of "request"

--- What the first party that speaks of looking up says, and why; nil if none does.
local function heard_of_lookup(node, result, request)
  local says, directive
  if node then
    says, directive = says_of_lookup(node)
    if directive then return says, NODE[directive] end
  end
  if result then
    says, directive = says_of_lookup(result)
    if directive then return says, RESULT[directive] end
  end
  if request then
    says, directive = says_of_lookup(request)
    if directive then return says, REQUEST[directive] end
  end
  return nil, "nobody asks for it"
end

--- ... of keeping.
local function heard_of_store(node, result, request)
  local says, directive
  if node then
    says, directive = says_of_store(node)
    if directive then return says, NODE[directive] end
  end
  if result then
    says, directive = result_says_of_store(result)
    if directive then return says, RESULT[directive] end
  end
  if request then
    says, directive = says_of_store(request)
    if directive then return says, REQUEST[directive] end
  end
  return nil, "nobody asks for it"
end

--- Seconds as ms; nil for anything that is no number of seconds.
local function span(argument)
  if not argument or math_type(argument) ~= "integer" or argument < 0 then return nil end
  return (argument < LONGEST and argument or LONGEST) * 1000
end

-- -- Looking up -----------------------------------------------------------------------

--- How stale an answer a party puts up with that says max-stale: ms, or true for any.
local function tolerance(argument)
  return argument == true or span(argument)
end

--- What the request takes without further questions, as to age; nil: whatever is fresh.
--- The node may say min-fresh and max-stale for everybody. Its max-age is no such wish:
--- it is how long results are good for.
---@param node? cairn.Directives
---@param request? cairn.Directives
local function accepted(node, request)
  local max_age, min_fresh, max_stale
  if node then
    min_fresh, max_stale = span(node["min-fresh"]), node["max-stale"]
    max_stale = max_stale and tolerance(max_stale)
  end
  if request then
    max_age = span(request["max-age"])
    min_fresh = min_fresh or span(request["min-fresh"])
    max_stale = max_stale or request["max-stale"] and tolerance(request["max-stale"])
  end
  if not (max_age or min_fresh or max_stale) then return nil end
  return { max_age = max_age, min_fresh = min_fresh, max_stale = max_stale or nil }
end

--- `lookup` is what the parties said; that `only_if_cached` cannot do without a look-up is
--- the engine's to know: it looks up when either is set.
---@param context cairn.CacheContext
---@return cairn.CacheDecision
local function at_lookup(context)
  -- Each is fetched once: this decides whenever nobody has asked the same before.
  local node, result, request = context.node, context.result, context.request
  local lookup, reason = heard_of_lookup(node, result, request)
  local only_if_cached = node and node["only-if-cached"] or result and result["only-if-cached"]
    or request and request["only-if-cached"]
  only_if_cached = only_if_cached ~= nil and only_if_cached ~= false
  local accept
  if lookup or only_if_cached then accept = accepted(node, request) end
  return { lookup = lookup or false, only_if_cached = only_if_cached, accept = accept,
    reason = reason }
end

-- -- Keeping ----------------------------------------------------------------------------

--- How long this party says that a result is good for; nil: it does not say. An age that
--- cannot be read is none (RFC 9111, 4.2.1).
local function lifetime(said)
  local argument = said["s-maxage"] or said["max-age"]
  return argument and (span(argument) or 0)
end

--- Whether this party forbids to serve a result once it is stale; nil: it does not say.
--- s-maxage does (RFC 9111, 5.2.2.10), unless the same party gives a window for it.
local function strictness(said)
  if said["must-revalidate"] or said["proxy-revalidate"] then return true end
  if said["stale-while-revalidate"] or said["stale-if-error"] then return false end
  if said["s-maxage"] then return true end
  return nil
end

--- All that this party says of a result that is kept, each nil if it does not say.
local function terms(said)
  local while_revalidate, if_error = said["stale-while-revalidate"], said["stale-if-error"]
  return lifetime(said), while_revalidate and span(while_revalidate),
    if_error and span(if_error), strictness(said)
end

--- A result says `no-cache` (for some of its fields or for all), and the node does not say
--- otherwise: it must be computed afresh for each who looks it up.
local function is_never_fresh(node, result, request)
  return result["no-cache"] and heard_of_lookup(node, result, request) == false
end

---@param context cairn.CacheContext
---@return cairn.CacheDecision
local function at_store(context)
  local node, result, request = context.node, context.result, context.request
  if context.hashpath == "ignore" then
    return { store = false, reason = "the node keeps no results" }
  end
  local store, reason = heard_of_store(node, result, request)
  if not store then return { store = false, reason = reason } end
  if result and is_never_fresh(node, result, request) then
    return { store = true, fresh_for = 0, must_revalidate = true, reason = reason }
  end

  local fresh_for, while_revalidate, if_error, strict
  if node then fresh_for, while_revalidate, if_error, strict = terms(node) end
  if result then
    local its_fresh_for, its_while_revalidate, its_if_error, its_strict = terms(result)
    fresh_for = fresh_for or its_fresh_for
    while_revalidate = while_revalidate or its_while_revalidate
    if_error = if_error or its_if_error
    if strict == nil then strict = its_strict end
  end
  return {
    store = true,
    fresh_for = fresh_for,
    while_revalidate = while_revalidate,
    if_error = if_error,
    must_revalidate = strict or false,
    reason = reason,
  }
end

-- -- What is stale ----------------------------------------------------------------------

local function refused(reason)
  return { serve = false, reason = reason }
end

--- nil: it never goes stale, or the window has no end. No window is none even for what went
--- stale this very moment.
local function is_within(stale_for, window)
  if stale_for == nil or window == nil then return true end
  return window > 0 and stale_for <= window
end

--- A request that says how old its answer may be has been listened to at the look-up: what
--- is left over is not for it.
---@param context cairn.CacheContext
---@return cairn.CacheDecision
local function at_stale(context)
  local kept = context.kept
  if kept.must_revalidate then return refused "it must not be served stale" end
  local lookup, reason = heard_of_lookup(context.node, context.result, context.request)
  if lookup == false then return refused(reason) end
  if accepted(context.node, context.request) then
    return refused "it is not as fresh as was asked for"
  end
  if is_within(kept.stale_for, kept.while_revalidate) then
    return { serve = true, revalidate = true, reason = "within while_revalidate" }
  end
  return refused "it is too stale"
end

--- How long after it went stale a result may stand in for a failure: as the node says now,
--- else as was kept with it, else as the request says.
local function error_window(context, kept)
  local node, request = context.node or SILENT, context.request or SILENT
  local said = span(node["stale-if-error"])
  if said or kept.if_error ~= 0 then return said or kept.if_error end
  return span(request["stale-if-error"]) or 0
end

--- "Regardless of other freshness information" (RFC 5861, 4): max-age, min-fresh and
--- max-stale of the request do not matter here.
---@param context cairn.CacheContext
---@return cairn.CacheDecision
local function at_error(context)
  local kept = context.kept
  if ANSWERS[context.failure] then return refused "the failure is an answer" end
  local lookup, reason = heard_of_lookup(context.node, context.result, context.request)
  if lookup == false then return refused(reason) end
  if kept.must_revalidate and kept.stale_for and kept.stale_for >= 0 then
    return refused "it must not be served stale"
  end
  if is_within(kept.stale_for, error_window(context, kept)) then
    return { serve = true, reason = "within if_error" }
  end
  return refused "it is too stale"
end

local MOMENTS = { lookup = at_lookup, store = at_store, stale = at_stale, error = at_error }

---@type cairn.PolicyModule
local cache_control = { question = "cache_control" }

---@param context cairn.CacheContext
---@return cairn.CacheDecision
function cache_control.decide(context)
  return MOMENTS[context.moment](context)
end

-- -- Examples ---------------------------------------------------------------------------

--- A kept result for the examples: good for a minute, then 30 s and an hour in which it may
--- be served stale, `late` ms after the minute.
local function kept(late, changes)
  local one = {
    age = 60000 + late, stale_for = late, while_revalidate = 30000, if_error = 3600000,
    must_revalidate = false, size = 100, cost = 5, priority = 0,
  }
  for name, value in pairs(changes or {}) do one[name] = value end
  return one
end

cache_control.examples = {
  { name = "nobody says anything: not looked up",
    context = { moment = "lookup" },
    decision = { lookup = false, only_if_cached = false } },
  { name = "nobody says anything: not kept, even if the result says how long it is good for",
    context = { moment = "store", result = { ["max-age"] = 60 } },
    decision = { store = false } },
  { name = "cache: looked up",
    context = { moment = "lookup", request = { cache = true } },
    decision = { lookup = true } },
  { name = "no-cache beats cache",
    context = { moment = "lookup", request = { cache = true, ["no-cache"] = true } },
    decision = { lookup = false } },
  { name = "always beats no-cache",
    context = { moment = "lookup", request = { always = true, ["no-cache"] = true } },
    decision = { lookup = true } },
  { name = "the node beats the request",
    context = { moment = "lookup", node = { ["no-cache"] = true }, request = { cache = true } },
    decision = { lookup = false } },
  { name = "only-if-cached leaves lookup as it is",
    context = { moment = "lookup", request = { ["only-if-cached"] = true } },
    decision = { lookup = false, only_if_cached = true } },
  { name = "only-if-cached counts from any party",
    context = { moment = "lookup", node = { ["only-if-cached"] = true },
      request = { cache = true } },
    decision = { lookup = true, only_if_cached = true } },
  { name = "only-if-cached, with an age",
    context = { moment = "lookup", request = { ["only-if-cached"] = true, ["max-age"] = 5 } },
    decision = { only_if_cached = true, accept = { max_age = 5000 } } },
  { name = "a request may want it young, and good for a while",
    context = { moment = "lookup",
      request = { cache = true, ["max-age"] = 60, ["min-fresh"] = 10 } },
    decision = { lookup = true, accept = { max_age = 60000, min_fresh = 10000 } } },
  { name = "a request may put up with what is stale",
    context = { moment = "lookup", request = { cache = true, ["max-stale"] = 30 } },
    decision = { accept = { max_stale = 30000 } } },
  { name = "... however stale",
    context = { moment = "lookup", request = { cache = true, ["max-stale"] = true } },
    decision = { accept = { max_stale = true } } },
  { name = "the node may put up with it for everybody",
    context = { moment = "lookup", node = { cache = true, ["max-stale"] = 5 },
      request = { ["max-stale"] = 30 } },
    decision = { accept = { max_stale = 5000 } } },

  { name = "store: kept, and it does not age",
    context = { moment = "store", request = { store = true } },
    decision = { store = true, must_revalidate = false } },
  { name = "no-store beats store",
    context = { moment = "store", result = { store = true, ["no-store"] = true } },
    decision = { store = false } },
  { name = "the result beats the request",
    context = { moment = "store", result = { store = true }, request = { ["no-store"] = true } },
    decision = { store = true } },
  { name = "a node that ignores hashpaths keeps nothing",
    context = { moment = "store", hashpath = "ignore", node = { always = true } },
    decision = { store = false } },
  { name = "private: this cache is shared",
    context = { moment = "store", result = { private = true }, request = { store = true } },
    decision = { store = false } },
  { name = "max-age: so long",
    context = { moment = "store", node = { store = true }, result = { ["max-age"] = 60 } },
    decision = { store = true, fresh_for = 60000, must_revalidate = false } },
  { name = "s-maxage beats max-age, and forbids to serve it stale",
    context = { moment = "store", node = { store = true },
      result = { ["max-age"] = 60, ["s-maxage"] = 10 } },
    decision = { fresh_for = 10000, must_revalidate = true } },
  { name = "the node's age beats the result's",
    context = { moment = "store", node = { store = true, ["max-age"] = 5 },
      result = { ["s-maxage"] = 60 } },
    decision = { fresh_for = 5000 } },
  { name = "an age that cannot be read is none",
    context = { moment = "store", result = { store = true, ["max-age"] = "soon" } },
    decision = { store = true, fresh_for = 0 } },
  { name = "an age beyond all bounds is 68 years",
    context = { moment = "store", result = { store = true, ["max-age"] = 99999999999 } },
    decision = { fresh_for = 2147483648000 } },
  { name = "windows in which it may be served stale",
    context = { moment = "store", result = { store = true, ["max-age"] = 60,
      ["stale-while-revalidate"] = 30, ["stale-if-error"] = 3600 } },
    decision = { while_revalidate = 30000, if_error = 3600000, must_revalidate = false } },
  { name = "the node's windows beat must-revalidate of the result",
    context = { moment = "store", node = { store = true, ["stale-if-error"] = 10 },
      result = { ["max-age"] = 60, ["must-revalidate"] = true } },
    decision = { if_error = 10000, must_revalidate = false } },
  { name = "must-revalidate: never stale",
    context = { moment = "store", result = { store = true, ["must-revalidate"] = true } },
    decision = { store = true, must_revalidate = true } },
  { name = "no-cache of a result: kept, and never fresh",
    context = { moment = "store",
      result = { store = true, ["no-cache"] = true, ["max-age"] = 60 } },
    decision = { store = true, fresh_for = 0, must_revalidate = true } },
  { name = "... unless the node looks up anyway",
    context = { moment = "store", node = { always = true },
      result = { ["no-cache"] = true, ["max-age"] = 60 } },
    decision = { store = true, fresh_for = 60000, must_revalidate = false } },

  { name = "stale, within the window: served, and computed behind it",
    context = { moment = "stale", kept = kept(30000) },
    decision = { serve = true, revalidate = true } },
  { name = "stale, past the window",
    context = { moment = "stale", kept = kept(30001) },
    decision = { serve = false } },
  { name = "stale, and must be computed afresh",
    context = { moment = "stale", kept = kept(1, { must_revalidate = true }) },
    decision = { serve = false } },
  { name = "stale, for a request that wants none of it",
    context = { moment = "stale", kept = kept(1), request = { ["no-cache"] = true } },
    decision = { serve = false } },
  { name = "stale, for a request that said how old it may be",
    context = { moment = "stale", kept = kept(1), request = { cache = true, ["max-age"] = 60 } },
    decision = { serve = false } },

  { name = "an outage: served within if_error, whatever age was asked for",
    context = { moment = "error", kept = kept(3600000), failure = "unavailable",
      request = { ["max-age"] = 0 } },
    decision = { serve = true } },
  { name = "an outage, too late",
    context = { moment = "error", kept = kept(3600001), failure = "timeout" },
    decision = { serve = false } },
  { name = "an outage, and it must be computed afresh",
    context = { moment = "error", kept = kept(1, { must_revalidate = true }), failure = "io" },
    decision = { serve = false } },
  { name = "an outage, and it is still fresh",
    context = { moment = "error", kept = kept(-1, { must_revalidate = true }), failure = "io" },
    decision = { serve = true } },
  { name = "an outage, for a request that wants nothing kept",
    context = { moment = "error", kept = kept(1), failure = "io",
      request = { ["no-cache"] = true } },
    decision = { serve = false } },
  { name = "an answer, if a bad one: not hidden behind an old result",
    context = { moment = "error", kept = kept(1), failure = "not_found" },
    decision = { serve = false } },
  { name = "if_error as the request says, where the result did not",
    context = { moment = "error", kept = kept(1, { if_error = 0 }), failure = "io",
      request = { ["stale-if-error"] = 1 } },
    decision = { serve = true } },
  { name = "if_error as the node says now",
    context = { moment = "error", kept = kept(2000), failure = "io",
      node = { ["stale-if-error"] = 1 } },
    decision = { serve = false } },
}

return cache_control
