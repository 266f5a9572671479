--- Which store is opened when none is named, and what a configuration file can not do.

local lfs = require "lfs"

local place = require "spec.support.place"
local program = require "spec.support.program"

describe("the default store", function()
  local directory, cairn

  before_each(function()
    directory = place.fresh()
    cairn = program.within(directory)
  end)

  after_each(function() place.remove(directory) end)

  local function configure(text)
    place.put(directory .. "/cairn.conf.lua", text)
  end

  -- The URL of the store that a write went to.
  local function used(options)
    local done = cairn("-q", "put", "probe", "1", options)
    assert.equal("", done.err)
    return (cairn("--json", "stat", "probe", options).out:match('"store":"([^"]*)"'))
  end

  it("is an embedded RocksDB, and that is said when it is made, once", function()
    local done = cairn("put", "a", "1")
    assert.equal("cairn: made a store in ./cairn-data (rocksdb)\n", done.err)
    assert.equal("", cairn("put", "b", "2").err)
    assert.equal("rocksdb:./cairn-data", used())
  end)

  it("is made by no command that only reads or removes", function()
    for _, words in ipairs {
      { "get", "a" }, { "ls" }, { "tree" }, { "stat", "a" }, { "export" }, { "rm", "a" },
    } do
      local done = cairn(table.unpack(words))
      assert.equal(1, done.code)
      assert.matches("there is no store in ./cairn%-data yet.*%(not_found%)\n", done.err)
      assert.equal("", done.out)
    end
    assert.equal(1, cairn("--store", "fs:elsewhere", "ls").code)
    assert.equal(1, cairn("--store", "rocksdb:elsewhere", "get", "a").code)
    assert.same({}, place.files(directory))
  end)

  it("can be read while another process writes to it, but not written", function()
    place.put(directory .. "/holder.lua", [[
      local store <close> = assert(require("cairn").open())
      assert(store:write("a", "held"))
      print("held")
      io.stdout:flush()
      os.execute("exec sleep 3")
    ]])
    local holder = place.start({ program.path, "run", "holder.lua" }, {
      cwd = directory, env = program.environment(directory),
    })
    place.until_said(holder, "held")
    assert.equal("held", cairn("get", "a").out)
    assert.equal("a\n", cairn("ls").out)
    local done = cairn("put", "b", "1")
    assert.equal(1, done.code)
    assert.matches("cairn%-data.*%(%l+%)\n$", done.err)
    place.wait(holder)
    assert.equal(0, holder.code)
  end)

  it("is what --store, CAIRN_STORE and the configuration say, in this order", function()
    configure "return { store = 'fs:./configured' }"
    assert.equal("fs:./configured", used())
    local env = { CAIRN_STORE = "fs:./environment" }
    assert.equal("fs:./environment", used { env = env })
    local done = cairn("--store", "fs:./named", "put", "probe", "1", { env = env })
    assert.equal(0, done.code)
    assert.truthy(lfs.attributes(directory .. "/named"))
  end)

  it("may be a table, and be configured for the user", function()
    configure "return { store = { backend = 'fs', path = 'configured' } }"
    assert.matches("^fs:", used())
    os.remove(directory .. "/cairn.conf.lua")
    lfs.mkdir(directory .. "/.config")
    lfs.mkdir(directory .. "/.config/cairn")
    place.put(directory .. "/.config/cairn/cairn.conf.lua", "return { store = 'fs:./home' }")
    assert.equal("fs:./home", used())
    lfs.mkdir(directory .. "/xdg")
    lfs.mkdir(directory .. "/xdg/cairn")
    place.put(directory .. "/xdg/cairn/cairn.conf.lua", "return { store = 'fs:./xdg-store' }")
    assert.equal("fs:./xdg-store", used { env = { XDG_CONFIG_HOME = directory .. "/xdg" } })
  end)

  it("is what the stock interpreter opens too", function()
    configure "return { store = 'fs:./configured' }"
    local done = place.run({ "/usr/bin/lua5.4", "-e",
      "local store <close> = assert(require('cairn').open()) print(store:url())" }, {
      cwd = directory,
      env = program.environment(directory, { LUA_CPATH = place.build .. "/?.so" }),
    })
    assert.equal("fs:./configured\n", done.out)
  end)

  it("computes what its configuration computes", function()
    configure [[
      local parts = {}
      for i, name in ipairs { "a", "b" } do table.insert(parts, i .. name:upper()) end
      return { store = ("fs:./%s"):format(table.concat(parts, "-")) }
    ]]
    assert.equal("fs:./1A-2B", used())
  end)

  local refused = {
    { "an unknown key", "return { stroe = 'memory:' }", "cairn.conf.lua: unknown key 'stroe'" },
    { "no table", "return 'memory:'", "cairn.conf.lua: must return a table" },
    { "a store that is a number", "return { store = 5 }", "'store' must be" },
    { "a nested option", "return { store = { backend = {} } }", "'backend' must be" },
    { "a syntax error", "return {\n\n  store = = 1 }", "cairn.conf.lua:3: " },
    { "an error of its own", "\nerror('no')", "cairn.conf.lua:2: no" },
    { "an error that is a table", "error({})", "cairn.conf.lua: raised a table" },
    { "too deep a nesting", "return " .. ("("):rep(300), "C stack overflow" },
    { "bytecode", string.dump(load("return {}")), "binary chunk" },
    { "64 KiB", "--" .. ("x"):rep(65536), "over 65536 bytes" },
    { "an unknown store", "return { store = 'nosuch:x' }", "nosuch" },
  }
  for _, case in ipairs(refused) do
    local what, text, said = table.unpack(case)
    it("refuses a configuration with " .. what .. ", saying where", function()
      configure(text)
      local done = cairn("put", "a", "1")
      assert.equal(1, done.code)
      assert.matches(said, done.err, 1, true)
      assert.matches("(invalid_argument)", done.err, 1, true)
    end)
  end

  it("refuses a configuration whose store has an option of the wrong type", function()
    configure "return { store = { backend = 'fs', path = 5 } }"
    for _, words in ipairs { { "ls" }, { "put", "a", "1" }, { "-q", "put", "a", "1" } } do
      local done = cairn(table.unpack(words))
      assert.equal(1, done.code)
      assert.matches("^cairn: [^\n]* cairn.conf.lua: store: [^\n]*options.path[^\n]*\n$", done.err)
      assert.matches("(invalid_argument)", done.err, 1, true)
    end
  end)

  it("is not configured by what is no file, and does not wait for it", function()
    local done = program.shell(directory, "mkfifo cairn.conf.lua; timeout 10 "
      .. program.quote(program.path) .. " put a 1")
    assert.equal(1, done.code)
    assert.equal("cairn: put: cairn.conf.lua: not a regular file (io)\n", done.err)
  end)

  local endless = {
    { "loops for ever", "while true do end" },
    { "recurses for ever", "local function f() return 1 + f() end return f()" },
    { "calls itself for ever", "local function f() return f() end return f()" },
    { "doubles a string", "local s = 'xxxxxxxx' while true do s = s .. s end" },
    { "joins wide", "local s = 'xxxxxxxx' while true do s = s" .. (" .. s"):rep(150) .. " end" },
    { "fills a table", "local t = {} for i = 1, 1e9 do t[i] = {} end" },
    { "concatenates a table", [[
      local s, t = ("x"):format(), {}
      for _ = 1, 12 do s = s .. s end
      for i = 1, 1000 do t[i] = s end
      return { store = table.concat(t) }]] },
    { "formats much", [[
      local s = "x"
      for _ = 1, 15 do s = s .. s end
      return { store = string.format("%s%s%s%s", s, s, s, s) }]] },
    { "loops behind a sort", "table.insert({}, 1, 2) for _ in function() return 1 end do end" },
  }
  for _, case in ipairs(endless) do
    it("stops a configuration that " .. case[1], function()
      configure(case[2])
      local began = os.time()
      -- Address space for the program and its libraries, not for a bomb; sanitizers
      -- reserve terabytes and are let be.
      local limit = place.build:find("san") and "" or "ulimit -v 2000000; "
      local done = program.shell(directory, limit .. "cairn put a 1")
      assert.equal(1, done.code)
      assert.matches("cairn.conf.lua:%d+: .*%(invalid_argument%)", done.err)
      assert.is_true(os.time() - began < 10)
    end)
  end

  it("gives a configuration no way out", function()
    local ways = {
      "io", "os", "debug", "require", "load", "loadstring", "loadfile", "dofile", "package", "_G",
      "collectgarbage", "getmetatable", "setmetatable", "rawset", "rawget", "rawequal", "pcall",
      "xpcall", "coroutine", "print", "warn", "utf8", "arg", "cairn", "string.rep", "string.dump",
      "string.gsub", "string.find", "('').rep", "('').gsub", "('').dump", "table.unpack",
      "table.move", "table.sort", "math.randomseed",
    }
    for _, way in ipairs(ways) do
      configure(("return { store = %s == nil and 'fs:./closed' or 'fs:./open' }"):format(way))
      assert.equal("fs:./closed", used(), way)
    end
  end)

  it("lets a configuration change nothing outside of itself", function()
    configure [[
      string.format = nil
      math.floor = nil
      store, _ENV = 1, { x = 1 }
      return { store = "fs:./kept" }
    ]]
    place.put(directory .. "/script.lua", [[
      local store <close> = assert(require("cairn").open())
      print(("%s"):rep(2), math.floor(1.5), _G.store, store:url())
    ]])
    assert.equal("%s%s\t1\tnil\tfs:./kept\n", cairn("run", "script.lua").out)
  end)
end)
