--- Callers at their worst: tables with metamethods, and finalizers that run in the middle of a
--- call and close, fill or read what it is at. Each fails cleanly or answers rightly; under
--- AddressSanitizer nothing is touched that is gone.

local cairn = require "cairn"

local backends = require "spec.support.backends"
local place = require "spec.support.place"

--- How often a finalizer is to come at the wrong moment.
local ENOUGH = 10

local function memory() return assert(cairn.open("memory:")) end

local function raises(message, call, ...)
  local ok, raised = pcall(call, ...)
  assert.is_false(ok, "did not raise: " .. message)
  assert.matches(message, raised, 1, true)
end

--- The collector at its most eager while `body` runs, then as it was.
local function eagerly(body)
  local pause, factor = 200, 100
  collectgarbage("incremental", 1, 1000, 1)
  local ok, raised = pcall(body)
  collectgarbage("incremental", pause, factor, 13)
  collectgarbage("generational")
  assert(ok, raised)
end

--- Some garbage, never the same: so that the collector's steps do not keep time with the calls.
local function jitter()
  for _ = 1, math.random(4) do local _ = { ("x"):rep(math.random(300)) } end
end

--- Garbage whose finalizer runs `action`.
local function trash(action) setmetatable({}, { __gc = action }) end

--- Leaves garbage so that its finalizer runs within one of the next allocations, and calls.
local function amid(action, ...)
  for _ = 1, 3 do trash(action) end
  return pcall(...)
end

describe("metamethods of arguments", function()
  local ran, store

  before_each(function()
    ran, store = 0, memory()
    assert(store:write("a", "1"))
  end)

  after_each(function() store:close() end)

  --- Every metamethod that reading could run closes the store.
  local function closing(table)
    local function close() ran = ran + 1 store:close() end
    return setmetatable(table, { __index = close, __pairs = close, __call = close })
  end

  it("are not run by options, children, metadata and paths", function()
    assert(store:write("b", "1", closing {}))
    assert(store:write("b", "1", { metadata = closing { k = 1 } }))
    assert(store:link("b", "c", closing {}))
    assert(store:pack("p", closing { a = "1", b = closing { link = "a" } }))
    assert(store:batch(function(batch) batch:write("d", "1", closing {}) end, closing {}))
    assert(store:transaction(function(tx) tx:write("e", "1", closing {}) end, closing {}))
    assert(store:list("", closing {}))
    assert(store:delete("e", closing {}))
    assert.equal("1", store:read(closing { "p", closing { "a" } }))
    local writer <close> = assert(store:writer())
    assert(writer:commit(closing { "w" }, closing {}))
    assert(cairn.encode(closing { kind = "raw", payload = "v" }))
    assert.equal(0, ran)
  end)

  it("make no list of a path", function()
    local function path()
      return setmetatable({ "a" }, { __len = function() ran = ran + 1 store:close() return 1 end })
    end
    for _, method in ipairs { "read", "type", "resolve", "stat", "delete", "group", "list" } do
      raises("path: a plain list expected", store[method], store, path())
    end
    raises("path: a plain list expected", store.delete, store, path(), { recursive = true })
    raises("path: a plain list expected", store.read_at, store, path(), 0, 1)
    local writer <close> = assert(store:writer())
    raises("path: a plain list expected", writer.commit, writer, path())
    assert.equal(0, ran)
    assert.equal("1", store:read("a"))
  end)

  it("give no child of a pack its link, nor more siblings", function()
    local children = {}
    local function grow()
      for i = 1, 2000 do children["n" .. i] = "v" end
      return "t"
    end
    for i = 1, 4 do children["k" .. i] = setmetatable({}, { __index = grow }) end
    raises("children: link: path", store.pack, store, "p", children)
  end)

  it("give no entry its kind, nor more siblings", function()
    local children = {}
    local function grow(_, key)
      for i = 1, 2000 do children["n" .. i] = { kind = "raw" } end
      return key == "kind" and "raw" or nil
    end
    for i = 1, 4 do children["k" .. i] = setmetatable({}, { __index = grow }) end
    raises("entry.kind: '' is not a kind", cairn.encode, { kind = "group", children = children })
  end)
end)

describe("finalizers in the middle of a call", function()
  it("may close the store", function()
    eagerly(function()
      local calls = {
        read = { { "a", { "b" } } }, type = { { "a" } }, resolve = { { "a" } }, stat = { "a" },
        read_at = { "a", 0, 1 << 16 }, write = { { "a" }, "v", { metadata = { k = 1 } } },
        group = { { "g" } }, link = { { "a" }, { "l" } }, pack = { "p", { k = "v" } },
        delete = { { "a" }, { recursive = true } }, list = { { "" } }, range = { { "" } },
        snapshot = {}, writer = {}, url = {}, stats = {},
        batch = { function(batch) batch:write({ "x" }, "v") end },
        transaction = { function(tx) tx:write({ "x" }, "v") return tx:read({ "x" }) end },
      }
      for name, arguments in pairs(calls) do
        for _ = 1, 30 do
          local store = memory()
          assert(store:write("a", ("v"):rep(100), { metadata = { k = ("m"):rep(100) } }))
          local ok, raised = amid(function() store:close() end,
            store[name], store, table.unpack(arguments))
          assert(ok or raised:find("the store is closed", 1, true), raised)
          store:close()
        end
      end
    end)
  end)

  it("may close the writer", function()
    eagerly(function()
      local refused = 0
      for _ = 1, 20000 do
        if refused == ENOUGH then break end
        local store <close> = memory()
        local writer, closed = assert(store:writer()), false
        trash(function() writer:close() closed = true end)
        local ok, raised, _, code
        repeat
          jitter()
          ok, raised, _, code = pcall(writer.commit, writer, { "a", ".." },
            { metadata = { k = 1 } })
          if ok then assert.equal("invalid_path", code) end
        until closed or not ok
        assert(ok or raised:find("the writer is closed", 1, true), raised)
        if not ok then refused = refused + 1 end
      end
      assert.equal(ENOUGH, refused)
    end)
  end)

  it("may use the store that is being read", function()
    local store <close> = memory()
    local metadata = { k = ("m"):rep(300), j = 1 }
    local large = ("v"):rep(100000)
    local function disturb()
      store:write("a", "1", { metadata = metadata })
      store:write("v", large)
      store:read("v")
      store:read("missing")
    end
    disturb()
    eagerly(function()
      for _ = 1, 2000 do
        trash(disturb)
        assert.same(metadata, store:stat("a").metadata)
        assert.is_true(store:read("v") == large)
      end
    end)
  end)

  it("may use the transaction that is being read", function()
    local store <close> = memory()
    local large = ("v"):rep(100000)
    assert(store:write("v", large))
    eagerly(function()
      assert(store:transaction(function(tx)
        for _ = 1, 1000 do
          trash(function() pcall(tx.read, tx, "missing") end)
          assert.is_true(tx:read("v") == large)
        end
      end))
    end)
  end)

  it("may move on the listing that is being read", function()
    local store <close> = memory()
    for i = 1, 500 do
      assert(store:write(("g/%03d%s"):format(i, ("n"):rep(60)), ("%03d"):format(i):rep(60)))
    end
    eagerly(function()
      for _ = 1, 5 do
        local iterate = assert(store:range("g"))
        local open = true
        for name, value in iterate do
          trash(function() if open then iterate() end end)
          assert.equal(name:sub(1, 3), value:sub(1, 3))
          assert.equal(180, #value)
        end
        open = false
      end
    end)
  end)
end)

describe("tables that grow while they are read", function()
  --- Fills `table` from a finalizer while `call` reads it, if that comes at the right moment:
  --- until it has often enough.
  local function grown(table, value, call)
    local refused = 0
    eagerly(function()
      for _ = 1, 20000 do
        if refused == ENOUGH then break end
        local filled, ballast = false, {}
        -- A heap of one size has cycles of one length: the moment could be always the same.
        for i = 1, math.random(200) do ballast[i] = {} end
        trash(function()
          for i = 1, 50 do table["n" .. i] = value end
          filled = true
        end)
        local ok, raised
        repeat
          jitter()
          ok, raised = pcall(call)
        until filled or not ok
        assert(ok or raised:find("grew while it was read", 1, true)
          or raised:find("'next'", 1, true), raised)
        if not ok then refused = refused + 1 end
        for i = 1, 50 do table["n" .. i] = nil end
        for i = #ballast, 1, -1 do ballast[i] = nil end
      end
    end)
    assert.equal(ENOUGH, refused)
  end

  it("do not overflow the children of a pack", function()
    local store <close> = memory()
    local children = { k1 = { link = { "a", "b" } }, k2 = { link = { "c" } }, k3 = "v" }
    grown(children, "v", function() store:pack("p", children) end)
  end)

  it("do not overflow metadata", function()
    local store <close> = memory()
    local metadata = { k1 = 1, k2 = "v" }
    grown(metadata, 1, function() store:write("a", "v", { metadata = metadata }) end)
  end)

  it("do not overflow the children of an entry", function()
    local children = { k1 = { kind = "raw", metadata = { m = 1 } }, k2 = { kind = "raw" } }
    grown(children, { kind = "raw" }, function()
      cairn.encode { kind = "group", children = children }
    end)
  end)
end)

describe("cairn.encode", function()
  it("refuses children of what is packed, so also a cycle", function()
    local cycle = { kind = "group" }
    cycle.children = { a = cycle }
    raises("what is packed has no children", cairn.encode, cycle)
    raises("what is packed has no children", cairn.encode,
      { kind = "group", children = { a = { kind = "raw", children = {} } } })
  end)

  it("names the field that it does not know or cannot take", function()
    raises("there is no field 'paylaod'", cairn.encode, { kind = "raw", paylaod = "v" })
    raises("names of fields are strings, not number", cairn.encode, { kind = "raw", "v" })
    raises("entry.children: table expected, got string", cairn.encode,
      { kind = "group", children = "x" })
    raises("entry.metadata: table expected, got boolean", cairn.encode,
      { kind = "raw", metadata = true })
    raises("entry.size: integer expected", cairn.encode, { kind = "raw", size = 1.5 })
    raises("entry.payload: string expected, got number", cairn.encode,
      { kind = "raw", payload = 1 })
  end)
end)

describe("options", function()
  it("are refused with the argument's name", function()
    local store <close> = memory()
    raises("#3 to 'write' (options: names are strings, not number)",
      function() store:write("a", "v", { "sync" }) end)
    raises("options: names are strings, not boolean", store.write, store, "a", "v",
      { [true] = 1 })
    raises("options: there is no option 'snyc'", store.write, store, "a", "v", { snyc = true })
    raises("options.sync: boolean expected, got number", store.write, store, "a", "v",
      { sync = 1 })
    raises("where: option names are strings", cairn.open, { backend = "memory", "x" })
    raises("where.max_bytes: string, number or boolean expected, got table", cairn.open,
      { backend = "memory", max_bytes = {} })
  end)
end)

describe("a transaction", function()
  it("is not run again when one of its changes is refused with conflict", function()
    local store <close> = memory()
    assert(store:write("e", "1"))
    local runs = 0
    local ok, _, code = store:transaction(function(tx)
      runs = runs + 1
      tx:write("e", "2", { if_absent = true })
    end)
    assert.is_nil(ok)
    assert.equal("conflict", code)
    assert.equal(1, runs)
  end)

  it("is run again when what it read has changed", function()
    local store <close> = memory()
    assert(store:write("e", "1"))
    local runs = 0
    assert(store:transaction(function(tx)
      runs = runs + 1
      local seen = tx:read("e")
      if runs <= 3 then assert(store:write("e", seen .. "1")) end
      tx:write("e", seen .. "!")
    end))
    assert.equal(4, runs)
    assert.equal("1111!", store:read("e"))
  end)

  it("that is ended by hand raises", function()
    local store <close> = memory()
    raises("the transaction was collected", store.transaction, store, function(tx)
      getmetatable(tx).__gc(tx)
    end)
  end)
end)

for _, backend in ipairs(backends) do
  describe("in_steps on " .. backend.name, function()
    it("gives up atomicity only where there are no batches", function()
      local directory = place.fresh()
      finally(function() place.remove(directory) end)
      local store <close> = assert(cairn.open(backend.url(directory)))
      local ok, _, code = store:batch(function(batch)
        batch:write("a", "1")
        batch:write("a/b", "2")
      end, { in_steps = true })
      assert.is_nil(ok)
      assert.equal("not_a_group", code)
      assert.equal(not backend.batch and "1" or nil, (store:read("a")))
    end)
  end)
end
