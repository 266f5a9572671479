-- A token bucket: `rate` tokens a second, at most `burst` of them.

local bucket = {}

function bucket.init(message)
  return { rate = message.rate, burst = message.burst, tokens = message.burst + 0.0 }
end

-- `request.now` is the time in ms of who asks; the bucket has no clock of its own.
function bucket.handle(state, request)
  local since = math.max(0, request.now - (state.at or request.now))
  state.at = math.max(request.now, state.at or 0)
  state.tokens = math.min(state.burst, state.tokens + since * state.rate / 1000)
  if state.tokens < 1 then
    return { allowed = false, wait = math.ceil((1 - state.tokens) * 1000 / state.rate) }
  end
  state.tokens = state.tokens - 1
  return { allowed = true, left = math.floor(state.tokens) }
end

return bucket
