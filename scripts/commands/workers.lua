--- `workers`: what the workers of running processes do, asked at their control sockets.

local arguments = require "cairn.program.arguments"
local columns = require "cairn.program.columns"
local control = require "cairn.program.control"
local failure = require "cairn.program.failure"
local json = require "cairn.program.json"
local output = require "cairn.program.output"
local process = require "cairn.process"
local progress = require "cairn.program.progress"
local terminal = require "cairn.terminal"

local workers = {}

local EVERY_S, WATCHED_ROWS = 2, 20
local CLEAR = "\27[H\27[2J"

-- -- Asking ----------------------------------------------------------------------------

local SUMS = {
  queue = "integer", requests = "integer", failures = "integer", busy = "number",
  memory = "integer",
}

local function with(fields, more)
  local all = {}
  for name, kind in pairs(fields) do all[name] = kind end
  for name, kind in pairs(more) do all[name] = kind end
  return all
end

local COUNTERS = {
  "workers", "started", "stopped", "idle", "closed", "replaced", "broken", "killed", "posted",
  "answered", "failed", "full", "rings", "forwarded", "waiting",
}

-- What answers must have.
local FORMS = {
  workers = {
    row = with(SUMS, { group = "string", state = "string" }),
    summary = with(SUMS, { total = "integer" }),
  },
  handlers = {
    row = { name = "string", file = "string", version = "string", reloads = "integer" },
    summary = { total = "integer" },
  },
  stats = { row = { thread = "integer", tasks = "integer", busy = "number" }, summary = {} },
}
for _, name in ipairs(COUNTERS) do FORMS.stats.summary[name] = "integer" end

-- Asks all. Who is gone is no failure, unless its socket was named; those who failed are told.
-- Returns the exit status behind the answers.
local function ask_all(line, word, prefix)
  local question = prefix and word .. " " .. prefix or word
  local named, pid = line.options.socket, line.options.pid
  local answers, status = {}, 0
  for _, socket in ipairs(named and { { path = named } } or control.sockets(pid)) do
    local answer, message, code = control.ask(socket, question, FORMS[word])
    if answer then
      answers[#answers + 1] = answer
    elseif code ~= "not_found" or named then
      output.problem("workers", failure.new(message, code))
      status = 1
    else
      process.discard_control(socket.path)
    end
  end
  if #answers == 0 and status == 0 then
    if pid then failure.raise("not_found", "no process %s of this user has workers", pid) end
    output.note("no process of this user has workers")
  end
  return answers, status
end

local function all_rows(answers)
  local rows = {}
  for _, answer in ipairs(answers) do
    table.move(answer.rows, 1, #answer.rows, #rows + 1, rows)
  end
  return rows
end

local function write_objects(rows)
  for _, row in ipairs(rows) do output.json(json.plain(row)) end
end

-- -- Workers ---------------------------------------------------------------------------

local function duration(ms)
  if ms < 1000 then return ("%.1f ms"):format(ms) end
  if ms < 100000 then return ("%.2f s"):format(ms / 1000) end
  return ("%.0f s"):format(ms / 1000)
end

local function size(bytes)
  return (bytes < 0 and "-" or "") .. progress.size(math.abs(bytes))
end

local function handler_of(row)
  local version = row.version and "@" .. tostring(row.version) or ""
  return output.name(tostring(row.handler or "-") .. version)
end

local function is_busier(a, b)
  if a.queue ~= b.queue then return a.queue > b.queue end
  if a.busy ~= b.busy then return a.busy > b.busy end
  if a.group ~= b.group then return a.group < b.group end
  return a.process < b.process
end

local function busiest(answers, most)
  local rows = all_rows(answers)
  table.sort(rows, is_busier)
  return table.move(rows, 1, math.min(#rows, most or #rows), 1, {})
end

local TITLES = {
  "PROCESS", "STATE", ">QUEUE", ">REQUESTS", ">FAILED", ">BUSY", ">MEMORY", "HANDLER", "GROUP",
}

local function cells_of(row, whose, handler, group)
  return {
    whose, row.state or "", ("%d"):format(row.queue), ("%d"):format(row.requests),
    ("%d"):format(row.failures), duration(row.busy), size(row.memory), handler, group,
  }
end

local function write_table(rows, sums)
  local lines = {}
  for i, row in ipairs(rows) do
    lines[i] = cells_of(row, row.process, handler_of(row), output.name(row.group))
  end
  lines[#lines + 1] = cells_of(sums, "total", "",
    ("%d %s"):format(sums.total, sums.total == 1 and "worker" or "workers"))
  columns(TITLES, lines)
end

local function sums_of(answers)
  local sums = { total = 0, queue = 0, requests = 0, failures = 0, busy = 0.0, memory = 0 }
  for _, answer in ipairs(answers) do
    for name, value in pairs(sums) do sums[name] = value + answer.summary[name] end
  end
  return sums
end

local function write_workers(line, most)
  local answers, status = ask_all(line, "workers", line.operands[1])
  local rows, sums = busiest(answers, most), sums_of(answers)
  local left = sums.total - #rows
  if output.as_json then
    write_objects(rows)
    if left > 0 then output.note("%d more are less busy", left) end
  elseif #answers > 0 then
    write_table(rows, sums)
    if left > 0 then output.write(("%d more are less busy\n"):format(left)) end
  end
  return status
end

-- -- Handlers and counters -------------------------------------------------------------

local function write_handlers(line)
  local answers, status = ask_all(line, "handlers")
  if output.as_json then
    write_objects(all_rows(answers))
    return status
  end
  local rows = {}
  for _, row in ipairs(all_rows(answers)) do
    rows[#rows + 1] = {
      row.process, output.name(row.name), row.version, ("%d"):format(row.reloads),
      output.name(row.file),
    }
    if row.problem then rows[#rows + 1] = "  not used: " .. output.name(row.problem) end
  end
  if #answers > 0 then columns({ "PROCESS", "HANDLER", "VERSION", ">RELOADS", "FILE" }, rows) end
  return status
end

local function write_counters(answer)
  local summary, rows = answer.summary, {}
  for i, name in ipairs(COUNTERS) do
    rows[i] = { "  " .. name, ("%d"):format(summary[name]) }
  end
  for _, thread in ipairs(answer.rows) do
    rows[#rows + 1] = {
      ("  thread %d"):format(thread.thread), ("%d"):format(thread.tasks),
      "tasks, busy " .. duration(thread.busy),
    }
  end
  output.write("process ", answer.process, "\n")
  columns({ "", ">", "" }, rows)
end

local function write_stats(line)
  local answers, status = ask_all(line, "stats")
  for _, answer in ipairs(answers) do
    if output.as_json then
      answer.summary.process, answer.summary.threads = answer.process, answer.rows
      write_objects { answer.summary }
    else
      write_counters(answer)
    end
  end
  return status
end

-- -- The command -----------------------------------------------------------------------

local function check_options(line)
  local options = line.options
  if options.pid and not options.pid:find("^%d+$") then
    failure.usage("--pid must be a number, not '%s'", options.pid)
  end
  if options.pid and options.socket then failure.usage("give --pid or --socket, not both") end
  if options.handlers and options.stats then
    failure.usage("give --handlers or --stats, not both")
  end
  if line.operands[1] and (options.handlers or options.stats) then
    failure.usage("PREFIX is about workers, not %s", options.stats and "--stats" or "--handlers")
  end
  if line.operands[1] and line.operands[1]:find("\n", 1, true) then
    failure.usage("PREFIX must not hold a line break")
  end
end

local function interval_ms(line)
  local text = line.options.interval
  local seconds = text and text:find("^%d+%.?%d*$") and tonumber(text) or not text and EVERY_S
  if not seconds or seconds < 0.1 or seconds > 86400 then
    failure.usage("--interval must be seconds, from 0.1 to 86400, not '%s'", text)
  end
  return math.floor(seconds * 1000)
end

local function watch(write, line, most)
  local every_ms, draws_over = interval_ms(line), terminal.is_terminal(1) and not output.as_json
  local is_first = true
  while true do
    if draws_over then
      output.write(CLEAR)
    elseif not is_first and not output.as_json then
      output.write("\n")
    end
    is_first = false
    write(line, most)
    output.finish()
    process.pause(every_ms)
  end
end

---@param line cairn.program.Line
function workers.workers(line)
  check_options(line)
  local options, most = line.options, arguments.count(line, "lines")
  local write = options.handlers and write_handlers or options.stats and write_stats
    or write_workers
  if not options.watch then
    if options.interval then failure.usage("--interval is for --watch") end
    return write(line, most)
  end
  return watch(write, line, most or not output.as_json and WATCHED_ROWS or nil)
end

return workers
