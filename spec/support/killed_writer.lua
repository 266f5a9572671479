--- killed_writer.lua URL: writes for ever, until somebody kills it. After each synced batch it
--- says how far it is, so that what it said must be there afterwards.

local cairn = require "cairn"

local store = assert(cairn.open(arg[1]))
--- What is to go may have gone with its group already.
local function remove(path, options)
  local ok, message, code = store:delete(path, options)
  assert(ok or code == "not_found", message)
end

local batch_too = cairn.backends()[arg[1]:match("^%l+")].batch

for i = 1, math.maxinteger do
  local group = ("g%d/h%d"):format(i % 7, i)
  if batch_too then
    assert(store:batch(function(batch)
      batch:write(group .. "/a", tostring(i))
      batch:write(group .. "/b", tostring(i))
      batch:link(group .. "/a", ("l%d"):format(i % 50))
    end, { sync = i % 5 == 0 }))
  else
    assert(store:write(group .. "/a", tostring(i)))
    assert(store:write(group .. "/b", ("%d\n"):format(i):rep(5000), { sync = i % 5 == 0 }))
  end
  if i % 11 == 0 then remove(("g%d/h%d/a"):format((i - 4) % 7, i - 4)) end
  if i % 13 == 0 then remove(("g%d"):format(i % 7), { recursive = true }) end
  if i % 5 == 0 then
    assert(store:write("acknowledged", tostring(i), { sync = true }))
    io.write(i, "\n")
    io.flush()
  end
end
