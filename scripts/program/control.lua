--- Running programs that answer questions: where their sockets are, and what they say.
---
--- An answer is JSON, one object a line, the last of which sums up and names the process.

local cairn = require "cairn"
local process = require "cairn.process"

local control = {}

local WAIT_MS = 5000

---@class cairn.program.Socket
---@field path string
---@field process? string "4711", or "4711-2" for the second set of workers of a process

---@class cairn.program.Answer
---@field process string
---@field rows table[] each with its `process` and `pid`
---@field summary table

--- The sockets of this user's processes, or of one, in the order of their numbers. Some may be
--- of processes that are gone.
---@param pid? string
---@return cairn.program.Socket[]
function control.sockets(pid)
  local sockets = {}
  for _, directory in ipairs(process.control_directories()) do
    for _, name in ipairs(process.names(directory) or {}) do
      local named, number, set = name:match("^((%d+)%-?(%d*))%.sock$")
      if named and (pid == nil or number == pid) then
        sockets[#sockets + 1] = {
          process = named, path = directory .. "/" .. name,
          pid = tonumber(number), set = tonumber(set) or 1,
        }
      end
    end
  end
  table.sort(sockets, function(a, b)
    if a.pid ~= b.pid then return a.pid < b.pid end
    return a.set < b.set
  end)
  return sockets
end

-- Whether the object has the fields of a form: name -> "string", "integer", "number".
local function fits(object, form)
  if type(object) ~= "table" then return false end
  for name, kind in pairs(form) do
    local value = object[name]
    if type(value) ~= kind and math.type(value) ~= kind then return false end
  end
  return true
end

local function read(text, forms)
  local rows = {}
  for line in text:gmatch("[^\n]+") do rows[#rows + 1] = cairn.from_json(line) or false end
  local summary = table.remove(rows)
  if fits(summary, { error = "string", code = "string" }) then
    return nil, summary.error, summary.code
  end
  local sound = fits(summary, forms.summary) and math.type(summary.pid) == "integer"
  for _, row in ipairs(rows) do sound = sound and fits(row, forms.row) end
  if not sound then return nil, "the answer makes no sense, or is cut short", "corrupt" end
  return { rows = rows, summary = summary }
end

--- Asks one. `forms` are the fields that rows and summary must have, with their types;
--- `not_found`: the process is gone.
---@param socket cairn.program.Socket
---@param question string
---@param forms { row: table<string, string>, summary: table<string, string> }
---@return cairn.program.Answer? answer
---@return string? message
---@return cairn.code? code
function control.ask(socket, question, forms)
  local text, message, code = process.control(socket.path, question, WAIT_MS)
  if not text then return nil, message, code end
  local answer
  answer, message, code = read(text, forms)
  if not answer then return nil, ("%s: %s"):format(socket.path, message), code end
  answer.process = socket.process or ("%d"):format(answer.summary.pid)
  for _, row in ipairs(answer.rows) do
    row.process, row.pid = answer.process, answer.summary.pid
  end
  return answer
end

return control
