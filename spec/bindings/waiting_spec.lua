--- Calls that take their time suspend the worker that makes them, and not the others of its
--- thread. All workers here share one thread; the store hangs until it is let go.

local cairn = require "cairn"
local faulty = require "spec.faulty"

local place = require "spec.support.place"

local NAME = "waiting"
local HANGS_MS = 10000 -- to be reached in time, whatever else the machine does
local ANSWERS_MS = 10000

-- Compiles what it is asked to do, with what the row before it prepared at hand. All workers of
-- the thread share `own`.
local HANDLER = [[
local cairn = require "cairn"
local own = {}
return {
  handle = function(state, request, context)
    if request.code then
      local run = assert(load("local own, cache, chain, cairn = ... " .. request.code))
      state.said = table.pack(run(own, context.cache, context.cache.chain, cairn))
    end
    local said = state.said or { n = 0 }
    local list = { n = said.n }
    for i = 1, said.n do list["r" .. i] = said[i] == nil and "nil" or said[i] end
    return list
  end,
}
]]

describe("a worker whose call takes its time", function()
  local directory, cache, workers, slow, other

  local function open(scope)
    directory = place.fresh()
    place.put(directory .. "/handler.lua", HANDLER)
    faulty.clear(NAME)
    local url = (scope and "faulty-" .. scope or "faulty") .. ":" .. NAME
    cache = assert(cairn.cache { store = url, policies = false })
    workers = assert(cairn.workers { loops = 1, cache = cache, control = false })
    local handler = directory .. "/handler.lua"
    slow = assert(workers:worker { handler = handler, group = "slow", static = true })
    other = assert(workers:worker { handler = handler, group = "other", static = true })
  end

  after_each(function()
    faulty.set(NAME, { hang = false })
    workers:close()
    cache:close()
    place.remove(directory)
  end)

  local function ask(worker, code)
    local said, message = worker:ask({ code = code }, { timeout = ANSWERS_MS })
    assert(said, message)
    local results = { n = said.n }
    for i = 1, said.n do results[i] = said["r" .. i] end
    return results
  end

  --- Has `slow` begin what then hangs, of which `during` is called.
  local function hanging(code, what, during)
    faulty.set(NAME, { hang = what })
    assert(slow:send { code = code })
    assert.is_true(faulty.wait(NAME, 1, HANGS_MS), "it hangs")
    assert.same({ 7, n = 1 }, ask(other, "return 7"))
    if during then during() end
    faulty.set(NAME, { hang = false })
    return ask(slow)
  end

  local OPEN = [[own.store = assert(cairn.open("faulty-remote:own"))
    assert(own.store:write("g/a", "one")) assert(own.store:write("g/b", "two"))
    own.far = chain assert(chain:write("g/a", "one")) assert(chain:write("g/b", "two"))
    own.id = assert(cache:write { name = "it", list = { 1, 2 } }) ]]

  -- Of the store that the cache's chain has one member of; `hangs` what of it hangs.
  local rows = {
    { "chain:read", "return chain:read('g/a')", "reads", { "one", "faulty-remote" } },
    { "chain:type", "return chain:type('g')", "reads", { "composite", "faulty-remote" } },
    { "chain:resolve", "return chain:resolve('g/a')", "reads", { "g/a", "faulty-remote" } },
    { "chain:stat", "return chain:stat('g/a').size", "reads", { 3 } },
    { "chain:list", [[
        local names = {}
        for name in assert(chain:list('g')) do names[#names + 1] = name end
        return table.concat(names, ' ')]], "reads", { "a b" } },
    { "chain:write", "return chain:write('new', 'x')", "writes", { true } },
    { "chain:write with a condition", "return chain:write('g/a', 'x', { if_equal = 'one' })",
      "writes", { true } },
    { "chain:group", "return chain:group('new')", "writes", { true } },
    { "chain:link", "return chain:link('g/a', 'new')", "writes", { true, true } },
    { "chain:delete", "return chain:delete('g', { recursive = true })", "writes", { true } },
    { "cache:read", "local m = cache:read(own.id) return m.name, #m.list", "reads", { "it", 2 } },
    { "cache:read that fails", "return cache:read('nowhere/at/all')", "reads",
      { "nil", "not found: nowhere/at/all", "not_found" } },
    { "cache:write", "return cache:write { a = 1 } == cache:id { a = 1 }", "writes", { true } },
    { "cache:write_binary", "return #cache:write_binary('bytes')", "writes", { 48 } },
    { "cache:link", "return cache:link(own.id, 'new')", "writes", { true, true } },
    { "cache:delete", "return cache:delete(own.id)", "writes", { true } },
    { "cache:write_hashpath", "return type(cache:write_hashpath(own.id .. '/k', { b = 1 }))",
      "writes", { "string" } },
    { "cache:list", "return #cache:list(own.id) > 1", "reads", { true } },
    { "cache:verify", "return cache:verify(own.id)", "reads", { true } },
    { "cache:read_resolved", "return select(3, cache:read_resolved(own.id, { path = 'x' }))",
      "reads", { "not_found" } },
  }
  for _, row in ipairs(rows) do
    local name, code, hangs, expected = table.unpack(row)
    it("lets others of its thread work during " .. name, function()
      open("remote")
      ask(slow, OPEN)
      local said = hanging(code, hangs)
      said.n = nil
      if expected[1] == "nil" then said[2] = expected[2] end -- its text is told elsewhere
      assert.same(expected, said)
    end)
  end

  -- Stores that are opened in the worker's own state.
  local store_rows = {
    { "store:read", "return own.store:read('g/a')", "reads", { "one" } },
    { "store:type", "return own.store:type('g')", "reads", { "composite" } },
    { "store:resolve", "return own.store:resolve('g/a')", "reads", { "g/a" } },
    { "store:stat", "return own.store:stat('g/a').size", "reads", { 3 } },
    { "store:read_at", "return own.store:read_at('g/b', 1, 10)", "reads", { "wo" } },
    { "a large store:read_at", "return own.store:read_at('g/b', 0, 10000)", "reads", { "two" } },
    { "store:list", [[
        local names = {}
        for name, kind in assert(own.store:list('g')) do names[#names + 1] = name .. kind end
        return table.concat(names, ' ')]], "reads", { "asimple bsimple" } },
    { "store:range", [[
        local values = {}
        for name, value in assert(own.store:range('g', 'b')) do values[name] = value end
        return values.a == nil, values.b]], "reads", { true, "two" } },
    { "store:write", "return own.store:write('new', 'x')", "writes", { true } },
    { "store:group", "return own.store:group('new')", "writes", { true } },
    { "store:link", "return own.store:link('g/a', 'new')", "writes", { true, true } },
    { "store:pack", "return own.store:pack('new', { a = '1', b = { link = 'g/a' } })", "writes",
      { true } },
    { "store:delete", "return own.store:delete('g/a')", "writes", { true } },
    { "store:delete of a tree", "return own.store:delete('g', { recursive = true })", "writes",
      { true } },
    { "store:batch", [[
        return own.store:batch(function(batch)
          cairn.sleep(1)
          batch:write('g/a', own.store:read('g/b'), { if_equal = 'one' })
        end), own.store:read('g/a')]], "writes", { true, "two" } },
    { "store:transaction", [[
        return own.store:transaction(function(tx)
          local seen = tx:read('g/a')
          cairn.sleep(1)
          tx:write('g/a', seen .. '!')
          return seen, tx:read('g/a')
        end)]], "all", { "one", "one!" } },
    { "a transaction whose function gives up", [[
        return own.store:transaction(function(tx) return nil, tx:read('g/a') end)]], "reads",
      { "nil", "one" } },
    { "writer:commit", [[
        local writer <close> = assert(own.store:writer())
        assert(writer:append('abc'):append('def'))
        return writer:commit('new'), own.store:read('new')]], "writes", { true, "abcdef" } },
    { "store:reset", "return own.store:reset(), select(3, own.store:read('g/a'))", "all",
      { true, "not_found" } },
  }
  for _, row in ipairs(store_rows) do
    local name, code, hangs, expected = table.unpack(row)
    it("lets others of its thread work during " .. name, function()
      open("remote")
      ask(slow, ([[own.store = assert(cairn.open("faulty-remote:%s"))
        assert(own.store:reset())
        assert(own.store:write("g/a", "one")) assert(own.store:write("g/b", "two"))]]):format(NAME))
      local said = hanging(code, hangs)
      said.n = nil
      assert.same(expected, said)
    end)
  end

  -- Of a store that is here: what takes long all the same.
  local long_rows = {
    { "a write that is to be on the disk", "return chain:write('a', 'b', { sync = true })",
      "writes" },
    { "a message that is", "return cache:write({ a = 1 }, { sync = true }) ~= nil", "writes" },
    { "cache:sweep", "return type(cache:sweep()) == 'table'", "reads" },
    { "cache:purge of a prefix", "return cache:purge { prefix = own.id } == 1", "reads" },
    { "cache:trim", "return cache:trim(0) == 1", "writes" },
    { "chain:reset", "return chain:reset()", "all" },
  }
  for _, row in ipairs(long_rows) do
    local name, code, hangs = table.unpack(row)
    it("lets others of its thread work during " .. name .. ", also where it is local", function()
      open()
      ask(slow, OPEN .. "assert(cache:write_hashpath(own.id .. '/k', ('x'):rep(5000)))")
      local said = hanging(code, hangs)
      assert.is_true(said[1])
    end)
  end

  it("sees as many items of a list as there are, whatever a page holds", function()
    open("remote")
    ask(slow, [[for i = 1, 1000 do assert(chain:write(("many/%04d"):format(i), "")) end]])
    local said = hanging([[
      local count, last = 0, ""
      for name in assert(chain:list("many")) do
        assert(name > last)
        count, last = count + 1, name
      end
      return count, last]], "nexts")
    assert.same({ 1000, "1000", n = 2 }, said)
  end)

  it("can leave a list before its end", function()
    open("remote")
    ask(slow, [[for i = 1, 10 do assert(chain:write(("some/%d"):format(i), "")) end]])
    assert.same({ "1", n = 1 }, hanging(
      [[for name in assert(chain:list("some")) do return name end]], "nexts"))
  end)

  it("is told of a list that breaks off, after what came before", function()
    open("remote")
    ask(slow, [[for i = 1, 9 do assert(chain:write(("some/%d"):format(i), "")) end]])
    ask(slow, "own.next = assert(chain:list('some'))")
    faulty.set(NAME, { nexts = { "io", "the disk is gone" } })
    local said = ask(slow, [[
      local seen, ok, name = {}, nil, nil
      repeat
        ok, name = pcall(own.next)
        seen[#seen + 1] = name
      until not ok or not name
      return ok, seen[#seen], #seen]])
    assert.equal(false, said[1])
    assert.matches("the disk is gone", said[2], 1, true)
  end)

  it("writes the message as it was, whoever changes it meanwhile", function()
    open("remote")
    ask(slow, [[own.message = { list = { "a", "b" }, name = "before" }
      own.id = cache:id(own.message)]])
    local said = hanging("return cache:write(own.message) == own.id", "writes", function()
      ask(other, [[own.message.name = "after" own.message.list[2] = nil
        own.message = nil collectgarbage()]])
    end)
    assert.same({ true, n = 1 }, said)
    assert.same({ "before", "b", n = 2 },
      ask(slow, "local m = assert(cache:read(own.id)) return m.name, m.list[2]"))
  end)

  local closing = {
    { "a store", "return own.mine:read('g/a')", "own.mine:close()", "one",
      "own.mine:read('g/a')" },
    { "a chain", "return (chain:read('g/a'))", "chain:close()", "one", "chain:read('g/a')" },
    { "a cache", "return cache:read(own.id).name", "cache:close()", "it", "cache:read(own.id)" },
    { "a listing", "return own.next()", "local list <close> = own.list", "nothing",
      "return error(tostring(own.next()))" },
  }
  for _, row in ipairs(closing) do
    local what, code, close, expected, raises = table.unpack(row)
    it("keeps " .. what .. " that it works on open, whoever closes it meanwhile", function()
      open("remote")
      ask(slow, OPEN .. ("own.mine = assert(cairn.open('faulty-remote:%s'))"):format(NAME))
      ask(slow, "own.mine:write('g/a', 'one') own.next, _, _, own.list = chain:list('g')")
      local said = hanging(code, what == "a listing" and "nexts" or "reads", function()
        ask(other, close .. " collectgarbage()")
      end)
      assert.equal(expected, said[1] or "nothing")
      assert.same({ false, n = 1 },
        ask(other, ("return (pcall(function() %s end))"):format(raises)))
    end)
  end

  it("is told the steps of a call, and its time is limited", function()
    open("remote")
    ask(slow, OPEN)
    assert.same({ "one", "get", "ok", n = 3 }, hanging([[
      local steps = {}
      local value = chain:read("g/a", { explain = steps })
      return value, steps[#steps].operation, steps[#steps].status]], "reads"))
    assert.same({ "timeout", n = 1 },
      ask(slow, "return (select(3, cache:read(own.id, { timeout = 0 })))"))
    assert.same({ "not_found", n = 1 },
      ask(slow, "return (select(3, chain:read('g/a', { scopes = { 'local' } })))"))
  end)

  it("can be killed, and is gone when its call is over", function()
    open("remote")
    ask(slow, OPEN)
    faulty.set(NAME, { hang = "reads" })
    assert(slow:send { code = "own.went_on = true return cache:read(own.id)" })
    assert.is_true(faulty.wait(NAME, 1, HANGS_MS))
    slow:kill("the spec is over")
    assert.same({ true, n = 1 }, ask(other, "return own.went_on"))
    faulty.set(NAME, { hang = false })
    assert.equal("leader_died", select(3, slow:ask { code = "return 1" }))
    assert.same({ "it", n = 1 }, ask(other, "return cache:read(own.id).name"))
  end)

  it("answers after what it read is there, while others count", function()
    open("remote")
    ask(slow, OPEN)
    faulty.set(NAME, { read_delay = 300 })
    assert(slow:send { code = "own.read = chain:read('g/a')" })
    local before = 0
    while ask(other, "return own.read == nil")[1] do before = before + 1 end
    assert.is_true(before > 10, "others had " .. before .. " turns meanwhile")
  end)

  it("waits where it is, in what C calls", function()
    open("remote")
    ask(slow, OPEN)
    assert.same({ "one", n = 1 }, ask(slow, [[
      local value
      table.sort({ 2, 1 }, function(a, b) value = chain:read("g/a") return a < b end)
      return value]]))
  end)
end)
