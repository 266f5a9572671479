---@meta cairn.process
-- In the program only (bindings/lua_process.c).

local process = {}

--- Calls `body`; meanwhile Ctrl-C raises "interrupted!" in it.
---@param body function
---@return boolean ok
---@return any ... its results, or the message with a traceback
function process.call(body, ...) end

---@param path string
---@return "file"|"directory"|"other"|nil kind nil: nothing is there
---@return integer|string|nil size of a file, or message
function process.kind(path) end

--- What is in a directory, in no order; nil: it cannot be read.
---@param path string
---@return string[]? names
---@return string? message
function process.names(path) end

--- Where the control sockets of this user's processes are.
---@return string[] directories
function process.control_directories() end

--- Asks the process that serves a control socket. `not_found`: nobody does.
---@param path string
---@param question string one line
---@param wait_ms integer at most; then `timeout`
---@return string? answer
---@return string? message
---@return cairn.code? code
function process.control(path, question, wait_ms) end

--- Takes a control socket away that nobody serves; says whether it did.
---@param path string
---@return boolean
function process.discard_control(path) end

--- The file that is meant, links followed; nil if nothing is there.
---@param path string
---@return string? real
---@return string? message
function process.real_path(path) end

--- Gives `to` the permissions of `from`.
---@param from string
---@param to string
---@return true? ok
---@return string? message
function process.copy_mode(from, to) end

--- Fine if it is there.
---@param path string
---@param mode integer
---@return true? ok
---@return string? message
function process.make_directory(path, mode) end

---@param name string
---@param value string
---@return true? ok
---@return string? message
function process.set_environment(name, value) end

--- A signal ends it early.
---@param ms integer
function process.pause(ms) end

return process
