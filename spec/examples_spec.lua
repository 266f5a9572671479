--- Every example, run as its reader would run it, says what it should.

local lfs = require "lfs"

local place = require "spec.support.place"

local HERE = lfs.currentdir()

--- Runs an example with the program, in `directory`, and returns what it printed.
local function run(directory, name, ...)
  local process = place.run(
    { place.build .. "/cairn", "run", HERE .. "/examples/" .. name .. ".lua", ... },
    { cwd = directory, env = { CAIRN_STORE = "" }, seconds = 300 })
  assert.equal(0, process.code, process.err .. process.out)
  return process.out
end

local function has(out, ...)
  for _, line in ipairs { ... } do assert.matches(line, out, 1, true) end
end

describe("the example", function()
  local directory

  before_each(function() directory = place.fresh() end)
  after_each(function() place.remove(directory) end)

  it("hello puts, reads, links and lists, and finds it all again", function()
    local first = run(directory, "hello")
    has(first, "run 1 on rocksdb:", "cairn-data", "read back: Hello, world",
      "through a link: Bonjour, le monde", "through a linked group: Hallo, Welt",
      "  de  Hallo, Welt\n  en  Hello, world\n  fr  Bonjour, le monde\n",
      "facts: simple, 17 bytes, polite = true", "'greetings' (is_group)")
    assert.equal("directory", lfs.attributes(directory .. "/cairn-data", "mode"))
    has(run(directory, "hello"), "run 2 on rocksdb:", "read back: Hello, world")
  end)

  for _, url in ipairs { "memory:", "fs:./store", "rocksdb:./store" } do
    it("hello and notes say the same on " .. url, function()
      has(run(directory, "hello", url), "run 1 on " .. url, "(is_group)")
      has(run(directory, "notes", url),
        "food:\n  bread        flour, water, salt, and time\n  soup         onions first",
        "soup, by its tag: onions, garlic, patience",
        "food:\n  soup         onions, garlic, patience\ntags",
        "  food     1\n  home     1\n  people   1\n  tools    2\n")
    end)
  end

  for _, url in ipairs { "memory:", "rocksdb:./store" } do
    it("counter loses nothing, on " .. url, function()
      has(run(directory, "counter", url),
        "100 visits after 2 tries", "anna -> bert: 30, 70 left",
        "bert -> anna: 500 refused: bert has too little", "anna 70, bert 35",
        "set back from 41: conflict")
    end)
  end

  it("hello runs in a stock lua5.4 as well", function()
    local process = place.run({
      "/usr/bin/env", "lua5.4", HERE .. "/examples/hello.lua", "fs:" .. directory .. "/store",
    }, { env = { LUA_CPATH = place.build .. "/?.so;;" } })
    assert.equal(0, process.code, process.err)
    has(process.out, "run 1 on fs:", "read back: Hello, world")
  end)

  it("log counts a day by a range of names", function()
    local log = directory .. "/dpkg.log"
    place.put(log, table.concat({
      "2026-01-01 08:00:00 startup archives unpack",
      "2026-01-01 08:00:01 install one:amd64 <none> 1.0",
      "2026-01-01 23:59:59 install two:amd64 <none> 1.0",
      "2026-01-02 00:00:00 install three:amd64 <none> 1.0",
      "2026-01-02 00:00:00 status installed three:amd64 1.0",
      "2026-01-02 13:00:00 remove one:amd64 1.0 <none>",
    }, "\n") .. "\n")
    local out = run(directory, "log", "rocksdb:./store", log)
    has(out, "6 entries of the package manager's log",
      "2026-01-01       3 entries,     2 installs", "2026-01-02       3 entries,     1 installs",
      "before noon of 2026-01-02",
      "  00:00:00  install three:amd64 <none> 1.0\n  00:00:00  status installed three")
    assert.is_nil(out:find("remove one", 1, true))
  end)

  it("log makes up a week where there is no log", function()
    local out = run(directory, "log", "memory:", directory .. "/no-such-file")
    has(out, "168 entries of a made-up week", "2026-01-02      24 entries,     4 installs")
  end)

  it("files keeps equal contents once", function()
    local tree = directory .. "/it's a tree"
    for _, folder in ipairs { "", "/sub", "/sub/deep er" } do lfs.mkdir(tree .. folder) end
    place.put(tree .. "/one", "same content")
    place.put(tree .. "/sub/two", "same content")
    place.put(tree .. "/sub/deep er/three", "other content\0\1")
    place.put(tree .. "/empty", "")
    local out = run(directory, "files", "rocksdb:./store", tree)
    has(out, "4 files, 39 bytes", "new contents: 3 files, 27 bytes", "all 4 files read back equal")
    assert.matches("kept once: one, sub/two %(content/%x+", out)
    local again = run(directory, "files", "rocksdb:./store", tree)
    has(again, "new contents: 0 files, 0 bytes", "all 4 files read back equal")
  end)

  it("cached_report computes what is asked for once, and again when it has to", function()
    for _, url in ipairs { "memory:", "fs:./files", "rocksdb:./store" } do
      for _ = 1, 2 do
        local ways = {}
        local out = run(directory, "cached_report", url)
        for way in out:gmatch("%a+ +(%a+) +[ts][%a]+ %d") do ways[#ways + 1] = way end
        assert.same({ "miss", "hit", "bypass", "stale", "hit", "miss", "miss" }, ways)
        has(out, "june  miss    total 71, computed 1 times", "status 504", "purged: 1\n",
          "june  miss    total 71, computed 4 times")
      end
    end
  end)

  it("tiers fills memory from the disk, and forgets what has changed", function()
    local out = run(directory, "tiers", "rocksdb:./store")
    has(out, "Hello, world  from disk\nHello, world  from memory\n"
      .. "Good morning  from disk\nGood morning  from memory\n", "not_found: ",
      "decide chain by policies/chain.lua: ask memory, disk; promote to memory",
      "memory asked 6 times, found 3, filled 2", "disk   asked 5 times, found 2, filled 0")
  end)

  it("own_policy changes what is decided, refuses what is broken, and goes back", function()
    for _ = 1, 2 do
      local out = run(directory, "own_policy", directory .. "/it's mine")
      has(out, "fresh for 10000 ms, says line 9 of cache_control", "10 s:   miss, hit\n"
        .. "later:  miss, hit\n1 hour: miss, hit\nlater:  hit\nrefused: ",
        "cache_control.lua:20: syntax error near 'policy'\nstill:  hit\n"
        .. "rolled back: local SECONDS = 10\n")
    end
    local file = place.content(directory .. "/it's mine/cache_control.lua")
    assert.matches("local SECONDS = 10\n", file, 1, true)
  end)

  it("process counts what it is asked, moves with what it is, and ends of an error", function()
    has(run(directory, "process"), "after 1,000 visits\t1100\n", "moved\ttrue\ttrue\n",
      "asked nonsense\tnil\tleader_died\n",
      "reason\tattempt to add a 'number' with a 'string'\n", "afterwards\tleader_died\n")
  end)

  it("process runs in a stock lua5.4 as well", function()
    local process = place.run({ "/usr/bin/env", "lua5.4", HERE .. "/examples/process.lua" }, {
      env = { LUA_CPATH = place.build .. "/?.so;;", XDG_RUNTIME_DIR = directory },
    })
    assert.equal("", process.err)
    assert.equal(0, process.code)
    has(process.out, "after 1,000 visits\t1100\n", "afterwards\tleader_died\n")
  end)

  it("rate_limiter lets nobody have more than the rate, and each his own", function()
    has(run(directory, "rate_limiter"), "anna at once: 5 of 20, then again in 100 ms\n",
      "bert is not anna: 3 of 3\n", "anna 300 ms later: 3 of 20\n",
      "limit/anna\t40 requests\n", "limit/bert\t3 requests\n")
  end)

  it("expensive_report is computed once for a thousand callers", function()
    for _, url in ipairs { "memory:", "rocksdb:./store" } do
      has(run(directory, "expensive_report", url),
        "1000 callers, computed 1 time, shared with 999, found 1000 times\n", "\nin time\n",
        "Report of 2026\n")
    end
  end)

  for _, url in ipairs { "rocksdb:./store", "fs:./store" } do
    it("survivor goes on where it was killed, on " .. url, function()
      local said = {
        "^nothing is known\nnow at 250\n$", "^it was at 250: value 250\nnow at 500\n$",
        "^it was at 500: value 500\nnow at 750\n$",
      }
      for _, expected in ipairs(said) do
        local process = place.run(
          { place.build .. "/cairn", "run", HERE .. "/examples/survivor.lua", url },
          { cwd = directory, env = { CAIRN_STORE = "" }, seconds = 300 })
        assert.equal(9, process.signal)
        assert.matches(expected, process.out)
      end
    end)
  end

  it("policy_under_load fails no call, whatever is done to the policy", function()
    local out = run(directory, "policy_under_load")
    local chapters, fine = select(2, out:gsub("\n    %d+ calls, ", "")),
      select(2, out:gsub("\n    %d+ calls, 0 failed; ", ""))
    assert.equal(8, chapters)
    assert.equal(8, fine, out)
    has(out, "cache_control.lua:6: there is no global 'store'",
      'cache_control.lua:6: example "and kept": store is false, not true',
      "cache_control.lua:4: over its limit of 100000 steps",
      "cache_control.lua:4: over its limit of 131072 bytes of memory",
      "candidate.txt:4: attempt to index a nil value", "which is the good edit: true")
    assert.matches("ms  returned  %x+  %d+ of its %d+ calls failed", out)
    -- A hundred, unless the new version came between the look-up and the keeping of a page.
    local misses = tonumber(out:match("a good edit.-hits %d+, misses (%d+), .-ms  loaded "))
    assert.is_true(misses >= 99 and misses <= 100, out)
  end)
end)

-- -- packages.lua, against a reckoning of its own -------------------------------------------------

--- What each installed package needs, as dpkg-query tells it (the example reads the file itself).
local function needs_by_dpkg()
  local query = place.run {
    "/usr/bin/env", "dpkg-query", "-W", "-f",
    "${db:Status-Status}\t${Package}\t${Depends}, ${Pre-Depends}\t${Provides}\t${Version}\n",
  }
  assert.equal(0, query.code, query.err)
  local rows, providers, versions = {}, {}, {}
  for line in query.out:gmatch("[^\n]+") do
    local state, name, wanted, provided, version =
      line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)$")
    if state == "installed" then
      rows[name], versions[name] = wanted, version
      for item in (name .. ", " .. provided):gmatch("[^,]+") do
        local given = item:match("^%s*([^%s:(]+)")
        if given then
          providers[given] = providers[given] or {}
          providers[given][name] = true
        end
      end
    end
  end
  local needs = {}
  for name, wanted in pairs(rows) do
    needs[name] = {}
    for item in wanted:gmatch("[^,|]+") do
      local given = item:match("^%s*([^%s:(]+)")
      for provider in pairs(given and providers[given] or {}) do
        if provider ~= name then needs[name][provider] = true end
      end
    end
  end
  return needs, versions
end

local function reached(edges, from)
  local seen, stack, count = { [from] = true }, { from }, 0
  while #stack > 0 do
    for other in pairs(edges[table.remove(stack)] or {}) do
      if not seen[other] then
        seen[other] = true
        count = count + 1
        stack[#stack + 1] = other
      end
    end
  end
  return count, seen
end

local function count_of(set)
  local count = 0
  for _ in pairs(set) do count = count + 1 end
  return count
end

--- The longest chain by brute force: two packages are in one circle when each reaches the other.
local function longest_chain(needs)
  local reach, circle = {}, {}
  for name in pairs(needs) do reach[name] = select(2, reached(needs, name)) end
  for name in pairs(needs) do
    local smallest = name
    for other in pairs(reach[name]) do
      if reach[other][name] and other < smallest then smallest = other end
    end
    circle[name] = smallest
  end
  local above, length = {}, {}
  for name, others in pairs(needs) do
    for other in pairs(others) do
      if circle[name] ~= circle[other] then
        above[circle[name]] = above[circle[name]] or {}
        above[circle[name]][circle[other]] = true
      end
    end
  end
  local function measure(name)
    if not length[name] then
      length[name] = 1
      for other in pairs(above[name] or {}) do
        length[name] = math.max(length[name], 1 + measure(other))
      end
    end
    return length[name]
  end
  local longest = 0
  for _, name in pairs(circle) do longest = math.max(longest, measure(name)) end
  return longest, circle
end

describe("the example packages", function()
  local directory, needs, versions, needed_by

  setup(function()
    needs, versions = needs_by_dpkg()
    needed_by = {}
    for name, others in pairs(needs) do
      for other in pairs(others) do
        needed_by[other] = needed_by[other] or {}
        needed_by[other][name] = true
      end
    end
  end)
  before_each(function() directory = place.fresh() end)
  after_each(function() place.remove(directory) end)

  local function assert_answers(out, subject)
    has(out, ("  %d packages, "):format(count_of(needs)),
      ("%s %s: "):format(subject, versions[subject]))
    local counts = {}
    for count in out:gmatch("needs?[^\n]*%?%s+[%d.]+ ms\n  (%d+): ") do
      counts[#counts + 1] = math.tointeger(count)
    end
    assert.same({
      count_of(needed_by[subject] or {}), (reached(needed_by, subject)),
      count_of(needs[subject]), (reached(needs, subject)),
    }, { table.unpack(counts, 1, 4) })
  end

  it("answers as the package manager's own data say", function()
    local out = run(directory, "packages", "rocksdb:./store")
    assert_answers(out, "libc6")

    local longest, circle = longest_chain(needs)
    has(out, ("  %d links, circles counted as one:"):format(longest))
    local chain = {}
    for name in out:match("circles counted as one:\n(.*)$"):gmatch("  ([^%s]+)[^\n]*\n") do
      chain[#chain + 1] = name
    end
    assert.equal(longest, #chain)
    for i = 2, #chain do -- every link is a real one: somebody in the circle above needs one below
      local real = false
      for name, others in pairs(needs) do
        if circle[name] == circle[chain[i - 1]] then
          for other in pairs(others) do real = real or circle[other] == circle[chain[i]] end
        end
      end
      assert.is_true(real, chain[i - 1] .. " -> " .. chain[i])
    end
  end)

  it("answers for a package that is named, on a second run, and elsewhere", function()
    run(directory, "packages", "rocksdb:./store", "lua5.4")
    assert_answers(run(directory, "packages", "rocksdb:./store", "dpkg"), "dpkg")
    assert_answers(run(directory, "packages", "memory:", "bash"), "bash")
  end)
end)
