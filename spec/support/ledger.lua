--- The source of a handler that counts, and remembers in which order it was asked, and what was
--- done again.
return [[
local cairn = require "cairn"

local doing = {}

function doing.add(state, request)
  state.sum = state.sum + request.by
  state.last = request.by
  state.count = state.count + 1
end

function doing.get(state) return state end
function doing.fail(state) state.failed = (state.failed or 0) + 1 error "no luck" end
function doing.spoil(state) state.spoilt = { deep = print } end
function doing.loop(state)
  state.tried = (state.tried or 0) + 1
  while true do end
end
function doing.work(state, request)
  for _ = 1, request.steps do end
  state.count = state.count + 1
end
function doing.wait(state)
  state.waited = true
  local workers = cairn.workers()
  local _, leader = workers:find_or_register("", "", { group = "gate" })
  workers:await(leader, "", "")
end

return {
  init = function(message) return { sum = message.from or 0, count = 0 } end,
  handle = function(state, request, context)
    if context.replaying then state.redone = (state.redone or 0) + 1 end
    return doing[request.op](state, request)
  end,
}
]]
