--- The program: from the command line to a command, and from what became of it to an
--- exit status.
---
--- bindings/main.c calls the function that this file returns. The commands are in
--- commands/, what they share in program/; program/interface.lua lists them all.

local arguments = require "cairn.program.arguments"
local cairn = require "cairn"
local failure = require "cairn.program.failure"
local json = require "cairn.program.json"
local output = require "cairn.program.output"
local process = require "cairn.process"
local access = require "cairn.program.access"

local DONE, FAILED, MISUSED = 0, 1, 2

-- --json should also hold for a command line that makes no sense.
local function asks_for_json(words)
  for _, word in ipairs(words) do
    if word == "--" then return false end
    if word == "--json" then return true end
  end
  return false
end

local function run_command(line)
  local name = line.command.name
  local commands = require("cairn.program.commands." .. line.command.module)
  local status = commands[name](line) or DONE
  output.finish()
  return status
end

local function prepare(options)
  output.quiet = options.quiet or false
  if options.quiet then access.make_quietly() end
  -- By the environment, so that programs a script starts use the same.
  if options.store == "" then failure.usage("--store needs a URL") end
  if options.store then process.set_environment("CAIRN_STORE", options.store) end
  if options.policies == "" then failure.usage("--policies needs a directory") end
  if options.policies then process.set_environment("CAIRN_POLICIES", options.policies) end
end

local function obey(words, called)
  output.as_json = asks_for_json(words)
  local line = arguments.parse(words)
  called.command = line.command and line.command.title
  output.as_json = line.options.json or false
  prepare(line.options)
  if line.options.version then
    if output.as_json then
      output.json(json.object { "version", cairn.version })
    else
      output.write("cairn ", cairn.version, "\n")
    end
  elseif line.options.help then
    local command = line.command or line.group
    output.write(command and arguments.help(command) or arguments.overview())
  elseif not line.command then
    io.stderr:write(arguments.overview())
    return MISUSED
  else
    return run_command(line)
  end
  output.finish()
  return DONE
end

local function to_failure(problem)
  if failure.is(problem) then return problem end
  return failure.new(debug.traceback(tostring(problem), 2), "script_error")
end

--- Returns the exit status.
---@return integer
return function()
  local called = {}
  local ok, result = xpcall(obey, to_failure, arg, called)
  if ok then return result end
  if result.code == "closed_pipe" then return FAILED end
  io.stdout:flush()
  output.problem(called.command, result)
  return result.code == "usage" and MISUSED or FAILED
end
