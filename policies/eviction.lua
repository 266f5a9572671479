--- When results take more room than they may: which go first?
---
--- The one with the lowest score. A score is the result's priority, and beneath that a
--- number from 0 to 1 that grows with its value:
---
---     value = (cost + 1) * (hits + 1) / ((size + OVERHEAD) * (idle + 1))
---     score = priority + value / (value + 1)
---
--- with cost in ms, size in bytes, idle in seconds. In words: what it would cost to compute
--- it again, times how often it is wanted, for each byte that evicting it would free, less
--- the longer nobody has asked for it. So among equals the one goes that has been idle for
--- longest (LRU); a large result must be worth its room; a whole step of priority counts for
--- more than all of that.
---
--- Before all others goes what nobody can be answered with any more: results past their
--- age and past the windows in which they may be served stale. What is tagged `keep` stays.

local OVERHEAD = 256 -- bytes that a result takes besides its answer, about
local DEAD = -1e15 -- the score of what is of no use
local KEEP = "keep" -- the tag of what is never evicted

--- nil: without end.
---@param kept cairn.Kept
local function is_dead(kept)
  local late = kept.stale_for
  if late == nil or late < 0 then return false end
  if kept.must_revalidate then return true end
  local revalidate, on_error = kept.while_revalidate, kept.if_error
  return revalidate ~= nil and on_error ~= nil and late > math.max(revalidate, on_error)
end

local function has_tag(tags, wanted)
  for i = 1, #tags do
    if tags[i] == wanted then return true end
  end
  return false
end

---@type cairn.PolicyModule
local eviction = { question = "eviction" }

---@param context cairn.EvictionContext
---@return cairn.EvictionDecision
function eviction.decide(context)
  local kept = context.kept
  if has_tag(context.tags, KEEP) then return { keep = true, reason = "tagged keep" } end
  if is_dead(kept) then return { score = DEAD, reason = "of no use any more" } end

  -- Before this process first answered with it, all that is known is its age, which is
  -- negative where a clock was set back.
  local idle_s = math.max(context.idle or kept.age, 0) / 1000
  local value = (kept.cost + 1.0) * (context.hits + 1.0)
    / ((kept.size + OVERHEAD) * (idle_s + 1))
  return { score = kept.priority + value / (value + 1) }
end

-- -- Examples ---------------------------------------------------------------------------

--- The facts of a result: 1,024 bytes with the overhead, an hour old, used a minute ago.
local function facts(changes, kept_changes)
  local kept = {
    age = 3600000, stale_for = -1, while_revalidate = 0, if_error = 0,
    must_revalidate = false, size = 1024 - OVERHEAD, cost = 1023, priority = 0,
  }
  for name, value in pairs(kept_changes or {}) do kept[name] = value end
  local context = {
    now = 1700000000000, used = 2000, budget = 1000, base = "base", path = "path",
    kept = kept, idle = 63000, hits = 0, tags = {},
  }
  for name, value in pairs(changes or {}) do context[name] = value end
  return context
end

local function never_used()
  local context = facts({}, { age = 127000 })
  context.idle = nil
  return context
end

eviction.examples = {
  { name = "a second of computing in a kilobyte, idle for a minute",
    context = facts(),
    decision = { score = 1 / 65 } },
  { name = "idle for longer: goes earlier",
    context = facts { idle = 127000 },
    decision = { score = 1 / 129 } },
  { name = "never used since the start: as idle as it is old",
    context = never_used(),
    decision = { score = 1 / 129 } },
  { name = "just used",
    context = facts { idle = 0 },
    decision = { score = 1 / 2 } },
  { name = "wanted more often: stays longer",
    context = facts { hits = 63 },
    decision = { score = 1 / 2 } },
  { name = "larger: goes earlier",
    context = facts({}, { size = 2 * 1024 - OVERHEAD }),
    decision = { score = 1 / 129 } },
  { name = "cheap to compute: goes earlier",
    context = facts({}, { cost = 511 }),
    decision = { score = 1 / 129 } },
  { name = "a step of priority counts for more than all of that",
    context = facts({ hits = 63 }, { priority = 2 }),
    decision = { score = 2.5 } },
  { name = "past all windows: goes first, whatever its priority",
    context = facts({}, { stale_for = 10, while_revalidate = 9, if_error = 5, priority = 2 }),
    decision = { score = DEAD } },
  { name = "stale, and must not be served so",
    context = facts({}, { stale_for = 10, if_error = 20, must_revalidate = true }),
    decision = { score = DEAD } },
  { name = "stale, but good enough for an outage",
    context = facts({}, { stale_for = 10, if_error = 20 }),
    decision = { score = 1 / 65 } },
  { name = "tagged keep",
    context = facts({ tags = { "report", KEEP } }, { stale_for = 10, must_revalidate = true }),
    decision = { keep = true } },
}

return eviction
