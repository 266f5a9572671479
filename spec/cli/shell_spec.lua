--- `shell`, from a pipe and with somebody at a terminal.

local place = require "spec.support.place"
local program = require "spec.support.program"
local screen = require "spec.support.screen"

describe("cairn shell", function()
  local directory, cairn

  before_each(function()
    directory = place.fresh()
    cairn = program.within(directory)
    assert.equal(0, cairn("-q", "put", "fruit/apple", "red").code)
    assert.equal(0, cairn("-q", "put", "fruit/apricot kernel", "brown").code)
    assert.equal(0, cairn("-q", "put", "fruit/deep/er", "x").code)
    assert.equal(0, cairn("-q", "put", "grün/blättchen", "leaf").code)
  end)

  after_each(function() place.remove(directory) end)

  describe("from a pipe", function()
    local function feed(text)
      return cairn("shell", { stdin = text })
    end

    local cases = {
      { "prints expressions", "1 + 1\n= 'a' .. 'b'\n", '2\n"ab"\n' },
      { "prints several values", "1, nil, 'x'\n", '1\tnil\t"x"\n' },
      { "prints nothing for statements", "x = 5\nlocal y = 1\n\n-- nothing\n", "" },
      { "takes statements of several lines", "for i = 1, 2 do\nprint(i)\nend\n", "1\n2\n" },
      { "takes expressions of several lines", "{\n1,\n2\n}\n", "{ 1, 2 }\n" },
      { "shows tables with their keys in order", "{ b = 1, a = { true }, 7, [2.5] = 0 }\n",
        "{ 7, [2.5] = 0, a = { true }, b = 1 }\n" },
      { "shows tables that hold themselves", "t = {} t.t = t\nt\n", "{ t = <cycle> }\n" },
      { "shows bytes without sending them", "'\\27[31m\\255\\0\\n\"\\\\'\n",
        [["\x1B[31m\xFF\x00\n\"\\"]] .. "\n" },
      { "has the store open", "store:read('fruit/apple')\n", '"red"\n' },
      { "has the module", "cairn.normalize('//a//b')\n", '"a/b"\n' },
      { "has a cache over it",
        "id = cache:write { a = 1 }\ncache:read(id)\nstore:read(id .. '/a')\n",
        '{ a = 1 }\n"1"\n' },
      { "has the cache only once", "cache == cache, rawget(_G, 'cache') == cache\n",
        "true\ttrue\n" },
      { "has no other names", "nosuch\n", "nil\n" },
      { "shows why not", "store:read('nowhere')\n", "nil\t.*nowhere.*\t\"not_found\"\n" },
    }
    for _, case in ipairs(cases) do
      it(case[1], function()
        local done = feed(case[2])
        assert.equal("", done.err)
        assert.equal(0, done.code)
        if done.out ~= case[3] then assert.matches("^" .. case[3] .. "$", done.out) end
      end)
    end

    it("stops at the first error", function()
      local done = feed("print(1)\nlocal x = nil; x.y = 1\nprint(2)\n")
      assert.equal("1\n", done.out)
      assert.matches("^cairn: stdin:1: .*\nstack traceback:\n.*%[C%]: in %?\n$", done.err)
      assert.equal(1, done.code)
      done = feed("for\nprint(2)\n")
      assert.equal("", done.out)
      assert.equal(1, done.code)
      assert.equal(1, feed("do\nprint(1)\n").code)
      assert.matches("C stack overflow", feed(("("):rep(300) .. "\n").err, 1, true)
    end)

    it("cuts what is endless", function()
      local done = feed("t = {} for i = 1, 5000 do t[i] = i end\nt\n('x'):rep(100000)\n")
      assert.matches("4800 more", done.out, 1, true)
      assert.matches("bytes more", done.out, 1, true)
      assert.is_true(#done.out < 10000)
    end)
  end)

  describe("on a terminal", function()
    local function open()
      return screen.open(directory, "cairn shell", { first = "\ncairn>" })
    end

    it("completes methods of the store and shows a choice", function()
      local terminal <close> = open()
      terminal:type("sto"):press("Tab")
      terminal:await("cairn> store")
      terminal:type(":sna"):press("Tab")
      terminal:await("cairn> store:snapshot")
      terminal:press("C-u"):type("store:re"):press("Tab", "Tab")
      local text = terminal:await("read_at")
      assert.matches("reset", text, 1, true)
      assert.matches("resolve", text, 1, true)
    end)

    it("completes the cache, its methods and its paths", function()
      local terminal <close> = open()
      terminal:type("cac"):press("Tab")
      terminal:await("cairn> cache")
      terminal:type(":read_r"):press("Tab")
      terminal:await("cairn> cache:read_resolved")
      terminal:press("C-u"):type('cache:read("fruit/app'):press("Tab"):type('")'):press("Enter")
      terminal:await('"red"')
    end)

    it("completes globals and fields", function()
      local terminal <close> = open()
      terminal:type("cairn.norm"):press("Tab")
      terminal:await("cairn.normalize")
      terminal:press("C-u"):type("t = string.gs"):press("Tab")
      terminal:await("t = string.gsub")
      terminal:press("C-u"):type("collectg"):press("Tab")
      terminal:await("collectgarbage")
    end)

    it("completes paths in strings, also with blanks", function()
      local terminal <close> = open()
      terminal:type('store:read("fr'):press("Tab")
      terminal:await('store:read("fruit/')
      terminal:type("app"):press("Tab"):type('")'):press("Enter")
      terminal:await('"red"')
      terminal:type("store:read('fruit/apr"):press("Tab"):type("')"):press("Enter")
      terminal:await('"brown"')
      terminal:type('store:read("grün/'):press("Tab"):type('")'):press("Enter")
      terminal:await('"leaf"')
      terminal:type('store:list("fruit/d'):press("Tab")
      terminal:await('store:list("fruit/deep/')
      terminal:press("C-u"):type('print("fr'):press("Tab"):type('x")'):press("Enter")
      terminal:await('print("frx")')
    end)

    it("takes several lines and remembers them", function()
      local terminal <close> = open()
      terminal:enter("for i = 1, 3 do")
      terminal:await("->")
      terminal:enter("print('line ' .. i * 7)"):enter("end")
      terminal:await("line 21")
      terminal:enter("40 + 2")
      terminal:await("\n42")
      terminal:press("C-l"):press("Up"):type(" + 1"):press("Enter")
      terminal:await("\n43")
      terminal:press("C-d")
      terminal:await("[exit 0]")

      local again <close> = open()
      again:press("Up"):await("40 + 2 + 1")
      local folder = directory .. "/.local/state/cairn"
      local mode = require("lfs").attributes(folder .. "/history", "permissions")
      assert.equal("rw-------", mode)
    end)

    it("abandons a line and a statement at Ctrl-C", function()
      local terminal <close> = open()
      terminal:type("nonsense nonsense")
      terminal:await("nonsense nonsense")
      terminal:press("C-c")
      terminal:await("^C")
      terminal:enter("if true then")
      terminal:await("->")
      terminal:press("C-c")
      terminal:await("-> ^C")
      terminal:enter("6 * 7")
      terminal:await("\n42")
    end)

    it("interrupts what runs and goes on", function()
      local terminal <close> = open()
      terminal:enter("print('be' .. 'gun') while true do end")
      terminal:await("\nbegun")
      terminal:press("C-c")
      terminal:await("interrupted!")
      terminal:enter("6 * 7")
      terminal:await("\n42")
    end)

    it("says what is wrong and goes on", function()
      local terminal <close> = open()
      terminal:enter("nothing.at.all")
      terminal:await("attempt to index a nil value (global 'nothing')")
      terminal:enter("x = = 1")
      terminal:await("unexpected symbol near '='")
      terminal:enter("6 * 7")
      terminal:await("\n42")
      terminal:enter("os.exit(3)")
      terminal:await("[exit 3]")
    end)
  end)
end)
