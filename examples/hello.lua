-- The first things one does with a store: put, read, list, link.
--
--     scripts/run examples/hello.lua [store-url]
--
-- Without a URL the store is an embedded RocksDB in ./cairn-data. Run it twice: what the
-- first run wrote is still there.

local cairn = require "cairn"

local store <close> = assert(cairn.open(arg[1]))

local runs = tonumber(store:read("hello/runs") or 0) + 1
assert(store:write("hello/runs", tostring(runs)))
print(("run %d on %s"):format(runs, store:url()))

-- Groups above a value are made as needed.
assert(store:write("greetings/en", "Hello, world"))
assert(store:write("greetings/de", "Hallo, Welt"))
assert(store:write("greetings/fr", "Bonjour, le monde", { metadata = { polite = true } }))
print("read back: " .. assert(store:read("greetings/en")))

-- A link is another name; it may lead to a value or a group.
assert(store:link("greetings/fr", "favourite"))
assert(store:link("greetings", "hello/all"))
print("through a link: " .. assert(store:read("favourite")))
print("through a linked group: " .. assert(store:read("hello/all/de")))

print("all greetings, in byte order:")
for name, value in assert(store:range("greetings")) do print("  " .. name .. "  " .. value) end

local stat = assert(store:stat("greetings/fr"))
print(("facts: %s, %d bytes, polite = %s"):format(stat.type, stat.size, stat.metadata.polite))

-- What cannot be done says why, and with which code.
local _, message, code = store:write("greetings", "a value in the place of a group")
print(("refused: %s (%s)"):format(message, code))
