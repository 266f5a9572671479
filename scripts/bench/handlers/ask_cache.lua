-- ask_cache.lua -- asks the cache for the result of a request, which is computed by reading from a
-- slow store. All who are asked the same number want the same result.

local cairn = require "cairn"

local store -- of this loop

local function compute()
  store = store or assert(cairn.open "bench-slow:far")
  return assert(store:read "answer")
end

local BASE = { name = "report", account = "savings" }

return {
  handle = function(_, number, context)
    local request = { path = "yearly", account = "savings", number = number }
    local answer, message, code = context.cache:resolve(BASE, request, compute)
    if not answer then return nil, message, code end
    return answer
  end,
}
