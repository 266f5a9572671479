--- `workers`: what the workers of running programs do, seen from another process.

local cjson = require "cjson"
local lfs = require "lfs"

local place = require "spec.support.place"
local program = require "spec.support.program"

local COUNTER = [[
local cairn = require "cairn"
return {
  handle = function(state, request)
    if request.sleep then cairn.sleep(request.sleep) end
    for _ = 1, request.spin or 0 do state.spun = true end
    if request.fail then error("no luck") end
    state.count = (state.count or 0) + 1
    return state.count
  end,
}
]]

-- Four requests wait for one that sleeps; another worker has answered three, one of them not.
local BUSY = [[
local cairn = require "cairn"
local workers = assert(cairn.workers { loops = 2, timeout = 0, path = arg[1] .. "/?.lua" })
local function start(group)
  return assert(workers:worker {
    handler = "counter", group = group, static = true, error_strategy = "ignore",
  })
end
local tally, slow = start "jobs/tally", start "jobs/slow"
start "other"
assert(tally:ask {} == 1 and tally:ask {} == 2)
assert(not tally:ask { fail = true })
for _ = 1, 5 do assert(slow:send { sleep = 600000 }) end
while slow:info().state ~= "waiting" or slow:info().queue ~= 4 do cairn.sleep(1) end
]]

describe("cairn workers", function()
  local directory, started, env

  before_each(function()
    directory, started = place.fresh(), {}
    env = { XDG_RUNTIME_DIR = directory }
    place.put(directory .. "/counter.lua", COUNTER)
  end)

  after_each(function()
    for _, process in ipairs(started) do
      if process.open > 0 then
        place.signal(process, "sigkill")
        place.wait(process)
      end
    end
    place.remove(directory)
  end)

  local function workers(...)
    local words = { "workers", ... }
    words[#words + 1] = { env = env }
    return program.within(directory)(table.unpack(words))
  end

  local function done(...)
    local result = workers(...)
    assert.equal("", result.err)
    assert.equal(0, result.code)
    return result.out
  end

  local function lines_of(text)
    local lines = {}
    for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
    return lines
  end

  local function objects(...)
    local list = {}
    for i, line in ipairs(lines_of(done("--json", ...))) do list[i] = cjson.decode(line) end
    return list
  end

  --- Starts a script that says "ready" and then sleeps.
  local function start(source)
    place.put(directory .. "/script.lua",
      source .. '\nprint "ready" io.stdout:flush() require("cairn").sleep(600000)')
    local process = place.start({ program.path, "run", "script.lua", directory }, {
      cwd = directory, env = program.environment(directory, env),
    })
    started[#started + 1] = process
    place.until_said(process, "ready")
    return process, ("%d"):format(process.pid)
  end

  local function kill(process)
    place.signal(process, "sigkill")
    place.wait(process)
  end

  -- -- What is shown --------------------------------------------------------------------

  it("shows the workers of another process, the busiest first, and the sums", function()
    local _, pid = start(BUSY)
    local lines = lines_of(done("--pid", pid))
    assert.matches("^PROCESS +STATE +QUEUE +REQUESTS +FAILED +BUSY +MEMORY +HANDLER +GROUP$",
      lines[1])
    local shape = "^" .. pid .. " +%s +%s +%s +%s +[%%d.]+ m?s +%%-?[%%d.]+ [KMGi]*B +"
      .. "counter@%%x%%x%%x%%x%%x%%x%%x%%x%%x%%x%%x%%x +%s$"
    assert.matches(shape:format("waiting", 4, 0, 0, "jobs/slow"), lines[2])
    assert.matches(shape:format("idle", 0, 3, 1, "jobs/tally"), lines[3])
    assert.matches(shape:format("idle", 0, 0, 0, "other"), lines[4])
    assert.matches("^total +4 +3 +1 .* 3 workers$", lines[5])
    assert.equal(5, #lines)
  end)

  it("shows those whose group begins with a prefix", function()
    local _, pid = start(BUSY)
    local lines = lines_of(done("--pid", pid, "jobs/t"))
    assert.matches("jobs/tally$", lines[2])
    assert.matches("^total .* 1 worker$", lines[3])
    assert.same({}, objects("--pid", pid, "nobody"))
  end)

  it("shows the busiest few, and says how many are left", function()
    local _, pid = start(BUSY)
    local lines = lines_of(done("--pid", pid, "-n", "1"))
    assert.matches("jobs/slow$", lines[2])
    assert.matches("^total +4 +3 ", lines[3])
    assert.equal("2 more are less busy", lines[4])
    assert.equal(0, #lines_of(workers("--json", "--pid", pid, "--lines", "0").out))
  end)

  it("says as JSON what Worker:info() says", function()
    local process, pid = start(BUSY .. [[
      local info = tally:info()
      local names = {}
      for name in pairs(info) do names[#names + 1] = name end
      table.sort(names)
      print(table.concat(names, " "))
      print(info.started)]])
    local found = objects("--pid", pid, "jobs/tally")
    assert.equal(1, #found)
    local info = found[1]
    assert.equal("idle", info.state)
    assert.equal(3, info.requests)
    assert.equal(1, info.failures)
    assert.equal(process.pid, info.pid)
    assert.equal(pid, info.process)
    assert.equal(tonumber(process.out:match("\n(%d+)\n")), info.started)
    for name in process.out:match("[^\n]+"):gmatch("%S+") do
      assert.is_not_nil(info[name], name)
    end
  end)

  it("bounds what a process with very many workers answers", function()
    local _, pid = start [[
      local cairn = require "cairn"
      local workers = assert(cairn.workers { timeout = 0, path = arg[1] .. "/?.lua" })
      for i = 1, 12000 do
        assert(workers:worker { handler = "counter", group = ("g%05d"):format(i), static = true })
      end
      assert(workers:find("g11999"):ask { spin = 1000000 })]]
    local result = workers("--json", "--pid", pid)
    assert.equal(10000, select(2, result.out:gsub("\n", "\n")))
    assert.equal("cairn: 2000 more are less busy\n", result.err)
    assert.equal("g11999", cjson.decode(result.out:match("[^\n]+")).group)
    assert.matches("12000 workers\n11999 more", done("--pid", pid, "-n", "1"), 1, true)
  end)

  it("shows the handlers, and why a changed file is not used", function()
    local _, pid = start(BUSY)
    local before = objects("--pid", pid, "--handlers")
    assert.equal(1, #before)
    assert.equal("counter", before[1].name)
    assert.equal(0, before[1].reloads)
    assert.is_nil(before[1].problem)
    place.put(directory .. "/counter.lua", "return { handle = ")
    local shown
    for _ = 1, 200 do
      shown = done("--pid", pid, "--handlers")
      if shown:find("not used") then break end
    end
    local kept = before[1].version
    assert.matches("\n" .. pid .. " +counter +" .. kept .. " +0 +%S*counter.lua\n", shown)
    assert.matches("\n  not used: [^\n]*counter.lua:1: ", shown)
  end)

  it("shows counters, and how busy the threads are", function()
    local _, pid = start(BUSY)
    local stats = objects("--pid", pid, "--stats")[1]
    assert.equal(3, stats.workers)
    assert.equal(3, stats.started)
    assert.equal(8, stats.posted)
    assert.equal(3, stats.answered)
    assert.equal(1, stats.failed)
    assert.equal(2, #stats.threads)
    local shown = done("--pid", pid, "--stats")
    assert.matches("process " .. pid .. "\n", shown, 1, true)
    assert.matches("\n  posted +8\n", shown)
    assert.matches("\n  thread 2 +%d+  tasks, busy ", shown)
  end)

  it("shows it again and again until it is interrupted", function()
    local _, pid = start(BUSY)
    local watching = place.start({ program.path, "workers", "--pid", pid, "--watch",
      "--interval", "0.1" }, { cwd = directory, env = program.environment(directory, env) })
    started[#started + 1] = watching
    place.until_said(watching, "PROCESS.*\n\nPROCESS.*\n\nPROCESS.*total")
    place.signal(watching, "sigint")
    place.wait(watching)
    assert.equal("", watching.err)
  end)

  -- -- Which processes ------------------------------------------------------------------

  it("asks all processes of the user", function()
    local _, one = start(BUSY)
    local _, other = start(BUSY)
    local seen = {}
    for _, info in ipairs(objects "jobs/slow") do seen[info.process] = true end
    assert.is_true(seen[one])
    assert.is_true(seen[other])
  end)

  it("tells the sets of workers of one process apart", function()
    local _, pid = start(BUSY .. [[
      local second = assert(cairn.workers { loops = 1, timeout = 0, path = arg[1] .. "/?.lua" })
      assert(second:worker { handler = "counter", group = "of the second", static = true })]])
    local list = objects("--pid", pid, "of the second")
    assert.equal(1, #list)
    assert.equal(pid .. "-2", list[1].process)
    assert.equal(4, #objects("--pid", pid))
  end)

  it("forgets processes that were killed, and tidies up after them", function()
    local process, pid = start(BUSY)
    local socket = directory .. "/cairn/" .. pid .. ".sock"
    assert.equal("socket", lfs.attributes(socket, "mode"))
    kill(process)
    assert.equal("socket", lfs.attributes(socket, "mode"))
    local result = workers()
    assert.is_nil(result.err:find(pid, 1, true))
    assert.is_nil(result.out:find(pid, 1, true))
    assert.is_nil(lfs.attributes(socket, "mode"))
  end)

  it("leaves no socket behind when the process ends in order", function()
    start(BUSY:gsub("loops = 2", "loops = 2, drain = 0") .. "workers:close()")
    assert.same({ "counter.lua", "script.lua" }, place.files(directory))
  end)

  it("asks at a place of its own, and nowhere if that is wanted", function()
    local _, pid = start(BUSY:gsub("loops = 2", "loops = 2, control = arg[1] .. '/here.sock'"))
    assert.is_nil(lfs.attributes(directory .. "/cairn"))
    local list = objects("--socket", directory .. "/here.sock", "jobs/tally")
    assert.equal(pid, list[1].process)
    local none = workers("--pid", pid)
    assert.equal(1, none.code)
    assert.matches("no process " .. pid .. " of this user has workers (not_found)", none.err, 1,
      true)
    _, pid = start(BUSY:gsub("loops = 2", "loops = 2, control = false"))
    assert.equal(1, workers("--pid", pid).code)
  end)

  it("says which process does not answer, and shows the others", function()
    local stopped, silent = start(BUSY)
    local _, pid = start(BUSY)
    place.signal(stopped, "sigstop")
    local result = workers("jobs/tally")
    assert.equal(1, result.code)
    assert.matches("no answer in time from " .. directory .. "/cairn/" .. silent
      .. ".sock (timeout)", result.err, 1, true)
    assert.matches("\n" .. pid .. " ", result.out)
  end)

  it("says so when what answers is something else", function()
    lfs.mkdir(directory .. "/cairn")
    assert(os.execute("chmod 700 " .. directory .. "/cairn"))
    local path = directory .. "/cairn/1.sock"
    local other = place.start { place.build .. "/spec/control_server", path }
    started[#started + 1] = other
    place.until_said(other, "serving")
    local result = workers("--pid", "1")
    assert.equal(1, result.code)
    assert.matches("no answer from " .. path .. " (unavailable)", result.err, 1, true)
    result = workers("--socket", directory .. "/nothing.sock")
    assert.equal(1, result.code)
    assert.matches("nothing.sock", result.err, 1, true)
    assert.matches("(not_found)", result.err, 1, true)
  end)

  -- -- Mistakes -------------------------------------------------------------------------

  local mistakes = {
    { "a process that is no number", { "--pid", "x" }, "--pid must be a number, not 'x'" },
    { "a process and a socket", { "--pid", "1", "--socket", "x" }, "not both" },
    { "two things to show", { "--handlers", "--stats" }, "not both" },
    { "a prefix of counters", { "a", "--stats" }, "PREFIX is about workers, not --stats" },
    { "a prefix of two lines", { "a\nb" }, "PREFIX must not hold a line break" },
    { "an interval without --watch", { "--interval", "1" }, "--interval is for --watch" },
    { "an interval that is none", { "--watch", "--interval", "soon" }, "not 'soon'" },
    { "an interval of nothing", { "--watch", "--interval", "0" }, "from 0.1 to 86400" },
    { "lines that are no number", { "--lines", "few" }, "--lines must be a whole number" },
  }
  for _, case in ipairs(mistakes) do
    local mistake, words, said = table.unpack(case)
    it("answers 2 to " .. mistake, function()
      local result = workers(table.unpack(words))
      assert.equal(2, result.code)
      assert.matches(said, result.err, 1, true)
    end)
  end
end)
