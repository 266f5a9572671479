--- `shell`: reads Lua, runs it, prints what it gives.

local cairn = require "cairn"
local completion = require "cairn.program.completion"
local failure = require "cairn.program.failure"
local inspect = require "cairn.program.inspect"
local output = require "cairn.program.output"
local process = require "cairn.process"
local script = require "cairn.program.commands.script"
local access = require "cairn.program.access"
local terminal = require "cairn.terminal"

local check = failure.check

local shell = {}

local PRIVATE = tonumber("700", 8) -- the mode of folders we make
local PROMPT, CONTINUED = "cairn> ", "    -> "

-- -- One statement -------------------------------------------------------------------

local function is_incomplete(message)
  return message:sub(-5) == "<eof>"
end

--- A chunk, or nil, a message and whether more lines could complete it. Expressions are
--- tried first, so that they print.
local function compile(text)
  local expression = text:match("^%s*=(.*)$")
  local chunk, message = script.compile(load, "return " .. (expression or text), "=stdin")
  if chunk then return chunk end
  if expression then return nil, message, is_incomplete(message) end
  local unfinished = is_incomplete(message)
  chunk, message = script.compile(load, text, "=stdin")
  return chunk, message, unfinished or message and is_incomplete(message)
end

local function print_results(results)
  local texts, lines = {}, false
  for i = 2, results.n do
    texts[i - 1] = inspect(results[i])
    lines = lines or texts[i - 1]:find("\n", 1, true)
  end
  if #texts > 0 then output.write(table.concat(texts, lines and "\n" or "\t"), "\n") end
end

-- False when it failed; the reason has been said.
local function evaluate(chunk)
  local results = table.pack(process.call(chunk))
  if results[1] then
    print_results(results)
    return true
  end
  local message = script.own_traceback(tostring(results[2]))
  output.problem("shell", failure.new(message, "script_error"))
  return false
end

-- Reads lines until they are a statement. Returns the text and the chunk or what is
-- wrong with it; nothing at the end of input; false when it was abandoned.
local function read_statement(read)
  local text = read(PROMPT)
  if not text then return text end
  while true do
    local chunk, message, unfinished = compile(text)
    if chunk or not unfinished then return text, chunk, message end
    local line = read(CONTINUED)
    if line == false then return false end
    if not line then return text, nil, message end
    text = text .. "\n" .. line
  end
end

-- -- On a terminal -------------------------------------------------------------------

-- The file, its folders made; nil if there is no place for it.
local function history_file()
  local state = os.getenv("XDG_STATE_HOME")
  if not state or state == "" then
    local home = os.getenv("HOME")
    if not home or home == "" then return nil end
    state = home .. "/.local/state"
  end
  local folder = state .. "/cairn"
  for slash in (folder .. "/"):gmatch("()/") do
    local made = slash == 1 or process.make_directory(folder:sub(1, slash - 1), PRIVATE)
    if not made then return nil end
  end
  return state .. "/cairn/history"
end

local function remember(file, text)
  if not text:find("%S") then return end
  terminal.add_history(text)
  if file then terminal.write_history(file) end
end

local function converse(store)
  local file = history_file()
  if file and process.kind(file) then terminal.read_history(file) end
  terminal.set_completer(completion.complete)
  if not output.quiet then
    local url = output.visible(store:url())
    output.write(("cairn %s, %s, store %s; Ctrl-D leaves\n"):format(cairn.version, _VERSION, url))
  end
  while true do
    output.finish()
    local text, chunk, message = read_statement(terminal.read_line)
    if text == nil then break end
    if text then
      remember(file, text)
      if chunk then
        evaluate(chunk)
      else
        output.problem("shell", failure.new(message, "script_error"))
      end
    end
  end
  output.write("\n")
end

-- -- From a pipe ---------------------------------------------------------------------

local function read_plain_line()
  return (io.read("l"))
end

local function obey()
  while true do
    local text, chunk, message = read_statement(read_plain_line)
    if not text then return 0 end
    if not chunk then failure.raise("script_error", "%s", message) end
    if not evaluate(chunk) then return 1 end
  end
end

-- `cache` is opened when its name is first met: most sessions are about paths.
local function offer_cache(store)
  local function open()
    local options = check(cairn.default_cache())
    if not options.stores then options.store = store end
    local cache = check(cairn.cache(options))
    rawset(_G, "cache", cache)
    return cache
  end
  completion.lazy.cache = open
  setmetatable(_G, {
    __index = function(_, name)
      if name ~= "cache" then return nil end
      local ok, cache = pcall(open)
      if not ok then error(failure.is(cache) and cache.message or cache, 2) end
      return cache
    end,
  })
end

function shell.shell()
  local store <close> = access.open_to_write()
  _G.cairn, _G.store = cairn, store -- luacheck: globals cairn store
  offer_cache(store)
  script.initialize()
  if terminal.is_terminal(0) and terminal.is_terminal(1) then return converse(store) end
  return obey()
end

return shell
