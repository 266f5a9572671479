--- `Policies:try`: what would have been different with another policy.
---
--- A trace holds the questions that were asked. Each is put to the candidate and to the
--- policies in use, and what they decide is compared. For cache control that is only half
--- the answer, since what is kept decides what is found later: so the calls are gone
--- through once more in two imagined caches, one for each, which keep what they are told
--- to and forget nothing. A call that found something when it was recorded did not
--- compute, so what its result would have been is taken from the last time it did.

local methods, core = ...

local SHOWN = 100 -- differences reported in full

-- -- One decision against another -----------------------------------------------------------

-- What a decision says beside what is to be done.
local REMARKS = { cacheable = true, reason = true }

-- Missing, false and an empty table say the same.
local function is_nothing(value)
  return not value or type(value) == "table" and next(value) == nil
end

local function same(a, b)
  if is_nothing(a) and is_nothing(b) then return true end
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in next, a do
    if not REMARKS[key] and not same(value, b[key]) then return false end
  end
  for key, value in next, b do
    if not REMARKS[key] and a[key] == nil and not is_nothing(value) then return false end
  end
  return true
end

-- -- An imagined cache ----------------------------------------------------------------------

---@class cairn.replay.World
---@field decide fun(question: string, facts: table): table
---@field kept table<string, cairn.replay.Kept> by hashpath
---@field counts table<string, integer>
local World = {}
World.__index = World

---@class cairn.replay.Kept times in ms since the epoch
---@field created integer
---@field until number fresh until then; math.huge: it does not age
---@field while_revalidate number
---@field if_error number
---@field must_revalidate boolean
---@field size integer
---@field cost integer
---@field priority number

local function new_world(decide)
  local counts = {
    hits = 0, stale = 0, misses = 0, bypasses = 0, stored = 0, stored_bytes = 0, hit_bytes = 0,
    stores_asked = 0,
  }
  return setmetatable({ decide = decide, kept = {}, counts = counts }, World)
end

function World:count(name, by)
  self.counts[name] = self.counts[name] + (by or 1)
end

local function with(facts, changes)
  local copy = {}
  for key, value in next, facts do copy[key] = value end
  for key, value in next, changes do copy[key] = value end
  return copy
end

-- In the form in which a policy is told of it.
local function kept_facts(kept, now)
  local stale_for = now - kept["until"]
  return {
    age = now - kept.created, stale_for = stale_for > -math.huge and stale_for or nil,
    while_revalidate = kept.while_revalidate < math.huge and kept.while_revalidate or nil,
    if_error = kept.if_error < math.huge and kept.if_error or nil,
    must_revalidate = kept.must_revalidate, size = kept.size, cost = kept.cost,
    priority = kept.priority,
  }
end

-- May it be served without asking again?
local function is_accepted(kept, accept, now)
  local fresh_for = kept["until"] - now
  if now - kept.created > (accept.max_age or math.huge) then return false end
  if fresh_for > 0 then return fresh_for >= (accept.min_fresh or 0) end
  local max_stale = accept.max_stale == true and math.huge or accept.max_stale
  return max_stale and not kept.must_revalidate and -fresh_for <= max_stale or false
end

-- A trace may say anything.
local function amount(value)
  return math.type(value) == "integer" and value >= 0 and value or 0
end

-- Computed: is it kept? `facts` are those of the last time that it was.
function World:keep(place, facts)
  local decision = self.decide("cache_control", facts)
  if not decision.store then return end
  self.kept[place] = {
    created = facts.now, ["until"] = facts.now + (decision.fresh_for or math.huge),
    while_revalidate = decision.while_revalidate or 0, if_error = decision.if_error or 0,
    must_revalidate = decision.must_revalidate or false, size = amount(facts.size),
    cost = amount(facts.cost), priority = decision.priority or 0,
  }
  self:count("stored")
  self:count("stored_bytes", amount(facts.size))
end

-- "stale" if computing failed and what is there was served instead; otherwise nil.
function World:compute(call)
  local facts, kept = call.lookup, self.kept[call.place]
  if call.failed then
    if not kept then return nil end
    local decision = self.decide("cache_control",
      with(call.failed, { now = facts.now, kept = kept_facts(kept, facts.now) }))
    return decision.serve and "stale" or nil
  end
  if call.store then
    self:keep(call.place, with(call.store, { now = facts.now, request = facts.request }))
  end
end

-- How a call would have been answered: "hit", "stale", "miss" or "bypass".
function World:outcome_of(call)
  local facts = call.lookup
  local decision = self.decide("cache_control", facts)
  if not (decision.lookup or decision.only_if_cached) then
    return self:compute(call) or "bypass"
  end
  local kept = self.kept[call.place]
  if kept and is_accepted(kept, decision.accept or {}, facts.now) then return "hit" end
  if kept then
    local stale = self.decide("cache_control",
      with(facts, { moment = "stale", kept = kept_facts(kept, facts.now) }))
    if stale.serve and stale.revalidate then self:compute(call) end
    if stale.serve then return "stale" end
  end
  if decision.only_if_cached then return "miss" end
  return self:compute(call) or "miss"
end

local COUNTED = { hit = "hits", stale = "stale", miss = "misses", bypass = "bypasses" }

function World:answer(call)
  local kept = self.kept[call.place] -- before it is computed afresh
  local outcome = self:outcome_of(call)
  self:count(COUNTED[outcome])
  if outcome == "stale" then self:count("hits") end
  if outcome == "hit" or outcome == "stale" then self:count("hit_bytes", kept.size) end
end

-- Reads end at the store that answered, where the trace tells; writes that several must
-- accept go to all.
function World:ask_stores(facts, answered)
  local decision = self.decide("chain", facts)
  local order = decision.order or {}
  local asked = #order
  if facts.action == "write" then
    asked = (decision.need or 0) > 0 and #order or math.min(#order, 1)
  elseif type(answered) == "string" then
    for i, name in ipairs(order) do
      if name == answered then asked = math.max(i, decision.race or 0) break end
    end
  end
  self:count("stores_asked", math.min(asked, #order))
end

-- -- The calls of a trace ------------------------------------------------------------------

---@class cairn.replay.Call
---@field place string hashpath
---@field lookup table facts when it was looked up
---@field store? table facts when its result was to be kept
---@field failed? table facts when computing it had failed

---@class cairn.replay.Calls gathers the lines of one call; those of another hashpath may
---  lie between them
---@field worlds cairn.replay.World[]
---@field open table<string, cairn.replay.Call>
---@field results table<string, table> facts of what was computed last, by hashpath
local Calls = {}
Calls.__index = Calls

function Calls:finish(place)
  local call = self.open[place]
  if not call then return end
  self.open[place] = nil
  call.store = call.store or self.results[place]
  for _, world in ipairs(self.worlds) do world:answer(call) end
end

local add = {}

function add.lookup(self, place, facts)
  self:finish(place)
  self.open[place] = { place = place, lookup = facts }
end

function add.error(self, place, facts)
  if self.open[place] then self.open[place].failed = facts end
end

function add.store(self, place, facts)
  self.results[place] = facts
  if self.open[place] then return self:finish(place) end
  for _, world in ipairs(self.worlds) do world:keep(place, facts) end
end

function Calls:add(facts)
  local told = type(facts.base) == "string" and type(facts.path) == "string"
    and math.type(facts.now) == "integer"
  if told and add[facts.moment] then
    add[facts.moment](self, facts.base .. "/" .. facts.path, facts)
  end
end

function Calls:finish_all()
  local places = {}
  for place in next, self.open do places[#places + 1] = place end
  for _, place in ipairs(places) do self:finish(place) end
end

-- -- A trace --------------------------------------------------------------------------------

local function refuse_line(name, number, reason)
  return nil, ("%s:%d: %s"):format(name, number, reason), "corrupt"
end

-- A line as a table; what it lacks is told.
local function parse(from_json, name, number, text)
  local line, reason = from_json(text)
  if line == nil then return refuse_line(name, number, "no JSON: " .. reason) end
  if type(line) ~= "table" then return refuse_line(name, number, "not an object") end
  if line.dropped then return line end
  if type(line.question) ~= "string" then
    return refuse_line(name, number, "it has no question")
  end
  if type(line.facts) ~= "table" then return refuse_line(name, number, "it has no facts") end
  return line
end

---@class cairn.replay.Try
---@field question string
---@field report cairn.TryReport
---@field candidate cairn.replay.World
---@field live cairn.replay.World
---@field policies table the candidate and the policies in use, as core gives them
---@field calls cairn.replay.Calls
local Try = {}
Try.__index = Try

local function new_try(candidate, live)
  local self = setmetatable({ question = candidate:question() }, Try)
  self.policies = { candidate = candidate, live = live }
  self.report = {
    question = self.question, decisions = 0, different = 0, dropped = 0, errors = 0,
    differences = {},
  }
  local function decider(policies)
    return function(question, facts)
      return (policies:decide(question, facts)) or {}
    end
  end
  self.candidate, self.live = new_world(decider(candidate)), new_world(decider(live))
  local worlds = { self.candidate, self.live }
  self.calls = setmetatable({ worlds = worlds, open = {}, results = {} }, Calls)
  return self
end

function Try:compare(number, facts)
  local report = self.report
  report.decisions = report.decisions + 1
  local was = self.policies.live:decide(self.question, facts) or {}
  local would_be, refused, failed = self.policies.candidate:decide(self.question, facts)
  if not would_be then failed = refused end
  if failed then report.errors = report.errors + 1 end
  if not failed and same(was, would_be) then return end
  report.different = report.different + 1
  if #report.differences == SHOWN then return end
  report.differences[#report.differences + 1] = {
    line = number, facts = facts, was = was, would_be = failed or would_be,
  }
end

function Try:add(number, line)
  if line.dropped then
    self.report.dropped = self.report.dropped + (amount(line.dropped))
    return
  end
  if line.question ~= self.question then return end
  self:compare(number, line.facts)
  if self.question == "cache_control" then
    self.calls:add(line.facts)
  elseif self.question == "chain" then
    for _, world in ipairs(self.calls.worlds) do world:ask_stores(line.facts, line.answered) end
  end
end

function Try:finish()
  self.calls:finish_all()
  self.report.live, self.report.candidate = self.live.counts, self.candidate.counts
  return self.report
end

local function replay(file, name, try)
  local from_json = require("cairn").from_json
  local number = 0
  for text in file:lines() do
    number = number + 1
    local line, message, code = parse(from_json, name, number, text)
    if not line then return nil, message, code end
    try:add(number, line)
  end
  return try:finish()
end

function methods.try(self, candidate_file, trace)
  if type(candidate_file) ~= "string" or type(trace) ~= "string" then
    error("bad argument: file and trace: strings expected", 2)
  end
  local file, reason = io.open(trace, "rb")
  if not file then return nil, reason, "io" end
  local candidate, message, code = core.load_candidate(self, candidate_file)
  if not candidate then
    file:close()
    return nil, message, code
  end
  local live = core.live(self)
  local report
  report, message, code = replay(file, trace, new_try(candidate, live))
  file:close()
  candidate:close()
  live:close()
  return report, message, code
end
