--- The backends that the conformance suite runs against. A new one joins by adding a row.

local cairn = require "cairn"

---@class spec.Backend
---@field name string
---@field url fun(directory: string): string
---@field lasting boolean what was synced is there when it is opened again
---@field name_max integer? the longest segment it can hold; nil: any
---@field metadata_max integer? most bytes of metadata; nil: the engine's limit
---@field link_options boolean a link can carry `expires`
---@field packs boolean a pack is one entry, which the next pack replaces
---@field batch boolean from `cairn.backends()`: many changes are all or nothing
---@field snapshot boolean from `cairn.backends()`: frozen states can be taken

---@type spec.Backend[]
local rows = {
  {
    name = "memory",
    url = function() return "memory:" end,
    lasting = false,
    link_options = true,
    packs = true,
  },
  {
    name = "fs",
    url = function(directory) return "fs:" .. directory .. "/store" end,
    lasting = true,
    name_max = 255,
    metadata_max = 2048,
    link_options = false,
    packs = false,
  },
  {
    name = "rocksdb",
    url = function(directory) return "rocksdb:" .. directory .. "/store" end,
    lasting = true,
    link_options = true,
    packs = true,
  },
}

local facts = cairn.backends()
for _, row in ipairs(rows) do
  row.batch = facts[row.name].batch
  row.snapshot = facts[row.name].snapshot
end

return rows
