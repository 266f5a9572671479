--- `run`: a script, as the stock interpreter would run it.

local failure = require "cairn.program.failure"
local process = require "cairn.process"

local script = {}

--- What was below us on the stack is our own business: the traceback ends as it does
--- under the stock interpreter.
---@param message string with a traceback
function script.own_traceback(message)
  local cut = message:find("\n\t[C]: in function 'cairn.process.call'", 1, true)
  return cut and message:sub(1, cut) .. "\t[C]: in ?" or message
end

--- `load` and `loadfile` as they are meant: an overflow in the parser would otherwise go
--- through the program's message handler, which makes no string of it.
---@return function? chunk
---@return string? message
function script.compile(loader, ...)
  return select(2, pcall(loader, ...))
end

local function run(chunk, ...)
  local results = table.pack(process.call(chunk, ...))
  if not results[1] then
    failure.raise("script_error", "%s", script.own_traceback(tostring(results[2])))
  end
end

--- LUA_INIT, which the stock interpreter honours too.
function script.initialize()
  for _, name in ipairs { "LUA_INIT_5_4", "LUA_INIT" } do
    local text = os.getenv(name)
    if text then
      local chunk, message
      if text:sub(1, 1) == "@" then
        chunk, message = script.compile(loadfile, text:sub(2))
      else
        chunk, message = script.compile(load, text, "=" .. name)
      end
      if not chunk then failure.raise("script_error", "%s", message) end
      return run(chunk)
    end
  end
end

-- arg[0] is the script, its arguments follow, the words before it have negative places.
local function shift_arguments(place)
  local shifted = {}
  for i = 0, #arg do shifted[i - place] = arg[i] end
  arg = shifted -- luacheck: globals arg
end

---@param line cairn.program.Line
function script.run(line)
  shift_arguments(line.rest)
  script.initialize()
  local name = arg[0]
  local chunk, message = script.compile(loadfile, name ~= "-" and name or nil)
  if not chunk then failure.raise("script_error", "%s", message) end
  run(chunk, table.unpack(arg))
end

return script
