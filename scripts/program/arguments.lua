--- From a command line to a command, its operands and its options.
---
--- Options may stand anywhere, also behind operands; `--` ends them. A mistake raises a
--- failure with the code "usage" (see failure.lua).

local failure = require "cairn.program.failure"
local interface = require "cairn.program.interface"

local arguments = {}

---@class cairn.program.Line
---@field command? cairn.program.Command nil: none was named
---@field group? cairn.program.Command the group it is of
---@field operands string[]
---@field options table<string, string|boolean|string[]> by long name
---@field rest integer index in arg of the script of `cairn run`

local function find_option(line, key, value)
  local known = { interface.global_options, line.command and line.command.options or {} }
  for _, options in ipairs(known) do
    for _, option in ipairs(options) do
      if option[key] == value then return option end
    end
  end
end

local function hint(line)
  local command = line.command or line.group
  return command and "; see cairn " .. command.title .. " --help" or "; see cairn --help"
end

local function need_option(line, key, value, written)
  return find_option(line, key, value)
    or failure.usage("unknown option %s%s", written, hint(line))
end

local function keep(line, option, value)
  if option.many then
    local values = line.options[option.name] or {}
    values[#values + 1] = value
    value = values
  elseif line.options[option.name] and option.value then
    failure.usage("option --%s is given twice", option.name)
  end
  line.options[option.name] = value
end

-- Returns how many arguments it took.
local function read_long(line, words, i)
  local name, value = words[i]:match("^%-%-([^=]+)=?(.*)$")
  if not name then failure.usage("unknown option %s%s", words[i], hint(line)) end
  local option = need_option(line, "name", name, "--" .. name)
  local attached = words[i]:find("=", 1, true) ~= nil
  if not option.value then
    if attached then failure.usage("option --%s takes no value", name) end
    keep(line, option, true)
    return 1
  end
  if not attached then value = words[i + 1] end
  if not value then failure.usage("option --%s needs %s", name, option.value) end
  keep(line, option, value)
  return attached and 1 or 2
end

local function read_short(line, words, i)
  local letters = words[i]
  for at = 2, #letters do
    local letter = letters:sub(at, at)
    local option = need_option(line, "short", letter, "-" .. letter)
    if option.value then
      local attached = letters:sub(at + 1)
      local value = attached ~= "" and attached or words[i + 1]
      if not value then failure.usage("option -%s needs %s", letter, option.value) end
      keep(line, option, value)
      return attached ~= "" and 1 or 2
    end
    keep(line, option, true)
  end
  return 1
end

-- The first word names a command, or a group of them: then the second one does.
local function take_command(line, name)
  local group = line.group
  local command = interface.find(group and group.name or name, group and name)
  if not command then
    failure.usage("unknown command '%s%s'%s", group and group.name .. " " or "", name, hint(line))
  end
  line[command.commands and "group" or "command"] = command
end

local function check_operands(line)
  local command, count = line.command, #line.operands
  local most = select(2, command.operands:gsub("%u+", ""))
  if command.operands:find("...", 1, true) then most = math.huge end
  if count < command.least then
    local names = {}
    for name in command.operands:gmatch("%u+") do names[#names + 1] = name end
    failure.usage("%s is missing%s", names[count + 1] or names[#names], hint(line))
  end
  if count > most then
    failure.usage("too many arguments: '%s'%s", line.operands[most + 1], hint(line))
  end
end

---@param words string[]
---@return cairn.program.Line
function arguments.parse(words)
  local line = { operands = {}, options = {} }
  local i, ended = 1, false
  while words[i] do
    local word = words[i]
    if ended or word == "-" or word:sub(1, 1) ~= "-" then
      if not line.command then
        take_command(line, word)
      else
        table.insert(line.operands, word)
        line.rest = line.rest or i
        if line.command.script then break end
      end
      i = i + 1
    elseif word == "--" then
      ended = true
      i = i + 1
    else
      local read = word:sub(1, 2) == "--" and read_long or read_short
      i = i + read(line, words, i)
    end
  end
  local explains = line.options.help or line.options.version
  if explains then return line end
  if line.command then check_operands(line) end
  if line.group and not line.command then failure.usage("COMMAND is missing%s", hint(line)) end
  return line
end

--- A whole number that is not negative, given as an option.
---@return integer?
function arguments.count(line, name)
  local text = line.options[name]
  if not text then return nil end
  local number = text:match("^%d+$") and math.tointeger(tonumber(text))
  return number or failure.usage("--%s must be a whole number, not '%s'", name, text)
end

-- -- Help --------------------------------------------------------------------------

local function option_lines(options, lines)
  for _, option in ipairs(options) do
    local short = option.short and "-" .. option.short .. ", " or "    "
    local value = option.value and " " .. option.value or ""
    lines[#lines + 1] = ("  %s%-22s %s"):format(short, "--" .. option.name .. value, option.meaning)
  end
end

---@param command cairn.program.Command
---@return string
function arguments.usage_line(command)
  local words = { "cairn", command.title }
  if #command.options > 0 then words[#words + 1] = "[OPTION...]" end
  if command.operands ~= "" then words[#words + 1] = command.operands end
  return table.concat(words, " ")
end

local function command_lines(commands, lines)
  for _, command in ipairs(commands) do
    local left = command.name .. (command.operands ~= "" and " " .. command.operands or "")
    lines[#lines + 1] = ("  %-28s %s"):format(left, command.summary)
  end
end

---@param command cairn.program.Command
---@return string
function arguments.help(command)
  local lines = { "Usage: " .. arguments.usage_line(command), "", command.details, "" }
  if command.commands then
    lines[#lines + 1] = "Commands:"
    command_lines(command.commands, lines)
    lines[#lines + 1] = ""
  end
  if #command.options > 0 then
    lines[#lines + 1] = "Options:"
    option_lines(command.options, lines)
  end
  lines[#lines + 1] = "Options of every command:"
  option_lines(interface.global_options, lines)
  lines[#lines + 1] = ""
  return table.concat(lines, "\n")
end

---@return string
function arguments.overview()
  local lines = {
    "cairn keeps bytes, links and groups under paths, and runs Lua on them.",
    "",
    "Usage: cairn [OPTION...] COMMAND [ARGUMENT...]",
    "",
    "Commands:",
  }
  command_lines(interface.commands, lines)
  lines[#lines + 1] = "\nOptions:"
  option_lines(interface.global_options, lines)
  lines[#lines + 1] = "\n" .. interface.stores
  lines[#lines + 1] = "\n" .. interface.exits
  lines[#lines + 1] = "\nMore: cairn help COMMAND, man cairn.\n"
  return table.concat(lines, "\n")
end

return arguments
