--- A terminal with somebody in front of it: tmux is the terminal, the spec types and looks.

local place = require "spec.support.place"
local program = require "spec.support.program"

---@class spec.Screen
---@field socket string
local Screen = {}
Screen.__index = Screen

local screen = {}

local PATIENCE = 20 -- seconds; sanitizers are slow to start
local opened = 0

local function tmux(self, ...)
  return place.run { "/usr/bin/tmux", "-u", "-S", self.socket, "-f", "/dev/null", ... }
end

--- Opens a terminal of 100 columns in which a line of the shell runs; `cairn` is the
--- program. It stays until it is closed. With `first` it waits for that to appear.
---@param directory string
---@param line string
---@param options? { env: table<string, string>?, first: string? }
---@return spec.Screen
function screen.open(directory, line, options)
  options = options or {}
  opened = opened + 1
  local self = setmetatable({}, Screen)
  self.socket = ("%s/terminal-%d"):format(directory, opened)
  local words = { "env" }
  for name, value in pairs(program.environment(directory, options.env)) do
    words[#words + 1] = program.quote(name .. "=" .. value)
  end
  local define = "cairn() { " .. program.quote(program.path) .. ' "$@"; }\n'
  local script = define .. line .. '\necho "[exit $?]"\nsleep 600'
  words[#words + 1] = "bash -c " .. program.quote(script)
  local made = tmux(self, "new-session", "-d", "-x", "100", "-y", "50", "-c", directory,
    table.concat(words, " "))
  assert(made.code == 0, made.err)
  if options.first then
    local came, message = pcall(self.await, self, options.first)
    if not came then
      self:close()
      error(message, 2)
    end
  end
  return self
end

--- What is on the screen.
---@return string
function Screen:text()
  return (tmux(self, "capture-pane", "-p").out:gsub("%s+$", ""))
end

--- Waits until the screen shows a plain text; returns the whole screen.
---@param plain string
---@return string
function Screen:await(plain)
  local text
  local stop = os.time() + PATIENCE
  repeat
    text = self:text()
    if text:find(plain, 1, true) then return text end
    place.run { "/bin/sleep", "0.05" }
  until os.time() > stop
  error(("%q did not appear on:\n%s"):format(plain, text), 2)
end

--- Types text as it is.
---@param text string
function Screen:type(text)
  tmux(self, "send-keys", "-l", text)
  return self
end

--- Presses keys by tmux's names: "Enter", "Tab", "C-c", "Up".
---@param ... string
function Screen:press(...)
  tmux(self, "send-keys", ...)
  return self
end

--- A line and its end.
---@param text string
function Screen:enter(text)
  return self:type(text):press("Enter")
end

function Screen:close()
  tmux(self, "kill-server")
end

Screen.__close = Screen.close

return screen
