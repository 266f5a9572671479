-- What a process that counts does with a request. Its state is in memory; only one request at a
-- time has it, so nothing needs a lock.

local tally = {}

function tally.init(message)
  return { name = message.name, count = message.from or 0 }
end

function tally.handle(state, request)
  state.count = state.count + (request.by or 1)
  return { name = state.name, count = state.count }
end

-- A later version of this file finds the state of this one: edit it while it runs.
function tally.migrate(state)
  state.count = state.count or 0
  return state
end

return tally
