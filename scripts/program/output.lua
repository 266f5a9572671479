--- What the program says, and to whom.
---
--- To a terminal nothing is written that could command it: a name may hold any bytes,
--- and an escape sequence in it is somebody else's. To a pipe names go as they are.

local failure = require "cairn.program.failure"
local json = require "cairn.program.json"
local process = require "cairn.process"
local terminal = require "cairn.terminal"

local output = {}

local BROKEN_PIPE = 32 -- EPIPE

--- Set from the command line.
output.as_json = false
output.quiet = false

-- -- Names -------------------------------------------------------------------------

-- Directional marks make a terminal show one name and mean another (UTR 36).
local function is_invisible(code)
  return code < 0x20 or code >= 0x7f and code <= 0x9f or code == 0x2028 or code == 0x2029
    or code >= 0x202a and code <= 0x202e or code >= 0x2066 and code <= 0x2069
end

local function escape_bytes(bytes)
  return (bytes:gsub(".", function(byte)
    return ("\\x%02X"):format(byte:byte())
  end))
end

-- Everything that is not plainly visible goes through `escape`.
local function escape_invisible(text, escape)
  if not text:find("[^ -~]") then return text end
  local parts, i = {}, 1
  while i <= #text do
    local length = utf8.len(text, i, i) and utf8.offset(text, 2, i) - i
    local piece = text:sub(i, i + (length or 1) - 1)
    local shown = length and not is_invisible(utf8.codepoint(piece))
    parts[#parts + 1] = shown and piece or escape(piece)
    i = i + (length or 1)
  end
  return table.concat(parts)
end

--- The name with everything that is not plainly visible as \xNN, and a backslash
--- doubled, so that no two names look alike.
---@param name string bytes
---@return string
function output.visible(name)
  return escape_invisible(name:gsub("\\", "\\\\"), escape_bytes)
end

local on_terminal = {}

local function is_terminal(number)
  if on_terminal[number] == nil then on_terminal[number] = terminal.is_terminal(number) end
  return on_terminal[number]
end

--- As it may be shown on standard output.
function output.name(name)
  return is_terminal(1) and output.visible(name) or name
end

local function escape_but_tabs(bytes)
  return bytes == "\t" and bytes or escape_bytes(bytes)
end

local function escape_for_json(bytes)
  local code = utf8.len(bytes) and utf8.codepoint(bytes)
  return code and ("\\u%04x"):format(code) or escape_bytes(bytes)
end

local function escape_lines(text, escape)
  if not is_terminal(1) then return text end
  return (text:gsub("[^\n]+", function(line)
    return escape_invisible(line, escape)
  end))
end

--- Lines of text, as they may be shown on standard output: a backslash is one.
function output.text(text)
  return escape_lines(text, escape_but_tabs)
end

--- JSON, as it may be shown on standard output; means the same.
function output.json_text(text)
  return escape_lines(text, escape_for_json)
end

-- -- Writing -----------------------------------------------------------------------

local function check_written(ok, message, number)
  if ok then return end
  if number == BROKEN_PIPE then failure.raise("closed_pipe", "nobody reads any more") end
  failure.raise("io", "standard output: %s", message)
end

--- To standard output, raising what goes wrong.
function output.write(...)
  check_written(io.stdout:write(...))
end

-- Whether a file can be put in the place of what is there: in /dev and /proc names stand
-- for other things, whatever they look like.
local function is_replaceable(name)
  local kind = process.kind(name)
  return (kind == nil or kind == "file") and not name:find("^/+dev/") and not name:find("^/+proc/")
end

---@class cairn.program.Target where `--output` says
---@field write fun(bytes: string)
---@field finish fun() to be called at the end: then it is there, and whole
local Target = {}
Target.__index = Target

-- Not finished: what is in the way of a file stays as it was.
function Target:__close()
  if not self.file then return end
  self.file:close()
  if self.temporary then os.remove(self.temporary) end
end

--- A file is written beside its place and takes it when it is whole.
---@param name string? nil or "-": standard output
---@return cairn.program.Target
function output.open(name)
  if not name or name == "-" then
    return setmetatable({ write = output.write, finish = function() end }, Target)
  end
  local self = setmetatable({}, Target)
  local place = name
  if is_replaceable(name) then
    -- Behind a link it is the file that is replaced, not the link.
    place = process.real_path(name) or name
    self.temporary = ("%s.%08x.tmp"):format(place, math.random(0, 0xffffffff))
  end
  local function check(ok, message)
    if not ok then failure.raise("io", "%s: %s", name, message) end
  end
  local written = self.temporary or place
  local file, message = io.open(written, "wb")
  check(file, message and message:sub(#written + 3)) -- behind the name
  self.file = file
  if self.temporary and process.kind(place) then
    check(process.copy_mode(place, self.temporary))
  end
  function self.write(bytes)
    check(self.file:write(bytes))
  end
  function self.finish()
    check(self.file:flush())
    if self.temporary then check(os.rename(self.temporary, place)) end
    self.temporary = nil
  end
  return self
end

--- A value as a line of JSON.
function output.json(value)
  output.write(json.encode(value), "\n")
end

--- At the end: what was buffered may not fit on the disk.
function output.finish()
  check_written(io.stdout:flush())
end

--- A remark on standard error, unless --quiet.
function output.note(format, ...)
  if output.quiet then return end
  local text = format:format(...)
  io.stderr:write("cairn: ", is_terminal(2) and output.visible(text) or text, "\n")
end

-- Of a traceback, lines stay lines; anything else is one.
local function visible_lines(text)
  return (text:gsub("[^\n\t]+", output.visible))
end

---@param command string? that failed
---@param problem cairn.program.Failure
function output.problem(command, problem)
  local text, code = problem.message, problem.code
  local said = json.object { "code", code, "message", json.bytes(text) }
  local ok, line = pcall(json.encode, said) -- not ok: there is no JSON library
  if output.as_json and ok then
    io.stderr:write(line, "\n")
    return
  end
  local from_script = code == "script_error"
  if is_terminal(2) then text = from_script and visible_lines(text) or output.visible(text) end
  local named = command and text:sub(1, #command + 2) == command .. ": "
  if command and not from_script and not named then text = command .. ": " .. text end
  if not from_script and code ~= "usage" then text = ("%s (%s)"):format(text, code) end
  io.stderr:write("cairn: ", text, "\n")
end

return output
