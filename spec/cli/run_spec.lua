--- `run`: scripts behave as under the stock interpreter.

local place = require "spec.support.place"
local program = require "spec.support.program"

describe("cairn run", function()
  local directory, cairn

  before_each(function()
    directory = place.fresh()
    cairn = program.within(directory)
  end)

  after_each(function() place.remove(directory) end)

  local function script(text, name)
    place.put(directory .. "/" .. (name or "script.lua"), text)
  end

  it("gives a script its arguments as lua5.4 does", function()
    script [[
      print(arg[0], #arg, arg[1], arg[2], ...)
      print(arg[-1], arg[-2] and "program", arg[-3])
    ]]
    local done = cairn("run", "script.lua", "--json", "a b")
    assert.equal("script.lua\t2\t--json\ta b\t--json\ta b\nrun\tprogram\tnil\n", done.out)
    assert.equal(0, done.code)
  end)

  it("prints what the stock interpreter prints for a script that fails", function()
    local scripts = {
      'local function f() error("boom") end\n\nf()',
      'local t = nil\nprint(t.x)',
      'error({})',
      'error(setmetatable({}, { __tostring = function() return "an object" end }))',
      'error("without a place", 0)',
      'error()',
      'x = = 1',
      'coroutine.wrap(function() error("inside") end)()',
      'require "does_not_exist"',
    }
    for _, text in ipairs(scripts) do
      script(text)
      local stock = place.run({ "/usr/bin/lua5.4", "script.lua" }, {
        cwd = directory, env = program.environment(directory),
      })
      local own = cairn("run", "script.lua")
      assert.equal(1, stock.code)
      assert.equal(1, own.code)
      assert.equal((stock.err:gsub("^[^:]*lua5%.4: ", "cairn: ")), own.err)
    end
  end)

  it("blames a script's own line for what it gives to cairn.open", function()
    for _, where in ipairs { "5", "true", "{ backend = 'fs', path = 5 }" } do
      script(("local cairn = require 'cairn'\n\nlocal store = cairn.open(%s)\n"):format(where))
      local done = cairn("run", "script.lua")
      assert.equal(1, done.code)
      assert.matches("^cairn: script.lua:3: bad argument #1 to 'open' %(", done.err)
    end
  end)

  it("ends with the status the script asks for", function()
    local cases = { { "os.exit(7)", 7 }, { "os.exit(false)", 1 }, { "os.exit(true, true)", 0 },
      { "return 5", 0 } }
    for _, case in ipairs(cases) do
      script(case[1])
      assert.equal(case[2], cairn("run", "script.lua").code)
    end
  end)

  it("finds modules beside the script's caller and on LUA_PATH", function()
    script("return { name = 'beside' }", "beside.lua")
    script("return { name = 'far' }", "far_module.lua")
    script "print(require('beside').name, pcall(require, 'far.far_module'))"
    assert.matches("beside\tfalse", cairn("run", "script.lua").out, 1, true)
    script "print(require('x').name)"
    local done = cairn("run", "script.lua", {
      env = { LUA_PATH = directory .. "/far_module.lua" },
    })
    assert.equal("far\n", done.out)
  end)

  it("has the module built in, and opens the default store", function()
    script [[
      local cairn = require "cairn"
      local store <close> = assert(cairn.open())
      assert(store:write("from/script", "here"))
      print(store:url())
    ]]
    local done = cairn("run", "script.lua")
    assert.equal("rocksdb:./cairn-data\n", done.out)
    assert.equal("cairn: made a store in ./cairn-data (rocksdb)\n", done.err)
    assert.equal("here", cairn("get", "from/script").out)
    done = cairn("--quiet", "--store", "fs:other", "run", "script.lua")
    assert.equal("fs:other\n", done.out)
    assert.equal("", done.err)
  end)

  it("hands --store on to the programs a script starts", function()
    script "os.execute('echo $CAIRN_STORE')"
    assert.equal("fs:x\n", cairn("--store", "fs:x", "run", "script.lua").out)
  end)

  it("reads a script from standard input", function()
    local done = cairn("run", "-", "a", { stdin = "print(arg[0], ...) error('here')" })
    assert.equal("-\ta\n", done.out)
    assert.matches("cairn: stdin:1: here", done.err, 1, true)
    assert.equal(1, done.code)
  end)

  it("is a good first line of a script", function()
    local bin = directory .. "/bin"
    assert(require("lfs").mkdir(bin))
    assert(require("luv").fs_symlink(program.path, bin .. "/cairn"))
    script "#!/usr/bin/env -S cairn run\nprint('started', ...)"
    local done = program.shell(directory,
      "chmod +x script.lua && PATH=$PWD/bin:$PATH ./script.lua a")
    assert.equal("started\ta\n", done.out)
  end)

  it("runs LUA_INIT first", function()
    script "print(greeting)"
    local done = cairn("run", "script.lua", { env = { LUA_INIT = "greeting = 'hello'" } })
    assert.equal("hello\n", done.out)
  end)

  it("tells a program about a failing script as one object", function()
    script "error('boom')"
    local done = cairn("--json", "run", "script.lua")
    local said = require("cjson").decode(done.err)
    assert.equal("script_error", said.code)
    assert.matches("^script.lua:1: boom\nstack traceback:\n", said.message)
    assert.equal(1, done.code)
  end)

  it("says that there is no such script", function()
    local done = cairn("run", "missing.lua")
    assert.equal(1, done.code)
    assert.matches("cairn: cannot open missing.lua", done.err, 1, true)
    assert.equal(2, cairn("run").code)
  end)

  it("stops at an interrupt, with a traceback", function()
    script "print('running') io.stdout:flush() while true do end"
    local process = place.start({ program.path, "run", "script.lua" }, {
      cwd = directory, env = program.environment(directory),
    })
    place.until_said(process, "running")
    place.signal(process, "sigint")
    place.wait(process)
    assert.equal(1, process.code)
    assert.matches("^cairn: .*interrupted!\nstack traceback:\n.*script.lua:1: in main chunk\n",
      process.err)
  end)
end)
