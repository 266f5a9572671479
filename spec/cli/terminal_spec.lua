--- What only a terminal sees: progress, and names that would command it.

local place = require "spec.support.place"
local program = require "spec.support.program"
local screen = require "spec.support.screen"

describe("on a terminal", function()
  local directory, cairn

  before_each(function()
    directory = place.fresh()
    cairn = program.within(directory)
  end)

  after_each(function() place.remove(directory) end)

  local SLOWLY = "(head -c 3000000 /dev/zero; sleep 0.5; head -c 3000000 /dev/zero; sleep 1)"

  -- All that a terminal is sent while the program runs; in its first tenth of a second it
  -- is held up for longer than short work may stay silent.
  local function sent_while_held_up(words, env)
    place.put(directory .. "/held", ([[
      %s %s &
      sleep 0.1
      kill -STOP $!; sleep 0.4; kill -CONT $!
      wait $!
    ]]):format(program.quote(program.path), words))
    local done = program.shell(directory, "script -qec 'bash held' /dev/null", env)
    assert.equal(0, done.code)
    return done.out
  end

  it("a long put shows how much there is, and clears it away", function()
    local terminal <close> = screen.open(directory, SLOWLY .. " | cairn -q ls; "
      .. SLOWLY .. " | cairn put large; cairn get large | wc -c")
    terminal:await("MiB")
    local text = terminal:await("6000000")
    assert.is_nil(text:find("MiB", 1, true))
  end)

  it("a long import shows a bar", function()
    local lines = {}
    for i = 1, 60000 do
      lines[i] = ('{"path":"g/%d","type":"simple","value":"%s"}\n'):format(i, ("x"):rep(100))
    end
    place.put(directory .. "/lines", table.concat(lines))
    local sent = sent_while_held_up("import lines")
    assert.matches("import %[#* *%] +%d+%%  [%d.]+ [KM]?i?B of 8%.%d MiB", sent)
    assert.matches("\r\27%[Kcairn: imported 60000 entries", sent)
  end)

  it("a pipe and --quiet see no progress", function()
    local done = program.shell(directory, SLOWLY .. " | cairn -q put large")
    assert.equal("", done.err)
    done = program.shell(directory, SLOWLY .. " | cairn put large")
    assert.equal("", done.err)
    local terminal <close> = screen.open(directory, SLOWLY .. " | cairn -q put large")
    local text = terminal:await("[exit 0]")
    assert.equal("[exit 0]", text)
  end)

  for url, entries in pairs { ["rocksdb:./store"] = 150000, ["fs:./store"] = 20000 } do
    it("a removal of much from " .. url .. " shows how far it is and removes all", function()
      local lines = {}
      for i = 1, entries do
        lines[i] = ('{"path":"g/%d/%d","type":"simple","value":""}\n'):format(i % 100, i)
      end
      local env = { CAIRN_STORE = url }
      local filled = cairn("-q", "import", "-", { stdin = table.concat(lines), env = env })
      assert.equal(0, filled.code)
      local sent = sent_while_held_up("rm -r g", env)
      assert.matches("rm  %d+ entries\27%[K.*\r\27%[K$", sent)
      assert.equal("", cairn("ls", { env = env }).out)
    end)
  end

  it("names do not reach the terminal as commands", function()
    local name = "a\27[31m\r\n\7b\xc2\x9b5m\xe2\x80\xae\255\\z"
    local visible = "a\\x1B[31m\\x0D\\x0A\\x07b\\xC2\\x9B5m\\xE2\\x80\\xAE\\xFF\\\\z"
    for _, words in ipairs {
      { "-q", "put", "odd/" .. name, "1" }, { "ln", "odd/" .. name, "link" },
    } do
      assert.equal(0, cairn(table.unpack(words)).code)
    end
    place.put(directory .. "/name", "odd/" .. name .. "nowhere")
    local commands = {
      "cairn ls odd", "cairn ls -l", "cairn tree", "cairn stat link", 'cairn get "$(cat name)"',
    }
    for _, command in ipairs(commands) do
      local terminal <close> = screen.open(directory, command)
      terminal:await("[exit ")
      assert.matches(visible, terminal:text():gsub("\n", ""), 1, true)
    end
  end)
end)
