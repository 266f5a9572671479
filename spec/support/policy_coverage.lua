--- Which lines of a policy its examples never reach.

local policy_coverage = {}

--- Every Lua function that `decide` can come to, by way of upvalues and tables in them.
local function functions_from(decide)
  local found, seen = {}, {}
  local function visit(value)
    if seen[value] or (type(value) ~= "function" and type(value) ~= "table") then return end
    seen[value] = true
    if type(value) == "table" then
      for _, inside in pairs(value) do visit(inside) end
      return
    end
    if debug.getinfo(value, "S").what == "C" then return end
    found[#found + 1] = value
    for i = 1, math.huge do
      local name, upvalue = debug.getupvalue(value, i)
      if not name then break end
      if name ~= "_ENV" then visit(upvalue) end
    end
  end
  visit(decide)
  return found
end

--- Runs `body` and says which lines of `chunk` ("@policies/chain.lua") it came to.
local function lines_reached(chunk, body)
  local reached = {}
  debug.sethook(function(_, line)
    if debug.getinfo(2, "S").source == chunk then reached[line] = true end
  end, "l")
  local ok, problem = pcall(body)
  debug.sethook()
  assert(ok, problem)
  return reached
end

--- Lines of functions that `module.decide` can come to and that `body` does not reach.
---@param module cairn.PolicyModule
---@param body fun()
---@return integer[]
function policy_coverage.missed(module, body)
  local chunk = debug.getinfo(module.decide, "S").source
  local reached = lines_reached(chunk, body)
  local missed = {}
  for _, each in ipairs(functions_from(module.decide)) do
    local info = debug.getinfo(each, "SL")
    for line in pairs(info.activelines) do
      -- The last line is a return that nobody needs who has returned before.
      local counts = info.source == chunk and line ~= info.lastlinedefined
      if counts and not reached[line] then missed[#missed + 1] = line end
    end
  end
  table.sort(missed)
  return missed
end

return policy_coverage
