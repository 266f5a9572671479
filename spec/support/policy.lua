--- Policies in plain Lua: loaded as the host loads them, but without its limits, so that a
--- spec can ask thousands of questions and see what a decision looked at.

local place = require "spec.support.place"

local policy = {}

-- -- Loading ---------------------------------------------------------------------------

local SEEN_BY_POLICIES = {
  "assert", "error", "ipairs", "next", "pairs", "pcall", "select", "tonumber", "tostring",
  "type", "math", "string", "table", "utf8",
}

local function strict_environment()
  local environment = {}
  for _, name in ipairs(SEEN_BY_POLICIES) do environment[name] = _G[name] end
  return setmetatable(environment, {
    __index = function(_, name) error("unknown global " .. tostring(name), 2) end,
    __newindex = function(_, name) error("a policy sets the global " .. tostring(name), 2) end,
  })
end

--- A policy from its source.
---@param source string
---@param name string for messages
---@return cairn.PolicyModule
function policy.from_source(source, name)
  local chunk = assert(load(source, "@" .. name, "t", strict_environment()))
  return chunk()
end

--- A shipped policy. With `edits`, what is behind `local NAME =` (up to the end of the line, or
--- of a table over several) is replaced, as a user edits the constants at the top of a file.
---@param name string
---@param edits? table<string, string>
---@return cairn.PolicyModule
function policy.load(name, edits)
  local path = "policies/" .. name .. ".lua"
  local source = "\n" .. place.content(path)
  for constant, value in pairs(edits or {}) do
    local head, from = source:match("(\nlocal " .. constant .. " = )()")
    assert(head, path .. " has no constant " .. constant)
    local till = source:match("^{\n.-\n}()", from) or source:match("^[^\n]*()", from)
    source = source:sub(1, from - 1) .. value .. source:sub(till)
  end
  return policy.from_source(source:sub(2), path)
end

-- -- Facts -----------------------------------------------------------------------------

local VOLATILE = {
  cache_control = {
    now = 1700000000000, base = "base", path = "path", asked = {}, answer = {}, size = 100,
    cost = 5, kept = false, failure = "io",
  },
  chain = { path = "path", size = 100, now = 1700000000000, health = {} },
  eviction = {},
}

--- The facts of an ordinary call with these on top. A volatile fact is worked out when it is
--- looked at; which were is found in `touched`.
---@param question string
---@param facts table
---@return table context
---@return table<string, true> touched
function policy.context(question, facts)
  local context, touched, volatile = {}, {}, VOLATILE[question]
  for name, value in pairs(facts) do
    if volatile[name] == nil then context[name] = value end
  end
  return setmetatable(context, {
    __index = function(_, name)
      if volatile[name] == nil then return nil end
      touched[name] = true
      if facts[name] ~= nil then return facts[name] end
      return volatile[name]
    end,
    __newindex = function(_, name) error("a policy writes the fact " .. name, 2) end,
  }), touched
end

--- One directive into a table of them: the first of two counts, digits are a number.
local function add(directives, name, argument)
  name = name:lower()
  if directives[name] ~= nil or name == "" then return end
  if argument:match("^%d+$") then
    directives[name] = math.tointeger(tonumber(argument)) or math.maxinteger
  else
    directives[name] = argument == "" and true or argument
  end
end

--- What one party says, from what it wrote: a header line or a list of them.
---@param written string|string[]|nil
---@return cairn.Directives?
function policy.directives(written)
  if written == nil then return nil end
  local line = type(written) == "table" and table.concat(written, ", ") or written
  local directives = {}
  -- No quoted comma occurs in what the specs write.
  for element in line:gmatch("[^,]+") do
    local name, argument = element:match("^%s*([^=%s]+)%s*$"), ""
    if not name then name, argument = element:match('^%s*([^=%s]+)="([^"]*)"%s*$') end
    if not name then name, argument = element:match('^%s*([^=%s]+)=([^%s"]+)%s*$') end
    if name then add(directives, name, argument) end
  end
  return directives
end

-- -- Decisions -------------------------------------------------------------------------

--- Whether a decision has what is expected of it; else where it has not.
---@param expected table|false
---@param decision table?
---@return boolean ok
---@return string? where
function policy.fulfils(expected, decision)
  if expected == false then return decision == nil, "has an opinion" end
  if type(decision) ~= "table" then return false, "is " .. tostring(decision) end
  for name, value in pairs(expected) do
    local got = decision[name]
    if type(value) == "table" and type(got) == "table" then
      local ok, where = policy.fulfils(value, got)
      if not ok then return false, name .. "." .. where end
      if #got ~= #value then return false, name .. " has " .. #got .. " rows" end
    elseif got ~= value then
      return false, ("%s is %s, not %s"):format(name, got, value)
    end
  end
  return true
end

--- Asks a policy about facts. Raises if it writes to them.
---@param module cairn.PolicyModule
---@param facts table
---@return table? decision
---@return table<string, true> touched
function policy.decide(module, facts)
  local context, touched = policy.context(module.question, facts)
  return module.decide(context), touched
end

return policy
