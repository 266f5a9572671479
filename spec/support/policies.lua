--- Policy scripts for specs.

local policies = {}

local KEEPING = [[
local FOR = %d -- ms

local policy = { question = "cache_control" }

function policy.decide(context)
  if context.moment == "lookup" then return { lookup = true } end
  if context.moment == "store" then return { store = true, fresh_for = FOR } end
  return nil
end

policy.examples = {
  { name = "kept for so long", context = { moment = "store" }, decision = { fresh_for = FOR } },
}

return policy
]]

--- Looks everything up and keeps it for so long.
---@param ms integer
---@return string
function policies.keeping(ms)
  return KEEPING:format(ms)
end

local DECIDING = [[
local policy = { question = "cache_control" }

function policy.decide(context)
  %s
end

policy.examples = { { name = "none", context = { moment = "error" }, decision = false } }

return policy
]]

--- With a body of one's own, which must have no opinion at "error".
---@param body string
---@return string
function policies.deciding(body)
  return DECIDING:format(body)
end

return policies
