--- Bytes and messages under their hashes, on every backend.

local cairn = require "cairn"

local caches = require "spec.support.caches"

local EMPTY = "VnYnaoOvankqXk13s502zpiq9PIaqFHDRcIrTNhyqKQ"

local MESSAGES = {
  { "the empty message", {} },
  { "bytes", { a = "1", b = "\0\1\255", empty = "" } },
  { "every type", {
    integer = -7, float = 3.25, yes = true, no = false, null = cairn.null,
    name = cairn.atom "some_name", list = cairn.list { 1, "two", true }, none = cairn.list {},
    nothing = {},
  } },
  { "nested messages", { k = "v", o = { i = "v2", deep = { x = "y" } } } },
  { "the same message twice", { a = { k = "v" }, b = { k = "v" } } },
  { "lists of messages", { l = cairn.list { { a = "1" }, { b = cairn.list { 2, 3 } } } } },
  { "large values", { small = "s", big = ("x"):rep(5000), bigger = ("y"):rep(100000) } },
  { "large values deep within", { o = { o = { big = ("z"):rep(9000) } } } },
  { "keys that paths do not hold", {
    ["a/b"] = "slash", ["%"] = "percent", ["."] = "dot", [".."] = "dots",
    ["a\0b"] = "nul", [""] = "empty", ["%2f"] = "escape",
  } },
  { "keys that are ids", { [EMPTY] = "v", [("A"):rep(42) .. "E"] = { k = "v" } } },
  { "values that a header line cannot hold",
    { a = "  v  ", b = "a\r\nb: c", o = { k = "a\r\nx: y" } } },
  { "a body", { body = ("b"):rep(3000), data = "d" } },
}

for _, backend in ipairs(caches.BACKENDS) do
  describe("a cache on " .. backend, function()
    local opened, cache, store

    before_each(function()
      opened = caches.open(backend)
      cache, store = opened.cache, opened.store
    end)
    after_each(function() caches.close(opened) end)

    for _, case in ipairs(MESSAGES) do
      local what, message = case[1], case[2]
      it("gives back " .. what, function()
        local id = assert(cache:write(message))
        assert.equal(43, #id)
        assert.equal(id, assert(cairn.id(message)))
        assert.same(message, assert(cache:read(id)))
        assert.same(message, assert(cache:read(id, { verify = true })))
        assert.is_true(cache:verify(id))
        assert.equal(id, assert(cache:write(message)))
        assert.same(message, assert(cache:read(id)))
      end)
    end

    it("keeps each nested message at its own id", function()
      local inner = { x = "y", n = 3 }
      local id = assert(cache:write { o = inner })
      local inner_id = assert(cairn.id(inner))
      assert.same(inner, assert(cache:read(inner_id)))
      assert.same(inner, assert(cache:read { id, "o" }))
      assert.equal("y", assert(cache:read { id, "o", "x" }))
    end)

    it("makes every key a path beneath the id", function()
      local id = assert(cache:write {
        ["a/b"] = "1", ["%"] = "2", [""] = "3", ["."] = "4", big = ("x"):rep(2000),
      })
      assert.equal("1", assert(cache:read(id .. "/a%2Fb")))
      assert.equal("2", assert(cache:read(id .. "/%25")))
      assert.equal("3", assert(cache:read(id .. "/%")))
      assert.equal("4", assert(cache:read(id .. "/%2E")))
      assert.equal(("x"):rep(2000), assert(store:read(id .. "/big")))
    end)

    it("keeps equal bytes once", function()
      local big = ("q"):rep(5000)
      assert(cache:write { a = big, b = big })
      assert(cache:write { c = big })
      local count = 0
      for _ in assert(store:list("data")) do count = count + 1 end
      assert.equal(1, count)
    end)

    it("keeps bytes written on their own at data/<hash>", function()
      local path = assert(cache:write_binary("hello"))
      assert.equal("data/LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ", path)
      assert.equal("hello", assert(cache:read(path)))
      assert.equal("hello", assert(cache:read(path, { verify = true })))
      assert.equal(path, assert(cache:write_binary("hello")))
    end)

    it("does not find what nobody wrote", function()
      for _, path in ipairs { "nowhere", EMPTY, EMPTY .. "/k", "data/" .. EMPTY } do
        local value, message, code = cache:read(path)
        assert.is_nil(value)
        assert.equal("not_found", code)
        assert.is_string(message)
      end
    end)

    it("finds out when what lies at an id is another message", function()
      local id = assert(cache:write { a = "1" })
      local other = assert(cairn.id { a = "2" })
      assert(store:link(id, other))
      assert.same({ a = "1" }, cache:read(other))
      local value, message, code = cache:read(other, { verify = true })
      assert.is_nil(value)
      assert.equal("unverified", code)
      assert.matches(other, message, 1, true)
      assert.equal("unverified", select(3, cache:verify(other)))
    end)

    it("finds out when bytes do not have their hash", function()
      assert(store:write("data/" .. EMPTY, "something else"))
      assert.equal("unverified", select(3, cache:read("data/" .. EMPTY, { verify = true })))
    end)

    it("refuses a device that is a map with something in it, before anything is written", function()
      local id, message, code = cache:write { big = ("x"):rep(5000), device = { a = "1" } }
      assert.is_nil(id)
      assert.equal("invalid_argument", code)
      assert.matches("device", message, 1, true)
      assert.equal("not_found", select(3, store:type("data")))
    end)

    it("refuses nesting beyond 64 levels whole", function()
      local message = { big = ("x"):rep(5000) }
      for _ = 1, 70 do message = { o = message } end
      local ok, id, _, code = pcall(cache.write, cache, message)
      assert.is_true(not ok or (id == nil and code == "limit"))
      assert.equal("not_found", select(3, store:type("data")))
    end)

    it("tells a circle of links from a message", function()
      local id = assert(cache:write { a = "1", o = { b = "2" } })
      local inner = assert(cairn.id { b = "2" })
      assert(store:group "loop")
      assert(store:link("loop", "loop/self"))
      assert(store:link(id, "loop/message"))
      local value, _, code = cache:read("loop")
      assert.is_nil(value)
      assert.equal("link_loop", code)
      assert.same({ b = "2" }, cache:read(inner))
    end)

    it("says corrupt where a message refers to what is gone", function()
      local id = assert(cache:write { big = ("x"):rep(5000) })
      for name in assert(store:list("data")) do assert(store:delete("data/" .. name)) end
      local value, _, code = cache:read(id)
      assert.is_nil(value)
      assert.equal("corrupt", code)
    end)

    it("reads a group that somebody made by hand as a message", function()
      assert(store:write("notes/a", "1"))
      assert(store:write("notes/b/c", "2"))
      assert.same({ a = "1", b = { c = "2" } }, cache:read("notes"))
      assert.same({ "a", "b" }, cache:list("notes"))
    end)

    it("lists the keys of a message, not the results beneath it", function()
      local base = assert(cache:write { b = "2", a = "1", big = ("x"):rep(3000) })
      assert(cache:write_hashpath(base .. "/" .. EMPTY, "a result"))
      assert(cache:write_hashpath(base .. "/compute", { r = "1" }))
      assert.same({ "a", "b", "big" }, cache:list(base))
      assert.same({ a = "1", b = "2", big = ("x"):rep(3000) }, cache:read(base))
      assert.equal("a result", cache:read(base .. "/" .. EMPTY))
      assert.same({ r = "1" }, cache:read(base .. "/compute"))
    end)

    it("does not take results alone for a message", function()
      local base = assert(cairn.id { never = "written" })
      assert(cache:write_hashpath(base .. "/compute", "a result"))
      assert.equal("not_found", select(3, cache:read(base)))
      assert.equal("a result", cache:read_resolved(base, "compute"))
      assert(cache:write { never = "written" })
      assert.same({ never = "written" }, cache:read(base))
      assert.equal("a result", cache:read_resolved(base, "compute"))
    end)

    it("gives a message's own key at a path that a result has, too", function()
      local base = assert(cache:write { key = "own" })
      assert(cache:write_hashpath(base .. "/key", "computed"))
      assert.equal("own", cache:read(base .. "/key"))
      assert.equal("computed", cache:read_resolved(base, "key"))
      assert.equal(1, cache:purge { path = base .. "/key" })
      assert.equal("own", cache:read(base .. "/key"))
      assert.same({ key = "own" }, cache:read(base))
    end)

    it("replaces the result at a hashpath", function()
      local base = assert(cache:write { a = "1" })
      assert(cache:write_hashpath(base .. "/compute", "old"))
      assert(cache:write_hashpath(base .. "/compute", "new"))
      assert.equal("new", cache:read_resolved(base, "compute"))
      assert.equal("new", cache:read(base .. "/compute"))
    end)

    it("lists numbers as numbers", function()
      for _, n in ipairs { 10, 9, 1, 100 } do assert(cache:link("x", "slots/" .. n)) end
      assert(cache:link("x", "slots/latest"))
      assert.same({ 1, 9, 10, 100 }, cache:list_numbered("slots"))
    end)

    it("links, and keeps what is there", function()
      local id = assert(cache:write { a = "1" })
      local ok, made = cache:link(id, "latest")
      assert.is_true(ok)
      assert.is_true(made)
      assert.same({ a = "1" }, cache:read("latest"))
      assert.is_false(select(2, cache:link("elsewhere", "latest")))
    end)

    it("deletes a message with its results, and leaves what it shared", function()
      local shared = { s = ("x"):rep(3000) }
      local id = assert(cache:write { a = "1", o = shared })
      assert(cache:write_hashpath(id .. "/compute", "r"))
      assert.is_true(cache:delete(id))
      assert.equal("not_found", select(3, cache:read(id)))
      assert.equal("not_found", select(3, cache:read_resolved(id, "compute")))
      assert.same(shared, cache:read(assert(cairn.id(shared))))
      assert.equal("not_found", select(3, cache:delete(id)))
      assert.equal("invalid_argument", select(3, cache:delete("no id")))
    end)

    it("sweeps large values that nothing refers to, and no others", function()
      local gone = assert(cache:write { big = ("g"):rep(3000) })
      local kept = assert(cache:write { big = ("k"):rep(3000) })
      local own = assert(cache:write_binary(("o"):rep(3000)))
      assert(cache:write_hashpath(kept .. "/compute", ("r"):rep(3000)))
      assert(cache:delete(gone))
      local result = assert(cache:sweep())
      assert.equal(1, result.removed)
      assert.equal(3000, result.removed_bytes)
      assert.equal(("k"):rep(3000), cache:read(kept).big)
      assert.equal(("o"):rep(3000), cache:read(own))
      assert.equal(("r"):rep(3000), cache:read_resolved(kept, "compute"))
      assert.equal(0, assert(cache:sweep()).removed)
    end)

    it("does not sweep bytes that were a part first and then written on their own", function()
      local bytes = ("b"):rep(3000)
      local id = assert(cache:write { big = bytes })
      local path = assert(cache:write_binary(bytes))
      assert(cache:delete(id))
      assert.equal(0, assert(cache:sweep()).removed)
      assert.equal(bytes, cache:read(path))
    end)
  end)
end

describe("the commitments of a message", function()
  local opened, cache

  before_each(function()
    opened = caches.open "rocksdb"
    cache = opened.cache
  end)
  after_each(function() caches.close(opened) end)

  local function committed(letter)
    return { [letter:rep(42) .. "A"] = { alg = "some", signature = letter } }
  end

  it("make it readable by each of their ids", function()
    local message = { a = "1", commitments = committed "x" }
    local id = assert(cache:write(message))
    assert.equal(("x"):rep(42) .. "A", id)
    assert.same(message, cache:read(id))
    assert.same(message, cache:read(assert(cairn.id { a = "1" })))
  end)

  it("of several give one id, and all lead to it", function()
    local both = committed "x"
    for id, commitment in pairs(committed "y") do both[id] = commitment end
    local message = { a = "1", commitments = both }
    local id = assert(cache:write(message))
    assert.equal(assert(cairn.id(message, { committed = true })), id)
    assert.same(message, cache:read(id))
    assert.same(message, cache:read(("y"):rep(42) .. "A"))
  end)

  it("are not added to what was written without them", function()
    local plain = assert(cache:write { a = "1" })
    local parent = assert(cache:write { o = { a = "1" } })
    assert(cache:write { a = "1", commitments = committed "x" })
    assert.same({ a = "1" }, cache:read(plain))
    assert.same({ o = { a = "1" } }, cache:read(parent))
    assert.same(committed "x", cache:read(("x"):rep(42) .. "A").commitments)
  end)

  it("are not lost when the message is written without them afterwards", function()
    local id = assert(cache:write { a = "1", commitments = committed "x" })
    local parent = assert(cache:write { o = { a = "1", commitments = committed "x" } })
    local plain = assert(cache:write { a = "1" })
    assert.same({ a = "1" }, cache:read(plain))
    assert.same(committed "x", cache:read(id).commitments)
    assert.same(committed "x", cache:read(parent).o.commitments)
  end)

  it("of another set are another message of the same content", function()
    assert(cache:write { a = "1", commitments = committed "x" })
    assert(cache:write { a = "1", commitments = committed "y" })
    assert.same(committed "x", cache:read(("x"):rep(42) .. "A").commitments)
    assert.same(committed "y", cache:read(("y"):rep(42) .. "A").commitments)
  end)

  it("of a nested message make that readable, too", function()
    local nested = { a = "1", commitments = committed "x" }
    assert(cache:write { o = nested })
    assert.same(nested, cache:read(("x"):rep(42) .. "A"))
  end)

  it("cannot take the place of the message whose id they claim", function()
    local victim = { pay = "alice" }
    local id = assert(cairn.id(victim))
    assert(cache:write { pay = "mallory", commitments = { [id] = { alg = "hmac-sha256" } } })
    assert.equal("unverified", select(3, cache:read(id, { verify = true })))
    assert.equal(id, assert(cache:write(victim)))
    assert.same(victim, cache:read(id))
  end)

  it("go when the message is deleted", function()
    assert(cache:write { a = "1", commitments = committed "x" })
    assert(cache:delete(("x"):rep(42) .. "A"))
    assert.equal("not_found", select(3, cache:read(("x"):rep(42) .. "A")))
    assert.equal("not_found", select(3, cache:read(assert(cairn.id { a = "1" }))))
  end)
end)

describe("a cache with the reference's ids", function()
  it("answers conflict where another message has the id", function()
    local opened = caches.open("memory", { ids = "reference" })
    local cache = opened.cache
    local id = assert(cache:write { k = "v" })
    assert.equal(id, assert(cache:write { k = "v" }))
    local other, message, code = cache:write { k = "  v  " }
    assert.is_nil(other)
    assert.equal("conflict", code)
    assert.matches(id, message, 1, true)
    assert.same({ k = "v" }, cache:read(id))
    caches.close(opened)
  end)

  it("answers conflict also for what is nested, and for two in one message", function()
    local opened = caches.open("memory", { ids = "reference" })
    local cache = opened.cache
    assert(cache:write { o = { k = "v", signature = "one" } })
    assert.equal("conflict", select(3, cache:write { p = { k = "v", signature = "two" } }))
    assert.equal("conflict", select(3, cache:write { a = { s = "a b" }, b = { s = "a\nb" } }))
    caches.close(opened)
  end)
end)

describe("cairn.cache", function()
  it("raises for an option that does not exist", function()
    assert.error_matches(function() cairn.cache { sotre = "memory:" } end, "sotre")
    assert.error_matches(function() cairn.cache { store = "memory:", stores = {} } end, "either")
    assert.error_matches(function() cairn.cache { store = "memory:", ids = "odd" } end, "ids")
    assert.error_matches(function() cairn.cache { store = "memory:", budget = 0.5 } end, "budget")
  end)

  it("says why a store cannot be opened", function()
    local cache, message, code = cairn.cache { store = "nosuch:" }
    assert.is_nil(cache)
    assert.equal("invalid_argument", code)
    assert.matches("nosuch", message, 1, true)
  end)

  it("raises when it is used after it was closed", function()
    local opened = caches.open "memory"
    opened.cache:close()
    assert.error_matches(function() opened.cache:read("x") end, "closed")
    opened.cache:close()
    caches.close(opened)
  end)
end)
