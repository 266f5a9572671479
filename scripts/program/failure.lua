--- How a command fails: it raises one of these, and the program says it once.

---@class cairn.program.Failure
---@field message string
---@field code cairn.code|"usage"|"script_error"|"closed_pipe"
local Failure = {}
Failure.__index = Failure

local failure = {}

---@return cairn.program.Failure
function failure.new(message, code)
  return setmetatable({ message = message, code = code }, Failure)
end

function failure.is(value)
  return getmetatable(value) == Failure
end

--- Raises it.
---@param code cairn.code
function failure.raise(code, format, ...)
  error(failure.new(select("#", ...) > 0 and format:format(...) or format, code), 0)
end

--- Raises a mistake in the command line.
function failure.usage(format, ...)
  error(failure.new(format:format(...), "usage"), 0)
end

--- `assert` for what answers nil, message, code: passes results on or raises them. Lua's
--- own libraries answer with a number: those are `io`.
function failure.check(result, message, code, ...)
  if result == nil then
    error(failure.new(message, type(code) == "string" and code or "io"), 0)
  end
  return result, message, code, ...
end

--- Around an iterator of the module, which raises what goes wrong as text with the code
--- behind it: raises it as everything else here is raised.
---@param step fun(): ...
---@return fun(): ...
function failure.steps(step)
  local function pass(ok, ...)
    if ok then return ... end
    local message, code = tostring((...)):match("^(.*) %(([%l_]+)%)$")
    if not code then error((...), 0) end
    error(failure.new(message, code), 0)
  end
  return function()
    return pass(pcall(step)) -- called by pcall it puts no position of ours in front
  end
end

return failure
