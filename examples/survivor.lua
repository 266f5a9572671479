-- A key-value process whose state survives `kill -9`. It writes until it kills itself; started
-- again on the same store it goes on from there.
--
--     scripts/run examples/survivor.lua [store-url [writes]]

local cairn = require "cairn"

local here = arg[0]:match("^(.*)/") or "."
local writes = math.tointeger(tonumber(arg[2] or "250"))
local cache <close> = assert(cairn.cache { store = arg[1] or "rocksdb:./cairn-data" })
local workers <close> = assert(cairn.workers {
  cache = cache, path = here .. "/handlers/?.lua;" .. package.path,
})

-- A checkpoint every hundred requests; what came since is written down before it is answered.
local kv = assert(workers:worker { group = "survivor", handler = "kv", durable = { every = 100 } })

local function get(key)
  return kv:ask { operation = "get", key = key }
end

local first = math.tointeger(tonumber(get "last" or "0"))
print(first == 0 and "nothing is known" or ("it was at " .. first .. ": " .. get("k" .. first)))

for i = first + 1, first + writes do
  assert(kv:ask { operation = "put", key = "k" .. i, value = "value " .. i })
  assert(kv:ask { operation = "put", key = "last", value = tostring(i) })
end
print("now at " .. get "last")
io.stdout:flush()

-- No close, no shutdown, no last checkpoint.
local process = assert(io.open "/proc/self/stat"):read "n"
os.execute("kill -9 " .. process)
