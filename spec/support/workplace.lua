--- Where a spec has workers: a directory with their handlers, and the sets that are closed with
--- it. `agent` is a handler that does what it is told; `gate` holds those who come to it.

local cairn = require "cairn"

local place = require "spec.support.place"

local workplace = {}
workplace.__index = workplace

--- A handler that does what its request says, with the others of its set.
local AGENT = [[
local cairn = require "cairn"

local doing = {}

function doing.echo(_, request) return request.value end

function doing.note(state, request)
  state.notes = state.notes or {}
  state.notes[#state.notes + 1] = request.text
  return { notes = state.notes }
end

function doing.get(state) return { state = state } end

function doing.fail(state, request)
  state.failed = (state.failed or 0) + 1
  error(request.what or "no luck", 0)
end

function doing.refuse(_, request) return nil, request.message, request.code end

function doing.sleep(_, request) cairn.sleep(request.ms) end

function doing.gate(_, request)
  local workers = cairn.workers()
  local role, leader = workers:find_or_register("", "", { group = request.name })
  assert(role == "wait", role)
  return workers:await(leader, "", "")
end

local leading = {}

function doing.lead(_, request)
  local role, leader = cairn.workers():find_or_register("", "", { group = request.name })
  leading[request.name] = leader
  return role
end

function doing.open(_, request)
  local leader = leading[request.name]
  leading[request.name] = nil
  return cairn.workers():unregister_notify(leader, "", request.answer)
end

function doing.ask(_, request)
  local workers = cairn.workers()
  local answer, message, code = assert(workers:find(request.group)):ask(request.request,
    request.timeout and { timeout = request.timeout })
  return { answer = answer, message = message, code = code }
end

function doing.self(_, request, context)
  local answer, message, code = context.worker:ask(request.request or { op = "echo" })
  return { answer = answer, message = message, code = code }
end

local agent = {}

function agent.handle(state, request, context)
  return assert(doing[request.op], request.op)(state, request, context)
end

return agent
]]

---@return spec.Workplace
function workplace.new()
  local here = setmetatable({ directory = place.fresh(), sets = {} }, workplace)
  here:handler("agent", AGENT)
  return here
end

--- Writes a handler's file; beside it, then over it, as editors do.
---@return string path
function workplace:handler(name, source)
  local path = self.directory .. "/" .. name .. ".lua"
  place.put(path .. ".new", source)
  assert(os.rename(path .. ".new", path))
  return path
end

--- A set of workers that find the handlers here.
---@param options? cairn.WorkersOptions
---@return cairn.Workers
function workplace:open(options)
  local all = { loops = 2, control = false, path = self.directory .. "/?.lua" }
  for name, value in pairs(options or {}) do all[name] = value end
  local workers = assert(cairn.workers(all))
  self.sets[#self.sets + 1] = workers
  return workers
end

function workplace:close()
  for _, workers in ipairs(self.sets) do workers:close() end
  place.remove(self.directory)
end

--- Waits until `arrived()` is true, 20 seconds at most, and returns what it gave.
function workplace.eventually(arrived, what)
  local late = cairn.now() + 20000
  while true do
    local came = arrived()
    if came then return came end
    if cairn.now() > late then error("it never came: " .. (what or "what was waited for"), 2) end
    cairn.sleep(1)
  end
end

--- Waits until a worker is in that state, with so many requests that wait, if that is told.
function workplace.until_state(worker, state, queue)
  workplace.eventually(function()
    local info = worker:info()
    return info.state == state and (not queue or info.queue == queue)
  end, ("%s with a queue of %s"):format(state, queue))
end

--- Closes a gate: whoever is told { op = "gate", name = } stands before it until it is opened.
--- A worker holds it, so that who asks those that stand there is not himself waited for.
---@return fun(answer: any) open returns how many stood there
function workplace.gate(workers, name)
  local keeper = assert(workers:worker {
    handler = "agent", group = "keeper of " .. name, static = true, timeout = 0,
  })
  assert(keeper:ask { op = "lead", name = name } == "leader")
  return function(answer)
    return assert(keeper:ask { op = "open", name = name, answer = answer or "open" })
  end
end

return workplace
