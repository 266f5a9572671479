--- Times as people write and read them; within, milliseconds since the Unix epoch.

local cairn = require "cairn"
local failure = require "cairn.program.failure"

local times = {}

---@param ms integer
---@return string e.g. 2030-01-31T12:00:00.000Z
function times.format(ms)
  local seconds = ms // 1000
  return os.date("!%Y-%m-%dT%H:%M:%S", seconds) .. (".%03dZ"):format(ms % 1000)
end

-- Days from 1970-01-01, proleptic Gregorian; years begin in March so that the leap day
-- is their last.
local function days_since_epoch(year, month, day)
  if month <= 2 then year = year - 1 end
  local in_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
  return 365 * year + year // 4 - year // 100 + year // 400 + in_year - 719468
end

local DATE = "^(%d%d%d%d)%-(%d%d)%-(%d%d)"
local CLOCK = "^[T ](%d%d):(%d%d)"

local function zone_seconds(zone)
  if zone == "Z" then return 0 end
  local sign, hours, minutes = zone:match("^([+-])(%d%d):?(%d%d)$")
  if not sign then return nil end
  local seconds = tonumber(hours) * 3600 + tonumber(minutes) * 60
  return sign == "+" and seconds or -seconds
end

local function is_date(year, month, day)
  if month < 1 or month > 12 or day < 1 then return false end
  local after = month == 12 and days_since_epoch(year + 1, 1, 1)
    or days_since_epoch(year, month + 1, 1)
  return days_since_epoch(year, month, day) < after
end

-- ISO 8601: a date, then perhaps a time of day, then perhaps a zone (none: UTC).
local function parse_iso(text)
  local year, month, day = text:match(DATE)
  if not year then return nil end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  local rest, seconds, ms = text:sub(11), 0, 0
  local hours, minutes = rest:match(CLOCK)
  if hours then
    rest = rest:sub(7)
    local second, fraction = rest:match("^:(%d%d)(%.?%d*)")
    if second then rest = rest:sub(4 + #fraction) end
    if second and fraction ~= "" then ms = math.floor(tonumber("0" .. fraction) * 1000) end
    local clock = { tonumber(hours), tonumber(minutes), tonumber(second or 0) }
    if clock[1] > 23 or clock[2] > 59 or clock[3] > 60 then return nil end
    seconds = clock[1] * 3600 + clock[2] * 60 + clock[3]
  end
  local zone = rest == "" and 0 or hours and zone_seconds(rest)
  if not zone or not is_date(year, month, day) then return nil end
  return (days_since_epoch(year, month, day) * 86400 + seconds - zone) * 1000 + ms
end

--- "+60" (seconds from now) or ISO 8601 (UTC unless it says otherwise).
---@param text string
---@return integer ms
function times.parse(text)
  local seconds = text:match("^%+(%d+)$")
  local whole = seconds and math.tointeger(tonumber(seconds))
  if whole and whole < 1 << 40 then return cairn.now() + whole * 1000 end
  return parse_iso(text)
    or failure.usage("'%s' is no time: +SECONDS or e.g. 2030-01-31T12:00:00Z", text)
end

return times
