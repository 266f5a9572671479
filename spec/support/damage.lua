--- Damages an entry of a RocksDB store behind its back: its bytes make no sense after.

local place = require "spec.support.place"

---@param location string the store's directory; nobody may have it open
---@param path string where something is
return function(location, path)
  local key = path:gsub("/", "\0"):gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end)
  local run = place.run { place.build .. "/spec/rocks", location, "put", "default", key, "ff00" }
  assert(run.code == 0, run.err)
end
