--- transaction: reads and collects, commits only if what it read is still so, or runs again.

local refused = require "spec.support.refused"

local case = ...

describe("and transactions", function()
  local store
  before_each(function() store = case.store end)

  if not case.backend.batch then
    it("says unsupported, and does nothing", function()
      local ran = false
      refused("unsupported", case.backend.name, store:transaction(function(tx)
        ran = true
        tx:write("a", "1")
      end))
      assert.is_false(ran)
      refused("not_found", "a", store:read("a"))
    end)
    return
  end

  it("commits what it read and changed", function()
    assert(store:write("n", "1"))
    local result = store:transaction(function(tx)
      local n = assert(math.tointeger(tx:read("n"))) + 1
      tx:write("n", tostring(n))
      return n
    end)
    assert.equal(2, result)
    assert.equal("2", store:read("n"))
  end)

  it("returns true when the body returns nothing", function()
    assert.is_true(store:transaction(function(tx) tx:read("nowhere") end))
    assert.is_true(store:transaction(function() end))
  end)

  it("answers reads as the store does", function()
    assert(store:write("g/v", "1"))
    assert(store:link("g", "l"))
    assert(store:transaction(function(tx)
      assert.equal("1", tx:read("l/v"))
      refused("not_found", "nowhere", tx:read("nowhere"))
      refused("not_found", "g", tx:read("g"))
      refused("invalid_path", "..", tx:read(".."))
    end))
  end)

  it("reads its own changes, which nobody else sees yet", function()
    assert(store:transaction(function(tx)
      tx:write("a", "mine")
      assert.equal("mine", tx:read("a"))
      refused("not_found", "a", store:read("a"))
    end))
    assert.equal("mine", store:read("a"))
  end)

  it("runs again when what it read has changed", function()
    assert(store:write("n", "1"))
    local runs = 0
    assert(store:transaction(function(tx)
      runs = runs + 1
      local n = math.tointeger(tx:read("n"))
      if runs == 1 then assert(store:write("n", "10")) end
      tx:write("n", tostring(n + 1))
    end))
    assert.equal(2, runs)
    assert.equal("11", store:read("n"))
  end)

  it("runs again when what it missed has appeared", function()
    local runs = 0
    assert(store:transaction(function(tx)
      runs = runs + 1
      local there = tx:read("once")
      if runs == 1 then assert(store:write("once", "other")) end
      tx:write("seen", there or "nothing")
    end))
    assert.equal(2, runs)
    assert.equal("other", store:read("seen"))
  end)

  it("runs again when a link it followed leads elsewhere", function()
    assert(store:write("a", "A"))
    assert(store:write("b", "B"))
    assert(store:link("a", "l"))
    local runs = 0
    assert(store:transaction(function(tx)
      runs = runs + 1
      local value = tx:read("l")
      if runs == 1 then
        assert(store:delete("l"))
        assert(store:link("b", "l"))
      end
      tx:write("copy", value)
    end))
    assert.equal(2, runs)
    assert.equal("B", store:read("copy"))
  end)

  it("does not mind changes to what it did not read", function()
    assert(store:write("n", "1"))
    local runs = 0
    assert(store:transaction(function(tx)
      runs = runs + 1
      tx:read("n")
      assert(store:write("other", tostring(runs)))
      tx:write("n", "2")
    end))
    assert.equal(1, runs)
  end)

  it("answers conflict when it may not run again", function()
    assert(store:write("n", "1"))
    local runs = 0
    refused("conflict", "n", store:transaction(function(tx)
      runs = runs + 1
      tx:read("n")
      assert(store:write("n", "outer " .. runs))
      tx:write("n", "inner")
    end, { retries = 0 }))
    assert.equal(1, runs)
    assert.equal("outer 1", store:read("n"))
    refused("conflict", "n", store:transaction(function(tx)
      runs = runs + 1
      tx:read("n")
      assert(store:write("n", "outer " .. runs))
      tx:write("n", "inner")
    end, { retries = 2 }))
    assert.equal(4, runs)
  end)

  it("does nothing when the body raises, and passes the error on", function()
    local problem = {}
    local ok, raised = pcall(store.transaction, store, function(tx)
      tx:write("a", "1")
      error(problem)
    end)
    assert.is_false(ok)
    assert.equal(problem, raised)
    refused("not_found", "a", store:read("a"))
  end)

  it("does nothing when the body returns nil and a message", function()
    local result, message = store:transaction(function(tx)
      tx:write("a", "1")
      return nil, "changed my mind"
    end)
    assert.is_nil(result)
    assert.equal("changed my mind", message)
    refused("not_found", "a", store:read("a"))
  end)

  it("cannot be used once it is over", function()
    local kept
    assert(store:transaction(function(tx) kept = tx end))
    assert.has_error(function() kept:read("a") end)
    assert.has_error(function() kept:write("a", "1") end)
  end)

  it("moves between two values as one", function()
    assert(store:write("from", "10"))
    assert(store:write("to", "0"))
    assert(store:transaction(function(tx)
      tx:write("from", tostring(math.tointeger(tx:read("from")) - 3))
      tx:write("to", tostring(math.tointeger(tx:read("to")) + 3))
      tx:group("done")
      tx:link("to", "done/where")
    end, { sync = true }))
    assert.equal("7", store:read("from"))
    assert.equal("3", store:read("done/where"))
  end)

  it("changes nothing when one change is refused", function()
    assert(store:write("f", "v"))
    refused("not_a_group", "f/below", store:transaction(function(tx)
      tx:write("a", "1")
      return tx:write("f/below", "2")
    end))
    refused("not_found", "a", store:read("a"))
  end)
end)
