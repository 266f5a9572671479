--- `cairn policy ...`: which policies there are, which versions, and what another would do.

local arguments = require "cairn.program.arguments"
local cairn = require "cairn"
local columns = require "cairn.program.columns"
local failure = require "cairn.program.failure"
local inspect = require "cairn.program.inspect"
local json = require "cairn.program.json"
local output = require "cairn.program.output"
local policy_log = require "cairn.program.policy_log"
local process = require "cairn.process"
local times = require "cairn.program.times"
local write_try_report = require "cairn.program.try_report"

local check = failure.check

local policies = {}

local LONGEST_NAME = 31

-- For one command: what changes meanwhile is for those who run longer.
local function open()
  return check(cairn.policies { watch = false })
end

-- A policy's name, as it was typed.
local function name_of(line)
  local name = line.operands[1]
  if not name:find("^[a-z0-9_]+$") or #name > LONGEST_NAME then
    failure.raise("not_found", "there is no policy '%s'", name)
  end
  return name
end

local function when(ms)
  return ms and ms > 0 and times.format(ms) or "-"
end

-- -- list and versions -----------------------------------------------------------------

-- When the version was taken; what is shipped always was.
local function since(own, info)
  for _, each in ipairs(info.origin ~= "shipped" and own:versions(info.name) or {}) do
    if each.current then return each.saved end
  end
end

local function state_of(info)
  if info.canary and not info.canary.returned then
    return ("deciding, %.4g %% by %s"):format(info.canary.share * 100, info.canary.version)
  end
  if not info.version then return "refused" end
  return info.deciding and "deciding" or "not in use"
end

local function info_object(info, taken, failures)
  local canary = info.canary and json.plain(info.canary)
  return json.object {
    "name", info.name, "question", info.question, "version", info.version,
    "origin", json.bytes(info.origin), "since", taken, "deciding", info.deciding,
    "failures", failures, "problem", json.bytes(info.problem), "canary", canary, n = 18,
  }
end

local function write_problems(list)
  for _, info in ipairs(list) do
    if info.problem then
      output.write("\n", output.name(info.problem), "\n")
      output.write("  not used; ", info.version
        and ("%s goes on with version %s\n"):format(info.name, info.version)
        or "there is no earlier version to go on with\n")
    end
  end
end

function policies.list()
  local own <close> = open()
  local list, failures = own:list(), policy_log.failures()
  local rows = {}
  for i, info in ipairs(list) do
    local failed = failures[info.name] or 0
    local taken = since(own, info)
    if output.as_json then output.json(info_object(info, taken, failed)) end
    rows[i] = {
      output.name(info.name), info.question or "-", info.version or "-", when(taken),
      ("%d"):format(failed), state_of(info), output.name(info.origin),
    }
  end
  if output.as_json then return end
  columns({ "NAME", "QUESTION", "VERSION", "SINCE", ">ERRORS", "STATE", "ORIGIN" }, rows)
  write_problems(list)
  local directory = policy_log.directory()
  if directory and not process.kind(directory) then
    output.write(("\nno policies of your own: there is no directory %s\n"):format(
      output.name(directory)))
  end
end

---@param line cairn.program.Line
function policies.versions(line)
  local own <close> = open()
  local rows = {}
  for i, each in ipairs(check(own:versions(name_of(line)))) do
    if output.as_json then output.json(json.plain(each)) end
    local saved = each.saved > 0 and times.format(each.saved) or "shipped"
    rows[i] = { each.version, saved, each.current and "in use" or "" }
  end
  if not output.as_json then columns({ "VERSION", "TAKEN", "" }, rows) end
end

-- -- show and diff ---------------------------------------------------------------------

---@param line cairn.program.Line
function policies.show(line)
  local own <close> = open()
  local name = name_of(line)
  local source, version = check(own:show(name, line.operands[2]))
  if not output.as_json then return output.write(output.text(source)) end
  output.json(json.object { "name", name, "version", version, "source", json.bytes(source) })
end

---@param line cairn.program.Line
function policies.diff(line)
  local own <close> = open()
  local name = name_of(line)
  local difference = check(own:diff(table.unpack(line.operands)))
  if not output.as_json then return output.write(output.text(difference)) end
  output.json(json.object { "name", name, "difference", json.bytes(difference) })
end

-- -- What changes a policy -------------------------------------------------------------

local function tell_version(name, version, format, ...)
  if output.as_json then
    output.json(json.object { "name", name, "version", version })
  else
    output.write(format:format(...), "\n")
  end
end

---@param line cairn.program.Line
function policies.rollback(line)
  local own <close> = open()
  local name = name_of(line)
  local version = check(own:rollback(name, line.operands[2]))
  tell_version(name, version, "%s: version %s decides", name, version)
end

---@param line cairn.program.Line
function policies.promote(line)
  local own <close> = open()
  local name = name_of(line)
  local version = check(own:promote(name))
  tell_version(name, version, "%s: version %s decides", name, version)
end

---@param line cairn.program.Line
function policies.abandon(line)
  local own <close> = open()
  check(own:abandon(name_of(line)))
end

local function share(line, name)
  local text = line.options[name]
  if not text then return nil end
  local number = text:match("^[%d.]+$") and tonumber(text)
  if number and number <= 1 then return number end
  failure.usage("--%s must be a number from 0 to 1, not '%s'", name, text)
end

---@param line cairn.program.Line
function policies.canary(line)
  local name, file = name_of(line), line.operands[2]
  local options = {
    share = share(line, "share"), max_errors = share(line, "max-errors"),
    min_calls = arguments.count(line, "min-calls"),
  }
  local own <close> = open()
  local version = check(own:canary(name, file, options))
  tell_version(name, version, "%s: version %s decides %.4g %% of the calls", name, version,
    (options.share or 0.1) * 100)
end

-- Wakes those who watch: nothing in the file changes.
local function touch(name)
  local file = io.open(name, "ab")
  if file then file:close() end
end

---@param line cairn.program.Line
function policies.reload(line)
  local own <close> = open()
  local wanted, status, known = line.operands[1], 0, false
  for _, info in ipairs(own:list()) do
    local named = wanted == nil or info.name == wanted
    known = known or named
    if named and info.problem then
      output.problem("policy reload", failure.new(info.problem, "policy_error"))
      status = 1
    end
    if named and info.origin ~= "shipped" then
      touch(info.origin)
      if not info.problem then
        tell_version(info.name, info.version, "%s: version %s is taken", info.name, info.version)
      end
    end
  end
  if not known then failure.raise("not_found", "there is no policy '%s'", wanted) end
  return status
end

-- -- Examples --------------------------------------------------------------------------

local function write_results(what, results)
  local failed = 0
  if not output.as_json then output.write(output.name(what), "\n") end
  for _, result in ipairs(results) do
    failed = failed + (result.ok and 0 or 1)
    if output.as_json then
      output.json(json.object {
        "policy", json.bytes(what), "example", json.bytes(result.name), "ok", result.ok,
        "message", json.bytes(result.message), n = 8,
      })
    else
      output.write(result.ok and "  ok      " or "  FAILED  ", output.name(result.name), "\n")
      if not result.ok then output.write("          ", output.name(result.message), "\n") end
    end
  end
  return failed
end

---@param line cairn.program.Line
function policies.test(line)
  local own <close> = open()
  local wanted = line.operands
  if not wanted[1] then
    for i, info in ipairs(own:list()) do wanted[i] = info.name end
  end
  local count, failed = 0, 0
  for _, what in ipairs(wanted) do
    if what == "" then failure.usage("POLICY must not be empty") end
    local results = check(own:test(what))
    count, failed = count + #results, failed + write_results(what, results)
  end
  if not output.as_json then output.write(("%d examples, %d failed\n"):format(count, failed)) end
  return failed > 0 and 1 or 0
end

-- -- try and decide --------------------------------------------------------------------

---@param line cairn.program.Line
policies["try"] = function(line)
  local trace = line.options.trace
  if not trace then failure.usage("--trace is missing: what was recorded") end
  local most = arguments.count(line, "differences") or 10
  local own <close> = open()
  local report = check(own:try(line.operands[1], trace))
  if output.as_json then
    output.json(json.plain(report))
  else
    write_try_report(report, most)
  end
  return report.errors > 0 and 1 or 0
end

local QUESTIONS = { cache_control = true, chain = true, eviction = true }

---@param line cairn.program.Line
function policies.decide(line)
  local question, text = table.unpack(line.operands)
  if not QUESTIONS[question] then
    failure.raise("invalid_argument", "'%s' is no question: cache_control, chain and eviction are",
      question)
  end
  local context = check(cairn.from_json(text or "{}"))
  if type(context) ~= "table" then
    failure.usage("CONTEXT must be an object, not %s", output.visible(text))
  end
  local own <close> = open()
  local decision, step = check(own:decide(question, context))
  if output.as_json then
    local by = type(step) == "table" and json.plain(step) or nil
    return output.json(json.object { "decision", json.plain(decision), "by", by, n = 4 })
  end
  output.write(inspect(decision), "\n")
  local told = type(step) == "table" and step.policy
  if told then
    output.write(("by %s, version %s, line %d\n"):format(step.policy, step.version, step.line or 0))
  end
end

-- -- log -------------------------------------------------------------------------------

local LAST, EVERY_MS = 20, 200

local function write_event(event)
  if output.as_json then return output.write(event.text, "\n") end
  local words = { times.format(event.time), event.policy or "-", event.event }
  if event.version then words[#words + 1] = event.version:sub(1, 12) end
  if event.message then words[#words + 1] = event.message end
  output.write(output.name(table.concat(words, "  ")), "\n")
end

-- The last `most` of those that fit; returns the log to follow.
local function write_last(fits, most)
  local last = {}
  local file = policy_log.visit(function(event)
    if fits(event) then last[#last + 1] = event end
    if #last > 2 * most then last = table.move(last, #last - most + 1, #last, 1, {}) end
  end)
  for i = math.max(1, #last - most + 1), #last do write_event(last[i]) end
  return file
end

local function write_new(file, fits)
  for event in policy_log.events(file) do
    if fits(event) then write_event(event) end
  end
end

---@param line cairn.program.Line
function policies.log(line)
  local name, most = line.operands[1], arguments.count(line, "lines") or LAST
  local function fits(event)
    return name == nil or event.policy == name
  end
  local file = write_last(fits, most)
  while line.options.follow do
    output.finish()
    process.pause(EVERY_MS)
    local over = file and policy_log.is_over(file)
    if file then write_new(file, fits) end
    if over then file:close() end
    if over or not file then
      file = policy_log.open()
      if file then write_new(file, fits) end
    end
  end
  if file then file:close() end
end

return policies
