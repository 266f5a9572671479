--- `cairn explain ...`: the steps of an operation, and who decided them.

local access = require "cairn.program.access"
local arguments = require "cairn.program.arguments"
local cairn = require "cairn"
local columns = require "cairn.program.columns"
local failure = require "cairn.program.failure"
local json = require "cairn.program.json"
local output = require "cairn.program.output"

local check = failure.check

local explanations = {}

-- -- Steps -----------------------------------------------------------------------------

-- Under the path that they are about:
--   1  decide chain  chain 0123456789ab:34  ask hot, disk
--   2  get           memory:                not_found

local function is_decision(step)
  return step.operation:sub(1, 7) == "decide "
end

-- "chain 0123456789ab:34, remembered"
local function decider_of(step)
  if not step.policy or step.policy == "" then return "the engine's default" end
  local text = ("%s %s"):format(step.policy, step.version or "")
  if step.line and step.line > 0 then text = ("%s:%d"):format(text, step.line) end
  if step.remembered then text = text .. ", remembered" end
  if step.canary then text = text .. ", on trial" end
  return text
end

local function row_of(number, step)
  local said = step.status
  if step.detail and step.detail ~= "" then
    said = step.status == "ok" and step.detail or said .. ": " .. step.detail
  end
  local who = is_decision(step) and decider_of(step) or step.store or ""
  return { ("%3d"):format(number), step.operation, output.name(who), output.name(said) }
end

local function step_object(step)
  return json.object {
    "operation", step.operation, "store", json.bytes(step.store), "path", json.bytes(step.path),
    "status", step.status, "detail", json.bytes(step.detail), "policy", step.policy,
    "version", step.version, "line", step.line, "remembered", step.remembered,
    "canary", step.canary, n = 20,
  }
end

local function write_steps(steps)
  if output.as_json then
    for _, step in ipairs(steps) do output.json(step_object(step)) end
    return
  end
  local rows, path = {}, nil
  for i, step in ipairs(steps) do
    if step.path ~= path then
      path = step.path
      rows[#rows + 1] = path and path ~= "" and output.name(path) or "/"
    end
    rows[#rows + 1] = row_of(i, step)
  end
  columns({ "", "", "", "" }, rows)
end

-- The last line: what came of it.
local function conclude(fields, format, ...)
  if output.as_json then
    output.json(json.object { "outcome", json.object(fields) })
  else
    output.write("\n", output.name(format:format(...)), "\n")
  end
end

local function size_of(value)
  if type(value) == "string" then return ("%d bytes"):format(#value) end
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  return count == 1 and "a message of 1 key" or ("a message of %d keys"):format(count)
end

local function conclude_failure(code, message)
  conclude({ "status", code, "message", json.bytes(message) }, "%s: %s", code, message)
end

-- -- read ------------------------------------------------------------------------------

---@param line cairn.program.Line
function explanations.read(line)
  local path = access.path(line.operands[1])
  local cache <close> = access.cache_to_read()
  local steps = {}
  local value, message, code = cache:read(path, { explain = steps })
  write_steps(steps)
  if value == nil then return conclude_failure(code, message) end
  conclude({ "status", "ok" }, "ok: %s", size_of(value))
end

-- -- resolve ---------------------------------------------------------------------------

-- An id or a path as it is, a message from JSON.
local function party_of(text)
  if not text:find("^%s*{") then return text end
  return check(cairn.from_json(text))
end

local function conclude_resolved(info, answer, message, code)
  local fields = {
    "status", answer ~= nil and "ok" or code, "cache", info.cache, "hashpath", info.hashpath,
    "store", info.store, "age", info.age, "fresh_for", info.fresh_for,
    "message", answer == nil and json.bytes(message) or nil, n = 14,
  }
  if answer ~= nil then
    return conclude(fields, "%s from %s: %s (%s)", info.cache, info.store or "-", size_of(answer),
      info.cache_status)
  end
  conclude(fields, "%s: %s", info.cache, message)
end

-- What would be done with a result that says `result` of itself.
local function explain_keeping(cache, line, info)
  local base, path = info.hashpath:match("^(.*)/([^/]*)$")
  if not cache.policies then
    failure.raise("unsupported", "this cache has no policies to ask")
  end
  local decision, step = check(cache.policies:decide("cache_control", {
    moment = "store", result = line.options.result, request = line.options["cache-control"],
    base = base, path = path, size = arguments.count(line, "size") or 0, now = cairn.now(),
  }))
  if type(step) == "table" then write_steps { step } end
  conclude({ "store", decision.store or false, "fresh_for", decision.fresh_for, n = 4 },
    decision.store and "its result would be kept" or "its result would not be kept")
end

---@param line cairn.program.Line
function explanations.resolve(line)
  local base, request = party_of(line.operands[1]), party_of(line.operands[2])
  local cache <close> = access.cache_to_read()
  local steps = {}
  local answer, info, code, failed = cache:resolve(base, request, nil, {
    explain = steps, cache_control = line.options["cache-control"],
  })
  local known = answer ~= nil and info or failed
  local asked = known and known.hashpath ~= "" -- otherwise the question made no sense
  if not asked then failure.raise(code, "%s", info) end
  write_steps(steps)
  conclude_resolved(known, answer, info, code)
  if line.options.result then explain_keeping(cache, line, known) end
end

-- -- write -----------------------------------------------------------------------------

---@param line cairn.program.Line
function explanations.write(line)
  local path = access.path(line.operands[1])
  local cache <close> = access.cache_to_read()
  local stores = {}
  for i, member in ipairs(cache.chain:members()) do
    stores[i] = {
      name = member.name, backend = member.backend, scope = member.scope, read = member.read,
      write = member.write, tier = member.tier, failing = member.failing,
    }
  end
  if not cache.policies then
    failure.raise("unsupported", "this cache has no policies to ask")
  end
  local decision, step = check(cache.policies:decide("chain", {
    action = "write", operation = "write", path = path, now = cairn.now(),
    size = arguments.count(line, "size") or 0, stores = stores,
  }))
  if type(step) == "table" then write_steps { step } end
  local order, all = decision.order or {}, (decision.need or 0) > 0
  conclude({ "order", json.list(order), "need", decision.need, n = 4 },
    all and "written to %s; %d must accept" or "written to the first of %s that accepts",
    table.concat(order, ", "), decision.need)
end

return explanations
