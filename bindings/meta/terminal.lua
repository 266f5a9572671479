---@meta cairn.terminal
-- In the program only (bindings/lua_terminal.c).

local terminal = {}

--- Reads a line, with editing, history and completion.
---@param prompt string
---@return string|false|nil line nil at the end of input, false after Ctrl-C
function terminal.read_line(prompt) end

--- What TAB asks: which texts could stand in place of the word between `from` (0 is the
--- start of the line) and `to`, where the cursor is.
---@param complete fun(line: string, from: integer, to: integer): string[]
function terminal.set_completer(complete) end

---@param line string
function terminal.add_history(line) end

---@param file string
---@return true? ok
---@return string? message
function terminal.read_history(file) end

---@param file string
---@return true? ok
---@return string? message
function terminal.write_history(file) end

---@param stream 0|1|2 standard input, output, error
---@return boolean
function terminal.is_terminal(stream) end

--- Columns of the screen behind standard error.
---@return integer
function terminal.width() end

return terminal
