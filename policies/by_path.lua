--- Starter, cache_control: rules by what is asked for.
---
--- The first rule whose prefix the request's path begins with decides. It is the node's word:
--- what requests and results say of ages does not count against it. Three things do: a result
--- with `no-store` or `private` is not kept, and a request with `no-cache` or `no-store` gets
--- what the shipped cache_control.lua makes of that. So does every path without a rule.
---
--- Looking at the path makes each decision a new one: some microseconds a call.
---
---     cairn.policies { use = { cache_control = "by_path" } }

local SECOND, MINUTE, HOUR = 1000, 60 * 1000, 60 * 60 * 1000 -- in ms

-- Edit these; longer prefixes before shorter ones. `keep = false`: neither looked up nor kept;
-- no `fresh_for`: does not age.
local RULES = {
  { prefix = "live/", keep = false },
  { prefix = "search", fresh_for = 10 * SECOND, while_revalidate = 30 * SECOND },
  { prefix = "reports/", fresh_for = 10 * MINUTE, while_revalidate = HOUR, if_error = 24 * HOUR,
    tags = { "reports" }, priority = 1 },
  { prefix = "assets/", tags = { "assets" } },
}

--- The path that a request names: its key `path`, or the request itself where it is just that.
local function path_of(context)
  local path = context.asked.path or context.path
  return path:sub(1, 1) == "/" and path:sub(2) or path
end

local function rule_for(path)
  for i = 1, #RULES do
    local prefix = RULES[i].prefix
    if path:sub(1, #prefix) == prefix then return RULES[i] end
  end
  return nil
end

local function says(said, first, second)
  return said and (said[first] or said[second]) ~= nil
end

---@type cairn.PolicyModule
local by_path = { question = "cache_control" }

--- What is stale is served as its rule said when it was kept: that is for the default.
---@param context cairn.CacheContext
---@return cairn.CacheDecision?
function by_path.decide(context)
  local moment = context.moment
  if moment ~= "lookup" and moment ~= "store" then return nil end
  if says(context.request, "no-cache", "no-store") then return nil end
  local rule = rule_for(path_of(context))
  if not rule then return nil end
  if rule.keep == false then return { lookup = false, store = false, reason = rule.prefix } end
  if moment == "lookup" then return { lookup = true, reason = rule.prefix } end

  if context.hashpath == "ignore" or says(context.result, "no-store", "private") then return nil end
  return {
    store = true,
    fresh_for = rule.fresh_for,
    while_revalidate = rule.while_revalidate,
    if_error = rule.if_error,
    tags = rule.tags,
    priority = rule.priority,
    reason = rule.prefix,
  }
end

-- -- Examples ---------------------------------------------------------------------------

local function asks(moment, path, facts)
  local context = { moment = moment, asked = { path = path } }
  for name, value in pairs(facts or {}) do context[name] = value end
  return context
end

by_path.examples = {}

local function example(name, context, decision)
  table.insert(by_path.examples, { name = name, context = context, decision = decision })
end

local NOWHERE = "~no/rule"
example("what is stale: for the default", asks("stale", NOWHERE), false)
if not rule_for(NOWHERE) then
  example("no rule: for the default", asks("lookup", NOWHERE), false)
end

-- That each rule is reached: no rule above it has a prefix that is the beginning of its own.
for _, rule in ipairs(RULES) do
  local prefix, keep = rule.prefix, rule.keep ~= false
  local path = prefix .. "x"
  example(prefix .. ": looked up or not", asks("lookup", path),
    { lookup = keep, reason = prefix })
  example(prefix .. ": with a slash before it", asks("lookup", "/" .. path), { lookup = keep })
  example(prefix .. ": a request that is a path", { moment = "lookup", path = path },
    { lookup = keep })
  example(prefix .. ": kept or not, whatever age the result gives",
    asks("store", path, { result = { ["max-age"] = 5 } }),
    keep and { store = true, fresh_for = rule.fresh_for, tags = rule.tags } or { store = false })
  example(prefix .. ": for a request that wants it fresh, for the default",
    asks("lookup", path, { request = { ["no-cache"] = true } }), false)
  if keep then
    example(prefix .. ": for its asker alone, for the default",
      asks("store", path, { result = { private = true } }), false)
    example(prefix .. ": on a node that keeps nothing, for the default",
      asks("store", path, { hashpath = "ignore" }), false)
  end
end

return by_path
