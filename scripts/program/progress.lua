--- How far long work has come, on standard error, and only if that is a terminal.

local cairn = require "cairn"
local output = require "cairn.program.output"
local terminal = require "cairn.terminal"

local progress = {}

local FIRST_MS, EVERY_MS = 200, 100 -- short work shows nothing

---@class cairn.program.Progress
---@field update fun(self, done: integer, total?: integer, bytes?: integer) total 0 or
---  nil: not known; bytes: how much that was, where entries are counted
---@field finish fun(self)
local Progress = {}
Progress.__index = Progress

local UNITS = { "B", "KiB", "MiB", "GiB", "TiB" }

--- "3.4 MiB"
function progress.size(bytes)
  local unit = 1
  while bytes >= 1024 and unit < #UNITS do
    bytes, unit = bytes / 1024, unit + 1
  end
  return (unit == 1 and "%d %s" or "%.1f %s"):format(bytes, UNITS[unit])
end

local function amount(self, number)
  return self.unit == "bytes" and progress.size(number) or ("%d %s"):format(number, self.unit)
end

local function bar(self, done, total)
  local text = (" %3d%%  %s of %s"):format(done * 100 // total, amount(self, done),
    amount(self, total))
  local room = math.max(0, math.min(40, terminal.width() - #self.title - #text - 4))
  local filled = done * room // total
  return " [" .. ("#"):rep(filled) .. (" "):rep(room - filled) .. "]" .. text
end

function Progress:update(done, total, bytes)
  local now = cairn.now()
  if now < self.due then return end
  self.due = now + EVERY_MS
  self.drawn = true
  local known = total and total > 0
  local text = known and bar(self, math.min(done, total), total) or "  " .. amount(self, done)
  if bytes then text = text .. ", " .. progress.size(bytes) end
  io.stderr:write("\r", self.title, text, "\27[K")
end

function Progress:finish()
  if self.drawn then io.stderr:write("\r\27[K") end
  self.drawn = false
end

--- Whether anybody would see it.
function Progress:visible() -- luacheck: ignore self
  return true
end

Progress.__close = Progress.finish

local Silent = setmetatable({}, { __index = Progress })
Silent.__index = Silent
Silent.__close = Progress.finish
function Silent.update() end
function Silent.visible()
  return false
end

---@param title string
---@param unit string "bytes", "entries"
---@return cairn.program.Progress
function progress.start(title, unit)
  local shown = not output.quiet and terminal.is_terminal(2)
  local self = { title = title, unit = unit, due = cairn.now() + FIRST_MS }
  return setmetatable(self, shown and Progress or Silent)
end

return progress
