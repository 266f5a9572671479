-- Transactions: read, decide, change, and lose nothing to whoever else changes the store.
--
--     scripts/run examples/counter.lua [store-url]
--
-- (Not on fs:, which can change only one thing at a time.)

local cairn = require "cairn"

local store <close> = assert(cairn.open(arg[1]))

--- The number at `path`, read by a store or a transaction; 0 where there is none.
local function number_at(reader, path)
  local text, message, code = reader:read(path)
  assert(text or code == "not_found", message)
  return math.tointeger(text or 0)
end

-- A counter that others count up too. The body runs again whenever what it read has changed
-- before it could commit; here somebody else gets in between, once.
assert(store:write("visits", "41"))
local tries = 0
local visits = assert(store:transaction(function(tx)
  tries = tries + 1
  local before = number_at(tx, "visits")
  if tries == 1 then assert(store:write("visits", "99")) end -- the other one
  tx:write("visits", tostring(before + 1))
  return before + 1
end))
print(("%d visits after %d tries"):format(visits, tries))

-- Money is moved by two changes that stand or fall together.
local function move(from, to, amount)
  return store:transaction(function(tx)
    local left = number_at(tx, { "accounts", from }) - amount
    if left < 0 then return nil, from .. " has too little" end -- nothing is changed
    tx:write({ "accounts", from }, tostring(left))
    tx:write({ "accounts", to }, tostring(number_at(tx, { "accounts", to }) + amount))
    return left
  end)
end

assert(store:write("accounts/anna", "100"))
assert(store:write("accounts/bert", "5"))
for _, transfer in ipairs { { "anna", "bert", 30 }, { "bert", "anna", 500 } } do
  local from, to, amount = table.unpack(transfer)
  local left, why = move(from, to, amount)
  if left then
    print(("%s -> %s: %d, %d left"):format(from, to, amount, left))
  else
    print(("%s -> %s: %d refused: %s"):format(from, to, amount, why))
  end
end
print(("anna %s, bert %s"):format(store:read("accounts/anna"), store:read("accounts/bert")))

-- Without reading first: a change on a condition.
local ok, _, code = store:write("visits", "0", { if_equal = "41" })
print("set back from 41: " .. (ok and "done" or code))
