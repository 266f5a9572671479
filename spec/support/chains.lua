--- Chains for specs: what is opened is closed again by `chains.clean`, decisions are given as
--- tables, and stores that go wrong have names of their own.

local cairn = require "cairn"
local faulty = require "spec.faulty"

local place = require "spec.support.place"

local chains = {}

local opened, directories, count = {}, {}, 0

local function keep(object)
  table.insert(opened, object)
  return object
end

--- A store or chain that is closed in the end.
---@generic T
---@param object T?
---@param message? string
---@return T
function chains.kept(object, message)
  return keep(assert(object, message))
end

---@return string
function chains.directory()
  local directory = place.fresh()
  table.insert(directories, directory)
  return directory
end

--- A store of any backend, in a directory of its own if it needs one.
---@param backend "memory"|"fs"|"rocksdb"
---@return cairn.Store
function chains.store(backend)
  local path = backend == "memory" and "" or chains.directory() .. "/store"
  return chains.kept(cairn.open(backend .. ":" .. path))
end

--- A store that goes wrong on demand, and its name for spec.faulty.
---@param faults? table
---@param scope? "remote"|"cluster"
---@return cairn.Store
---@return string name
function chains.faulty(faults, scope)
  count = count + 1
  local name = "store-" .. count
  faulty.clear(name)
  faulty.set(name, faults or {})
  local backend = scope and "faulty-" .. scope or "faulty"
  return chains.kept(cairn.open(backend .. ":" .. name)), name
end

-- -- Decisions -------------------------------------------------------------------------

local function literal(value)
  if type(value) ~= "table" then return ("%q"):format(value) end
  local parts = {}
  for key, item in pairs(value) do
    parts[#parts + 1] = ("[%q] = %s"):format(key, literal(item))
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

local SCRIPT = [[
local DECISIONS = %s
return {
  question = "chain",
  decide = function(context) return DECISIONS[context.action] end,
  examples = {
    { name = "no opinion on nothing", decision = %s,
      context = { action = "read", operation = "read", stores = %s } },
  },
}
]]

--- The members that a decision names, as facts.
local function stores_of(decision)
  local stores = {}
  for i, name in ipairs(decision and decision.order or {}) do
    stores[i] = {
      name = name, backend = "memory", scope = "local", read = true, write = true,
      tier = false, failing = false,
    }
  end
  return stores
end

--- Policies that decide for a chain what the table says: `{ read = decision, write = decision }`;
--- nothing said: no opinion.
---@param decisions table<"read"|"write", cairn.ChainDecision>
---@return cairn.Policies
function chains.policies(decisions)
  local directory = chains.directory()
  local read = decisions.read
  place.put(directory .. "/chain.lua", SCRIPT:format(literal(decisions),
    read and literal { order = read.order } or "false", literal(stores_of(read))))
  return chains.kept(cairn.policies { directory = directory })
end

--- The shipped policies, with nobody's over them.
---@return cairn.Policies
function chains.shipped()
  return chains.kept(cairn.policies { directory = chains.directory() })
end

--- A chain. Without decisions the engine decides.
---@param members (cairn.ChainMember|cairn.Store|string)[]
---@param decisions? table<"read"|"write", cairn.ChainDecision>
---@param clock? cairn.Clock
---@return cairn.Chain
function chains.open(members, decisions, clock)
  local policies = decisions and chains.policies(decisions) or false
  return chains.kept(cairn.chain(members, { policies = policies, clock = clock }))
end

--- Closes what was opened, the last first; for after_each.
function chains.clean()
  for i = count, 1, -1 do faulty.set("store-" .. i, { hang = false }) end
  for i = #opened, 1, -1 do opened[i]:close() end
  for _, directory in ipairs(directories) do place.remove(directory) end
  opened, directories = {}, {}
end

-- -- Looking ---------------------------------------------------------------------------

--- The counts of a member, by name.
---@param chain cairn.Chain
---@param name string
---@return table<string, integer>
function chains.counts(chain, name)
  return chains.member(chain, name).counts
end

---@param chain cairn.Chain
---@param name string
---@return cairn.MemberInfo
function chains.member(chain, name)
  for _, member in ipairs(chain:members()) do
    if member.name == name then return member end
  end
  error("the chain has no member " .. name)
end

--- The steps of a call in short: "read faulty:store-1 io".
---@param steps cairn.Step[]
---@return string[]
function chains.told(steps)
  local lines = {}
  for i, step in ipairs(steps) do
    lines[i] = ("%s %s %s"):format(step.operation, step.store or "-", step.status)
  end
  return lines
end

return chains
