-- slow.lua -- reads from a store that is far away and takes its time.

local cairn = require "cairn"

local store -- of this loop

return {
  handle = function()
    store = store or assert(cairn.open "bench-slow:far")
    return assert(store:read "answer")
  end,
}
