-- A small key-value process: its whole state is a table of strings.

local kv = {}

function kv.init()
  return { values = {}, writes = 0 }
end

local operations = {}

function operations.put(state, request)
  state.values[request.key] = request.value
  state.writes = state.writes + 1
  return { writes = state.writes }
end

function operations.get(state, request)
  local value = state.values[request.key]
  if value == nil then return nil, "there is no key '" .. request.key .. "'", "not_found" end
  return value
end

function operations.delete(state, request)
  state.values[request.key] = nil
  state.writes = state.writes + 1
  return { writes = state.writes }
end

function kv.handle(state, request)
  local operation = operations[request.operation]
  if not operation then return nil, "put, get or delete expected", "invalid_argument" end
  return operation(state, request)
end

return kv
