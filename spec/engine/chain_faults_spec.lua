--- A chain whose stores go wrong: outage and absence, keeping out, deadlines, races, writes that
--- some refuse. The stores are memory with faults on demand (spec/support/faulty.c); time is a
--- clock that the spec moves, but for deadlines of stores, which are short.

local cairn = require "cairn"
local faulty = require "spec.faulty"

local chains = require "spec.support.chains"
local refused = require "spec.support.refused"

local DEADLINE = 30 -- ms
local LONG = 20000 -- ms; nobody waits so long

--- Members a, b, ... that go wrong as told, each with value "x" at "x" if `filled` names it.
local function members(faults, filled)
  local list, names = {}, {}
  for i, fault in ipairs(faults) do
    local store, name = chains.faulty()
    local letter = string.char(96 + i)
    if (filled or ""):find(letter, 1, true) then assert(store:write("x", "x")) end
    faulty.set(name, fault)
    list[i] = { store = store, name = letter }
    names[letter] = name
  end
  return list, names
end

describe("a chain with a store that fails", function()
  after_each(chains.clean)

  -- What a read of "x" from a, b, c comes to.
  local cases = {
    { "goes on to the next", { { reads = "io" }, {}, {} }, "c", value = "x", from = "c" },
    { "takes what is found before", { {}, { reads = "io" } }, "a", value = "x", from = "a" },
    { "cannot tell when nobody else has it", { { reads = { "io", "disk gone" } }, {} }, "",
      code = "unavailable", says = { "a: ", "disk gone", "(io)" } },
    { "cannot tell when all fail", { { reads = "timeout" }, { reads = "unauthorized" } }, "ab",
      code = "unavailable", says = { "a: ", "(timeout)", "b: ", "(unauthorized)" } },
    { "takes every failure for a doubt", { { reads = "corrupt" }, {} }, "",
      code = "unavailable", says = { "(corrupt)" } },
    { "knows an absence when all are well", { {}, {} }, "", code = "not_found", says = { "x" } },
  }
  for _, case in ipairs(cases) do
    local behaviour, faults, filled = table.unpack(case)
    it(behaviour, function()
      local chain = chains.open(members(faults, filled))
      local value, message, code = chain:read("x")
      assert.equal(case.value, value)
      if case.from then assert.equal(case.from, message) end
      assert.equal(case.code, code, message)
      for _, part in ipairs(case.says or {}) do assert.matches(part, message, 1, true) end
    end)
  end

  it("keeps a directory that was removed out, and tells no absence of it", function()
    local directory = chains.directory()
    local store = chains.kept(cairn.open("fs:" .. directory .. "/disk"))
    local decision = { order = { "fs" }, keep_out = { after = 2, ms = 60000 } }
    local chain = chains.open({ store }, { read = decision, write = decision })
    assert(chain:write("x", "1"))
    require("spec.support.place").remove(directory .. "/disk")
    refused("unavailable", "fs: the store's directory is gone", chain:read("x"))
    refused("unavailable", "fs: the store's directory is gone", chain:write("x", "2"))
    assert.is_true(chains.member(chain, "fs").failing)
    refused("unavailable", "kept out", chain:write("x", "2"))
  end)

  it("cannot tell either of types, lists, places and what is behind links", function()
    local list = members({ { reads = "io" }, {} }, "")
    local chain = chains.open(list)
    assert(list[2].store:link("nowhere", "l"))
    refused("unavailable", "x", chain:type("x"))
    refused("unavailable", "x", chain:list("x"))
    refused("unavailable", "x", chain:stat("x"))
    refused("unavailable", "x", chain:resolve("x"))
    refused("unavailable", "l", chain:read("l"))
  end)

  it("counts failures in a row, and forgets them with an answer", function()
    local list, names = members({ { reads = "io", next = 2 }, {} }, "b")
    local chain = chains.open(list)
    for _ = 1, 2 do assert.same({ "x", "b" }, { chain:read("x") }) end
    assert.equal(2, chains.member(chain, "a").failures)
    assert.same({ "x", "b" }, { chain:read("x") })
    assert.equal(0, chains.member(chain, "a").failures)
    assert.equal(2, chains.counts(chain, "a").failed)
    assert.is_true(faulty.counts(names.a).reads >= 3)
  end)
end)

describe("a chain that keeps out who fails", function()
  after_each(chains.clean)

  local clock, chain, names
  before_each(function()
    local list
    clock = cairn.clock(1000000)
    list, names = members({ { reads = "io" }, {} }, "b")
    local read = { order = { "a", "b" }, keep_out = { after = 3, ms = 5000 } }
    chain = chains.open(list, { read = read }, clock)
    for _ = 1, 3 do assert(chain:read("x")) end
  end)

  local function asked_a()
    local before = faulty.counts(names.a).reads
    assert.same({ "x", "b" }, { chain:read("x") })
    return faulty.counts(names.a).reads > before
  end

  it("does not ask it for a while, and says so", function()
    assert.is_false(asked_a())
    local member = chains.member(chain, "a")
    assert.same({ true, 3, 1 }, { member.failing, member.failures, member.counts.kept_out })
    refused("unavailable", "kept out for 5000 ms more, after 3 failures in a row",
      chain:read("nowhere"))
    local steps = {}
    assert(chain:read("x", { explain = steps }))
    assert.matches("kept out", steps[2].detail, 1, true)
    assert.equal("unavailable", steps[2].status)
  end)

  it("tries it once when the time is over, and keeps it out as long again", function()
    clock:advance(4999)
    assert.is_false(asked_a())
    clock:advance(1)
    assert.is_true(asked_a())
    assert.is_false(asked_a())
    clock:advance(4999)
    assert.is_false(asked_a())
  end)

  it("lets it back when it is well", function()
    faulty.set(names.a, { reads = false })
    assert.is_false(asked_a())
    clock:advance(5000)
    assert.is_true(asked_a())
    assert.is_false(chains.member(chain, "a").failing)
    assert.is_true(asked_a())
    refused("not_found", "nowhere", chain:read("nowhere"))
  end)

  it("keeps nobody out for what only the entry is to blame for", function()
    faulty.set(names.a, { reads = "corrupt" })
    clock:advance(5000)
    for _ = 1, 5 do assert.is_true(asked_a()) end
  end)

  it("shares what it knows with those narrowed from it", function()
    local narrow = chains.kept(chain:scope("local"))
    local before = faulty.counts(names.a).reads
    refused("unavailable", "kept out", narrow:read("nowhere"))
    assert.equal(before, faulty.counts(names.a).reads)
  end)

  it("tries it once, however long that takes", function()
    local list
    list, names = members({ { reads = "io" }, {} }, "b")
    local read = { order = { "a", "b" }, race = 2, keep_out = { after = 1, ms = 5000 } }
    chain = chains.open(list, { read = read }, clock)
    repeat assert(chain:read("x")) until chains.member(chain, "a").failing
    faulty.set(names.a, { reads = false, hang = "reads" })
    clock:advance(5000)
    -- b is faster: a is still on trial, if it was asked before b answered
    repeat assert(chain:read("x")) until faulty.wait(names.a, 1, 100)
    local before = chains.counts(chain, "a").kept_out
    for _ = 1, 3 do assert.is_false(asked_a()) end
    assert.equal(before + 3, chains.counts(chain, "a").kept_out)
    faulty.set(names.a, { hang = false })
    assert.is_true(faulty.wait(names.a, 0, LONG))
    repeat assert(chain:read("x")) until faulty.counts(names.a).reads > 3
  end)

  it("forgets about it when the policy no longer wants that", function()
    local list
    list, names = members({ { reads = "io" }, {} }, "b")
    chain = chains.open(list, { read = { order = { "a", "b" } } }, clock)
    for _ = 1, 10 do assert.is_true(asked_a()) end
  end)
end)

describe("a chain with deadlines", function()
  after_each(chains.clean)

  local function open(faults, filled, changes)
    local list, names = members(faults, filled)
    local read = { order = {}, deadlines = {} }
    for i, member in ipairs(list) do
      read.order[i] = member.name
      read.deadlines[member.name] = DEADLINE
    end
    for key, value in pairs(changes or {}) do read[key] = value end
    return chains.open(list, { read = read }), names
  end

  it("waits for who is in time", function()
    local chain = open({ { read_delay = 1 }, {} }, "ab")
    assert.same({ "x", "a" }, { chain:read("x") })
    assert.same({ "simple", "a" }, { chain:type("x") })
    assert.equal(1, chain:stat("x").size)
    assert.same({ "x", "a" }, { chain:resolve("x") })
    local names = {}
    for name in assert(chain:list("")) do names[#names + 1] = name end
    assert.same({ "x" }, names)
    refused("not_found", "nowhere", chain:read("nowhere"))
  end)

  it("leaves behind who hangs", function()
    local chain, names = open({ { hang = "reads" }, {} }, "ab")
    local steps = {}
    assert.same({ "x", "b" }, { chain:read("x", { explain = steps }) })
    assert.is_true(faulty.wait(names.a, 1, LONG))
    assert.equal(1, chains.counts(chain, "a").timed_out)
    assert.same({ "read faulty:" .. names.a .. " timeout", "read faulty:" .. names.b .. " ok" },
      { table.unpack(chains.told(steps), 2) })
    assert.matches("no answer within 30 ms", steps[2].detail, 1, true)
    faulty.set(names.a, { hang = false })
    assert.is_true(faulty.wait(names.a, 0, LONG))
    assert.same({ "x", "a" }, { chain:read("x") })
  end)

  it("cannot tell when who hangs might have had it", function()
    local chain = open({ { hang = "reads" }, {} }, "a")
    refused("unavailable", "a: no answer within 30 ms (timeout)", chain:read("x"))
    refused("unavailable", "timeout", chain:list("nowhere"))
  end)

  it("goes on when all threads of a store hang", function()
    local chain, names = open({ { hang = "reads" }, {} }, "ab")
    for _ = 1, 12 do assert.same({ "x", "b" }, { chain:read("x") }) end
    assert.is_true(faulty.wait(names.a, 8, LONG))
    assert.equal(12, chains.counts(chain, "a").timed_out)
  end)

  it("keeps out who is late again and again", function()
    local chain, names = open({ { hang = "reads" }, {} }, "ab",
      { keep_out = { after = 2, ms = 60000 } })
    for _ = 1, 4 do assert.same({ "x", "b" }, { chain:read("x") }) end
    assert.is_true(faulty.wait(names.a, 2, LONG))
    assert.same({ 2, 2 },
      { chains.counts(chain, "a").timed_out, chains.counts(chain, "a").kept_out })
  end)

  it("waits for its stragglers when it is closed", function()
    local chain, names = open({ { hang = "reads" }, {} }, "ab")
    assert(chain:read("x"))
    assert.is_true(faulty.wait(names.a, 1, LONG))
    faulty.set(names.a, { hang = false })
    chain:close()
    assert.equal(0, faulty.counts(names.a).hanging)
  end)

  it("ends with the call's own time, whatever the members may take", function()
    local chain = open({ { hang = "reads" }, {} }, "b", { deadlines = { a = LONG } })
    refused("timeout", "deadline", chain:read("x", { timeout = DEADLINE }))
    assert.equal(0, chains.member(chain, "a").failures)
  end)
end)

describe("a chain that lets stores race", function()
  after_each(chains.clean)

  local function open(faults, filled, changes)
    local list, names = members(faults, filled)
    local read = { order = {}, race = 2 }
    for i, member in ipairs(list) do read.order[i] = member.name end
    for key, value in pairs(changes or {}) do read[key] = value end
    return chains.open(list, { read = read }), names, list
  end

  it("takes the first answer", function()
    local chain, names = open({ { hang = "reads" }, {} }, "ab")
    assert.same({ "x", "b" }, { chain:read("x") })
    assert.same({ "simple", "b" }, { chain:type("x") })
    assert.equal(0, chains.counts(chain, "a").timed_out)
    faulty.set(names.a, { hang = false })
  end)

  it("does not take a miss for the first answer, nor a failure", function()
    local chain = open({ {}, { read_delay = 20 } }, "b")
    assert.same({ "x", "b" }, { chain:read("x") })
    chain = open({ { reads = "io" }, { read_delay = 20 } }, "b")
    assert.same({ "x", "b" }, { chain:read("x") })
  end)

  it("asks the others one by one when nobody of the race has it", function()
    local chain = open({ {}, {}, {}, {} }, "cd")
    assert.same({ "x", "c" }, { chain:read("x") })
    assert.equal(0, chains.counts(chain, "d").asked)
    refused("not_found", "nowhere", chain:read("nowhere"))
  end)

  it("leaves those behind who are late, and doubts", function()
    local chain = open({ { hang = "reads" }, {} }, "", { deadlines = { a = DEADLINE } })
    refused("unavailable", "a: no answer", chain:read("x"))
  end)

  it("follows a link that dangles, of the first that has one", function()
    local chain, _, list = open({ {}, {}, {} }, "")
    assert(list[2].store:link("there", "x"))
    assert(list[3].store:write("there", "value"))
    assert.same({ "value", "c" }, { chain:read("x") })
  end)

  it("copies nothing while one that goes before has not been heard", function()
    local list, names = members({ {}, { hang = "reads" }, {} }, "c")
    list[1].tier = true
    local chain = chains.open(list, {
      read = { order = { "a", "b", "c" }, race = 3, promote = { "a" } },
    })
    assert.same({ "x", "c" }, { chain:read("x") })
    faulty.set(names.b, { hang = false })
    assert.is_true(faulty.wait(names.b, 0, LONG))
    assert.equal(0, chains.counts(chain, "a").promoted)
    for _ = 1, 5000 do -- b misses first now and then
      assert.same("x", (chain:read("x")))
      if chains.counts(chain, "a").promoted > 0 then break end
    end
    assert.equal(1, chains.counts(chain, "a").promoted)
  end)
end)

describe("a chain that writes", function()
  after_each(chains.clean)

  local passing = {
    "unavailable", "io", "unsupported", "unauthorized", "limit", "timeout", "name_too_long",
  }
  for _, code in ipairs(passing) do
    it("goes on when a store does not accept: " .. code, function()
      local list = members { { writes = code }, {} }
      local chain = chains.open(list)
      assert(chain:write("x", "1"))
      assert.same({ "1", "b" }, { chain:read("x") })
    end)
  end

  for _, code in ipairs { "conflict", "corrupt" } do
    it("takes it for the answer when a store refuses: " .. code, function()
      local list = members { { writes = code }, {} }
      local chain = chains.open(list)
      refused(code, "faulty", chain:write("x", "1"))
      assert.is_nil(list[2].store:type("x"))
    end)
  end

  it("says why when nobody accepts", function()
    local chain = chains.open((members { { writes = { "io", "disk full" } } }))
    refused("io", "disk full", chain:write("x", "1"))
    chain = chains.open((members { { writes = "io" }, { writes = "limit" } }))
    refused("unavailable", "b: faulty", chain:write("x", "1"))
    chain = chains.open((members { { writes = "limit" }, { writes = "limit" } }))
    refused("limit", "no store accepted: a: ", chain:write("x", "1"))
  end)

  it("keeps out who does not take writes, and tries again", function()
    local clock = cairn.clock(1000)
    local list, names = members { { writes = "io" }, {} }
    local chain = chains.open(list, {
      write = { order = { "a", "b" }, keep_out = { after = 1, ms = 100 } },
    }, clock)
    assert(chain:write("x", "1"))
    assert(chain:write("x", "2"))
    assert.equal(1, faulty.counts(names.a).writes)
    faulty.set(names.a, { writes = false })
    clock:advance(100)
    assert(chain:write("x", "3"))
    assert.equal("3", list[1].store:read("x"))
  end)

  describe("to several", function()
    local function open(faults, need)
      local list = members(faults)
      local order = {}
      for i, member in ipairs(list) do order[i] = member.name end
      return chains.open(list, { write = { order = order, need = need } }), list
    end

    it("writes all of them", function()
      local chain, list = open({ {}, {}, {} }, 2)
      assert(chain:write("x", "1"))
      assert.same({ true, true }, { chain:link("x", "l") })
      for _, member in ipairs(list) do assert.equal("1", member.store:read("l")) end
    end)

    it("is content with as many as are needed", function()
      local chain, list = open({ { writes = "io" }, {}, {} }, 2)
      assert(chain:write("x", "1"))
      assert.equal("1", list[3].store:read("x"))
    end)

    it("fails with fewer, and says who has it", function()
      local chain, list = open({ { writes = "io" }, {}, { writes = "limit" } }, 2)
      refused("unavailable", "1 of 2 stores accepted (b): a: ", chain:write("x", "1"))
      assert.equal("1", list[2].store:read("x"))
      chain = open({ { writes = "io" } }, 1)
      refused("io", "0 of 1 stores accepted (none)", chain:write("x", "1"))
    end)

    it("writes nowhere when there are fewer to write", function()
      local list = members { {}, {} }
      list[2].write = false
      local chain = chains.open(list, { write = { order = { "a", "b" }, need = 2 } })
      refused("unavailable", "wants 2 stores", chain:write("x", "1"))
      assert.is_nil(list[1].store:type("x"))
    end)
  end)

  it("says who may still have what was to be deleted", function()
    local list = members({ {}, { writes = "io" }, {} }, "abc")
    local chain = chains.open(list)
    refused("io", "there may be something left of 'x': b: ", chain:delete("x"))
    assert.is_nil(list[1].store:type("x"))
    assert.is_nil(list[3].store:type("x"))
    refused("io", "b: ", chain:delete("x"))
  end)

  it("says which store is not empty", function()
    local list = members({ { resets = "io" }, {} }, "ab")
    local chain = chains.open(list)
    refused("io", "not all stores are empty now: a: ", chain:reset())
    assert.is_nil(list[2].store:type("x"))
  end)
end)
