-- A log that is asked by time. Names in a group are kept in byte order, so times written as
-- year-month-day come out in order, and a span of time is a range of names.
--
--     scripts/run examples/log.lua [store-url] [dpkg.log]
--
-- Reads the package manager's log; without one it makes up a week of entries.

local cairn = require "cairn"

local store <close> = assert(cairn.open(arg[1]))

--- "2026-11-20 23:09:01 install lua5.4:amd64 ..." -> time and text, line by line.
local function entries_of(file)
  return function()
    for line in file:lines() do
      local day, time, text = line:match("^(%d+-%d+-%d+) (%d+:%d+:%d+) (.+)$")
      if day then return day .. "T" .. time, text end
    end
  end
end

local function made_up()
  local hour = 0
  return function()
    hour = hour + 1
    if hour > 7 * 24 then return nil end
    local time = os.date("!%Y-%m-%dT%H:%M:%S", 1767225600 + hour * 3600)
    return time, (hour % 6 == 0 and "install" or "status") .. " package-" .. hour
  end
end

store:delete("log", { recursive = true })
local file = io.open(arg[2] or "/var/log/dpkg.log")
local count, days = 0, {}
local batch_of = {}

--- A number behind the time keeps entries of one second apart, and in order.
local function flush()
  assert(store:batch(function(batch)
    for _, entry in ipairs(batch_of) do
      batch:write(("log/%s.%06d"):format(entry.time, entry.number), entry.text)
    end
  end, { in_steps = true }))
  batch_of = {}
end

for time, text in file and entries_of(file) or made_up() do
  count = count + 1
  days[#days + 1] = time:sub(1, 10) ~= days[#days] and time:sub(1, 10) or nil
  batch_of[#batch_of + 1] = { time = time, number = count, text = text }
  if #batch_of == 1000 then flush() end
end
flush()
print(("%d entries of %s"):format(count, file and "the package manager's log" or "a made-up week"))

--- Entries from one time up to another, and how many of them are installs.
local function count_span(from, to)
  local all, installs = 0, 0
  for _, text in assert(store:range("log", from, to)) do
    all = all + 1
    if text:find("^install ") then installs = installs + 1 end
  end
  return all, installs
end

for _, day in ipairs(days) do
  -- "~" comes after every digit and letter: the end of that day.
  print(("%s  %6d entries, %5d installs"):format(day, count_span(day, day .. "~")))
end

local last_day = days[#days]
print("the last entries before noon of " .. last_day .. ", or the first of that day:")
local shown = {}
for name, text in assert(store:range("log", last_day, last_day .. "T12")) do
  shown[#shown + 1] = name:sub(12, 19) .. "  " .. text
end
if #shown == 0 then
  for name, text in assert(store:range("log", last_day)) do
    shown[#shown + 1] = name:sub(12, 19) .. "  " .. text
    if #shown == 3 then break end
  end
end
for i = math.max(1, #shown - 2), #shown do print("  " .. shown[i]) end
