--- batch: all or nothing, in order, each step seeing those before it.

local refused = require "spec.support.refused"

local case = ...

describe("and batches", function()
  local store
  before_each(function() store = case.store end)

  local function names(path)
    local found = {}
    for name in assert(store:list(path)) do found[#found + 1] = name end
    return found
  end

  it("does one change", function()
    assert.same({ true }, { store:batch(function(batch) batch:write("deep/a", "1") end) })
    assert.equal("1", store:read("deep/a"))
  end)

  it("does nothing for an empty batch", function()
    assert.same({ true }, { store:batch(function() end) })
    assert.same({}, names())
  end)

  it("does nothing when the function raises, and passes the error on", function()
    local problem = {}
    local ok, raised = pcall(store.batch, store, function(batch)
      batch:write("a", "1")
      error(problem)
    end)
    assert.is_false(ok)
    assert.equal(problem, raised)
    assert.same({}, names())
  end)

  it("cannot be used once it is over", function()
    local kept
    assert(store:batch(function(batch) kept = batch end))
    assert.has_error(function() kept:write("a", "1") end)
    refused("not_found", "a", store:read("a"))
  end)

  it("goes step by step where that is asked for", function()
    assert(store:batch(function(batch)
      batch:write("g/a", "1")
      batch:link("g", "l")
      batch:write("l/b", "2")
      batch:group("h")
      batch:delete("g/a")
      batch:pack("p", { k = "v" })
    end, { in_steps = true }))
    assert.same({ "b" }, names("g"))
    assert.equal("composite", store:type("h"))
    assert.equal("v", store:read("p/k"))
  end)

  if not case.backend.batch then
    it("says unsupported for several changes at once, and does none", function()
      refused("unsupported", case.backend.name, store:batch(function(batch)
        batch:write("a", "1")
        batch:write("b", "2")
      end))
      assert.same({}, names())
    end)
    return
  end

  it("does many changes of every kind", function()
    assert(store:write("old", "v"))
    assert(store:batch(function(batch)
      batch:write("g/a", "1", { metadata = { n = 1 } })
      batch:write({ "g", "b" }, ("z"):rep(10000), { compress = true })
      batch:group("empty")
      batch:link("g/a", "l")
      batch:pack("p", { x = "1", y = { link = "g/b" } })
      batch:delete("old")
    end, { sync = true }))
    assert.equal("1", store:read("l"))
    assert.same({ n = 1 }, store:stat("g/a").metadata)
    assert.equal(("z"):rep(10000), store:read("p/y"))
    assert.same({ "empty", "g", "l", "p" }, names())
  end)

  it("lets each change see those before it", function()
    assert(store:batch(function(batch)
      batch:write("g/x", "1")
      batch:link("g", "l")
      batch:write("l/y", "2")
      batch:write("x", "first")
      batch:write("x", "second")
      batch:delete("g/x")
      batch:write("f", "v")
      batch:delete("f")
      batch:write("f/now/a/group", "v")
    end))
    assert.same({ "y" }, names("g"))
    assert.equal("second", store:read("x"))
    assert.equal("v", store:read("f/now/a/group"))
  end)

  it("changes nothing when one change is refused, and says which", function()
    assert(store:write("f", "v"))
    assert(store:write("g/k", "v"))
    local culprits = {
      { "not_a_group", "f/below", function(batch) batch:write("f/below", "x") end },
      { "is_group", "g", function(batch) batch:write("g", "x") end },
      { "not_a_group", "f", function(batch) batch:group("f") end },
      { "conflict", "f", function(batch) batch:write("f", "x", { if_absent = true }) end },
      { "conflict", "f", function(batch) batch:write("f", "x", { if_equal = "y" }) end },
      { "is_group", "g", function(batch) batch:delete("g") end },
      { "conflict", "new/a", function(batch) batch:write("new/a", "x", { if_absent = true }) end },
    }
    for _, culprit in ipairs(culprits) do
      local code, path, change = table.unpack(culprit)
      refused(code, path, store:batch(function(batch)
        batch:write("new/a", "1")
        batch:delete("g/k")
        batch:write("g/other", "2")
        change(batch)
        batch:write("after", "3")
      end))
      assert.same({ "f", "g" }, names())
      assert.same({ "k" }, names("g"))
      assert.equal("v", store:read("f"))
    end
  end)

  it("refuses bad paths before anything is done", function()
    local ok, first, _, code = pcall(store.batch, store, function(batch)
      batch:write("a", "1")
      batch:write("../b", "2")
    end)
    assert.is_true(not ok or (first == nil and code == "invalid_path"))
    assert.same({}, names())
  end)

  it("holds thousands of changes", function()
    assert(store:batch(function(batch)
      for i = 1, 5000 do batch:write(("n/%d/%d"):format(i % 10, i), tostring(i)) end
    end))
    assert.equal("4999", store:read("n/9/4999"))
    assert.equal(10, #names("n"))
    assert.equal(500, #names("n/3"))
  end)

  it("carries large values", function()
    local large = ("0123456789abcdef"):rep(200000)
    assert(store:batch(function(batch)
      batch:write("a", large)
      batch:write("b", large .. "!")
    end))
    assert.is_true(large == store:read("a"))
    assert.is_true(large .. "!" == store:read("b"))
  end)
end)
