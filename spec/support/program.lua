--- Runs the program as a user would: words in, exit status and two streams out.

local place = require "spec.support.place"

local program = {}

program.path = place.build .. "/cairn"

-- Nothing of whoever runs the specs: no store, no configuration, no start-up code.
local BARE = {
  CAIRN_STORE = "", CAIRN_POLICIES = "", XDG_CONFIG_HOME = "", XDG_STATE_HOME = "", LUA_INIT = "",
  LC_ALL = "C.UTF-8",
}

---@param directory string
---@param more? table<string, string>
---@return table<string, string>
function program.environment(directory, more)
  local environment = { HOME = directory }
  for name, value in pairs(BARE) do environment[name] = value end
  for name, value in pairs(more or {}) do environment[name] = value end
  return environment
end

--- A word for the shell.
---@param word string
function program.quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Runs a line of the shell, in which `cairn` is the program.
---@param directory string where
---@param line string
---@param env? table<string, string>
---@return spec.Process
function program.shell(directory, line, env)
  local define = "cairn() { " .. program.quote(program.path) .. ' "$@"; }\n'
  return place.run({ "/bin/bash", "-c", define .. line }, {
    cwd = directory, env = program.environment(directory, env),
  })
end

--- A function that runs the program in `directory`: `cairn("get", "a/b")`. A table at the
--- end may hold `stdin` and `env`.
---@param directory string
---@return fun(...): spec.Process
function program.within(directory)
  return function(...)
    local words = { program.path, ... }
    local options = type(words[#words]) == "table" and table.remove(words) or {}
    if options.stdin then
      local file = os.tmpname()
      place.put(file, options.stdin)
      words = { "/bin/sh", "-c", 'exec "$@" < ' .. program.quote(file), "sh",
        table.unpack(words) }
      options.file = file
    end
    local process = place.run(words, {
      cwd = directory, env = program.environment(directory, options.env),
    })
    if options.file then os.remove(options.file) end
    return process
  end
end

return program
