--- The log of a directory of policies: what its engines wrote there.

local cairn = require "cairn"
local failure = require "cairn.program.failure"
local json = require "cairn.program.json"
local process = require "cairn.process"

local policy_log = {}

local PLACE, OLDER = "/.versions/log.jsonl", "/.versions/log.1.jsonl"

---@class cairn.program.PolicyEvent
---@field time integer ms
---@field policy? string
---@field version? string
---@field event string
---@field message? string
---@field text string the line itself

--- The directory in use, as cairn.policies() finds it.
---@return string?
function policy_log.directory()
  return failure.check(cairn.default_policies()).directory
end

local function open(place)
  local directory = policy_log.directory()
  return directory and io.open(directory .. place, "rb")
end

---@return file*? file nil: there is no log yet
function policy_log.open()
  return open(PLACE)
end

--- Whether a log that is being read was put aside, and another begun.
---@param file file*
function policy_log.is_over(file)
  local _, size = process.kind(policy_log.directory() .. PLACE)
  return math.type(size) == "integer" and size < file:seek()
end

-- A line that is no event was cut off when its engine ended.
local function to_event(text)
  local event = json.decode(text)
  local whole = type(event) == "table" and type(event.event) == "string"
    and type(event.time) == "number"
  if not whole then return nil end
  for _, name in ipairs { "policy", "version", "message" } do
    if type(event[name]) ~= "string" then event[name] = nil end
  end
  event.time, event.text = math.floor(event.time), text
  return event
end

--- The events from where the file stands; a line that is still being written is left for
--- the next time.
---@param file file*
---@return fun(): cairn.program.PolicyEvent?
function policy_log.events(file)
  return function()
    while true do
      local place = file:seek()
      local line = file:read("L")
      if not line then return nil end
      if line:sub(-1) ~= "\n" then
        file:seek("set", place)
        return nil
      end
      local event = to_event(line:sub(1, -2))
      if event then return event end
    end
  end
end

--- All events, the oldest first. Returns the log that is written at present, where the last
--- of them ended.
---@param visit fun(event: cairn.program.PolicyEvent)
---@return file*?
function policy_log.visit(visit)
  local older <close> = open(OLDER)
  if older then
    for event in policy_log.events(older) do visit(event) end
  end
  local file = policy_log.open()
  if file then
    for event in policy_log.events(file) do visit(event) end
  end
  return file
end

-- An engine writes a version's first failure, the second, the fourth and so on, with how
-- many it were by then: how many that is more than the time before.
local function failures_in(event)
  if event.event ~= "breach" and event.event ~= "error" then return nil end
  local times = math.tointeger(event.message and event.message:match("%((%d+) times%)$"))
  return times and times - times // 2 or 1
end

--- How often each policy failed, at least, since the version that decides was loaded.
---@return table<string, integer> failures by name
function policy_log.failures()
  local counts, loaded = {}, {}
  local file = policy_log.visit(function(event)
    local name = event.policy
    if name and event.event == "loaded" and event.version ~= loaded[name] then
      loaded[name], counts[name] = event.version, 0
    elseif name then
      local failed = event.version == loaded[name] and failures_in(event) or 0
      counts[name] = (counts[name] or 0) + failed
    end
  end)
  if file then file:close() end
  return counts
end

return policy_log
