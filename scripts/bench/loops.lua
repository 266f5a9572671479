--- What the Lua rows time: the loop a script would write, nothing around it.

local cairn = require "cairn"

local loops = {}

--- A store for the rows that read it.
---@param url string
---@return cairn.Store
function loops.open(url)
  return assert(cairn.open(url))
end

--- Reads what is at each path.
---@param store cairn.Store
---@param paths string[]
function loops.read(store, paths)
  for i = 1, #paths do
    local value = store:read(paths[i])
    if not value then error("there is no value at " .. paths[i]) end
  end
end

return loops
