---@meta cairn.base64
-- In the program only (bindings/lua_base64.c).

local base64 = {}

---@param bytes string
---@return string text
function base64.encode(bytes) end

---@param text string
---@return string? bytes nil: it is not base64
function base64.decode(text) end

return base64
