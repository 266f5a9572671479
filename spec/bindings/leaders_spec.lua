--- One computation for many callers, told by whoever leads: find_or_register, await, notify.

local cairn = require "cairn"

local workplace = require "spec.support.workplace"

local eventually, until_state = workplace.eventually, workplace.until_state

-- Joins, and keeps what came of it: { base = , request = , lead = how, max_waiters = , timeout = }
local JOINER = [[
local cairn = require "cairn"
local kept = {}

local function join(state, request)
  local workers = cairn.workers()
  local options = { group = request.group, max_waiters = request.max_waiters,
    timeout = request.timeout }
  local role, leader = workers:find_or_register(request.base, request.request, options)
  state.role = role
  if role == "leader" and request.keep then
    kept[request.keep] = leader
  elseif role == "wait" then
    state.result, state.message, state.code =
      workers:await(leader, request.base, request.request, options)
  end
  if request.fail then error "went wrong while it led" end
  while request.loop do end
  if role == "leader" and request.sleep then cairn.sleep(request.sleep) end
end

return { handle = function(state, request)
  if request == "look" then return state end
  if request.tell then
    local leader = kept[request.tell]
    kept[request.tell] = nil
    return cairn.workers():unregister_notify(leader, "", request.result, "no result", "io")
  end
  if request.forget then
    kept[request.forget] = nil
    collectgarbage()
    return
  end
  join(state, request)
end }
]]

describe("a computation that callers share", function()
  local here, workers

  before_each(function()
    here = workplace.new()
    here:handler("joiner", JOINER)
    workers = here:open { steps = 1000000 }
  end)
  after_each(function() here:close() end)

  local function joiner(group, options)
    local all = { handler = "joiner", group = group, static = true, timeout = 0 }
    for name, value in pairs(options or {}) do all[name] = value end
    return assert(workers:worker(all))
  end

  -- So many workers that wait for who leads.
  local function waiters(count, request)
    local list = {}
    for i = 1, count do
      list[i] = joiner("waiter " .. i)
      list[i]:send(request)
    end
    for _, waiter in ipairs(list) do until_state(waiter, "waiting") end
    return list
  end

  it("is led by who asks first, and its result is everybody's", function()
    local base, request = { page = "june" }, { path = "total" }
    local role, leader = workers:find_or_register(base, request)
    assert.equal("leader", role)
    assert.equal(workers:group(base, request), leader.group)
    assert.equal(cairn.id(base) .. "/" .. cairn.id(request), leader.group)
    local list = waiters(8, { base = base, request = request })
    assert.equal(1, workers:stats().waiting)
    assert.equal(8, workers:unregister_notify(leader, request, { total = 71, deep = { 1, 2.5 } }))
    for _, waiter in ipairs(list) do
      assert.same({ role = "wait", result = { total = 71, deep = { 1, 2.5 } } },
        waiter:ask "look")
    end
    assert.equal(0, workers:stats().waiting)
    assert.equal("leader", (workers:find_or_register(base, request)))
  end)

  it("is found by who asks for it again as his own", function()
    local role, leader = workers:find_or_register("base", "request")
    assert.equal("leader", role)
    local again, group = workers:find_or_register("base", "request")
    assert.equal("infinite_recursion", again)
    assert.equal(leader.group, group)
    workers:unregister_notify(leader, "request", 1)
    assert.equal("leader", (workers:find_or_register("base", "request")))
  end)

  local groups = {
    { "base and request", { { a = 1 }, { b = 2 } }, { { a = 1 }, { b = 2 } }, true },
    { "another base", { { a = 1 }, { b = 2 } }, { { a = 2 }, { b = 2 } }, false },
    { "another request", { { a = 1 }, { b = 2 } }, { { a = 1 }, { b = 3 } }, false },
    { "no request", { { a = 1 } }, { { a = 1 }, { a = 1 } }, false },
    { "text", { "a", "b" }, { "a", "b" }, true },
    { "a key in another place", { { a = 1 }, { b = 2 } }, { { b = 2 }, { a = 1 } }, false },
  }
  for _, case in ipairs(groups) do
    local what, one, other, equal = table.unpack(case)
    it("has one name for the same " .. what, function()
      local first = assert(workers:group(one[1], one[2]))
      assert.equal(equal, first == workers:group(other[1], other[2]))
    end)
  end

  it("has the name that a grouper gives it", function()
    local options = { grouper = function(base, request) return base.user .. "!" .. request end }
    assert.equal("anna!mail", workers:group({ user = "anna" }, "mail", options))
    local role, leader = workers:find_or_register({ user = "anna", at = 1 }, "mail", options)
    assert.equal("leader", role)
    assert.equal("anna!mail", leader.group)
    assert.equal("infinite_recursion",
      (workers:find_or_register({ user = "anna", at = 2 }, "mail", options)))
    assert.has_error(function()
      workers:find_or_register({}, {}, { grouper = function() error "no group" end })
    end)
  end)

  it("is told on the way as well, and led on", function()
    local _, leader = workers:find_or_register("", "", { group = "g" })
    local first = waiters(3, { base = "", group = "g" })
    assert.equal(3, workers:notify(leader, "", { part = 1 }))
    for _, waiter in ipairs(first) do
      assert.same({ role = "wait", result = { part = 1 } }, waiter:ask "look")
    end
    local second = waiters(2, { base = "", group = "g" })
    assert.equal(0, workers:notify(leader, "", { part = 2 }) - 2)
    for _, waiter in ipairs(second) do
      assert.same({ part = 2 }, waiter:ask("look").result)
    end
    assert.equal(0, workers:unregister_notify(leader, "", { part = 3 }))
    assert.equal("leader", (workers:find_or_register("", "", { group = "g" })))
  end)

  it("that fails tells everybody so", function()
    local _, leader = workers:find_or_register("", "", { group = "g" })
    local list = waiters(3, { base = "", group = "g" })
    assert.equal(3, workers:unregister_notify(leader, "", nil, "the disk is full", "io"))
    for _, waiter in ipairs(list) do
      assert.same({ role = "wait", message = "the disk is full", code = "io" }, waiter:ask "look")
    end
  end)

  it("gives its answer to who was told to wait and comes late", function()
    joiner("first"):ask { base = "", group = "g", keep = "it" }
    local role, leader = workers:find_or_register("", "", { group = "g" })
    assert.equal("wait", role)
    assert.equal("g", leader.group)
    assert.equal(0, workers:find("first"):ask { tell = "it", result = { late = true } })
    assert.same({ late = true }, workers:await(leader, "", ""))
    assert.same({ late = true }, workers:await(leader, "", ""))
  end)

  it("is over when its token is closed, or collected", function()
    do
      local _, leader <close> = workers:find_or_register("", "", { group = "closed" })
      assert.equal("closed", leader.group)
    end
    local _, again = workers:find_or_register("", "", { group = "closed" })
    workers:unregister_notify(again, "", 1)

    joiner("first"):ask { base = "", group = "collected", keep = "it" }
    local list = waiters(4, { base = "", group = "collected" })
    workers:find("first"):send { forget = "it" }
    for _, waiter in ipairs(list) do
      local state = waiter:ask "look"
      assert.equal("leader_died", state.code)
      assert.is_string(state.message)
      assert.is_nil(state.result)
    end
  end)

  local ends = {
    { "raises", { fail = true }, "went wrong while it led" },
    { "goes beyond a limit", { loop = true }, "over its limit" },
    { "is killed", { sleep = 600000 }, "ended", "kill" },
  }
  for _, case in ipairs(ends) do
    local what, more, reason, method = table.unpack(case)
    it("is given up at once when the worker that leads " .. what, function()
      local open = workplace.gate(workers, "gate")
      here:handler("gated", JOINER:gsub("state.role = role\n", [[%0
        if role == "leader" then
          local _, gate = workers:find_or_register("", "", { group = "gate" })
          workers:await(gate, "", "")
        end
      ]]))
      local leader = joiner("leader", { handler = "gated" })
      local request = { base = "", group = "g", keep = "for ever" }
      for name, value in pairs(more) do request[name] = value end
      leader:send(request)
      until_state(leader, "waiting")
      local list = waiters(5, { base = "", group = "g" })
      open()
      if method == "kill" then leader:kill() end
      for _, waiter in ipairs(list) do
        local state = waiter:ask("look", { timeout = 20000 })
        assert.equal("leader_died", state.code)
        assert.matches(reason, state.message, 1, true)
      end
      eventually(function() return not workers:find "leader" end)
      assert.equal(0, workers:stats().waiting - 0)
    end)
  end

  it("is given up when the worker that leads stops", function()
    local first = joiner "first"
    first:ask { base = "", group = "g", keep = "it" }
    local list = waiters(2, { base = "", group = "g" })
    assert.is_true(first:stop())
    for _, waiter in ipairs(list) do
      assert.equal("leader_died", waiter:ask("look").code)
    end
  end)

  it("is given up when all are closed", function()
    joiner("first"):ask { base = "", group = "g", keep = "it" }
    local role, leader = workers:find_or_register("", "", { group = "g" })
    assert.equal("wait", role)
    workers:close()
    assert.has_error(function() workers:await(leader, "", "") end)
  end)

  it("is waited for no longer than told", function()
    joiner("first"):ask { base = "", group = "g", keep = "it" }
    local _, leader = workers:find_or_register("", "", { group = "g" })
    local none, message, code = workers:await(leader, "", "", { timeout = 10 })
    assert.is_nil(none)
    assert.equal("timeout", code)
    assert.matches("10 ms", message, 1, true)
    local waiter = joiner "waiter"
    waiter:send { base = "", group = "g", timeout = 10 }
    assert.equal("timeout", waiter:ask("look").code)
    assert.equal(0, workers:find("first"):ask { tell = "it", result = 1 })
  end)

  it("is waited for by no more than may", function()
    joiner("first"):ask { base = "", group = "g", keep = "it" }
    local list = waiters(2, { base = "", group = "g", max_waiters = 2 })
    local late = joiner "late"
    late:send { base = "", group = "g", max_waiters = 2 }
    local state = late:ask "look"
    assert.equal("limit", state.code)
    assert.is_string(state.message)
    list[1]:kill()
    eventually(function() return not workers:find "waiter 1" end)
    late:send { base = "", group = "g", max_waiters = 2 }
    until_state(late, "waiting")
    assert.equal(2, workers:find("first"):ask { tell = "it", result = 7 })
    assert.equal(7, late:ask("look").result)
  end)

  it("is asked of the worker that has the group", function()
    local worker = assert(workers:worker { handler = "agent", group = "w", static = true })
    local role, found = workers:find_or_register("", { op = "echo", value = 1 }, { group = "w" })
    assert.equal("wait", role)
    assert.equal("w", found.group)
    assert.equal(1, workers:await(found, "", { op = "echo", value = 1 }))
    assert.is_true(worker:stop())
    assert.equal("leader", (workers:find_or_register("", "", { group = "w" })))
  end)

  it("is told by its leader only, and once", function()
    joiner("first"):ask { base = "", group = "g", keep = "it" }
    local _, other = workers:find_or_register("", "", { group = "g" })
    assert.has_error(function() workers:unregister_notify(other, "", 1) end)
    local _, mine = workers:find_or_register("", "", { group = "mine" })
    workers:unregister_notify(mine, "", 1)
    assert.has_error(function() workers:unregister_notify(mine, "", 2) end)
    assert.has_error(function() workers:notify(mine, "", 2) end)
  end)

  it("names the key of a result that cannot be copied, and is led on", function()
    local _, leader = workers:find_or_register("", "", { group = "g" })
    local ok, message = pcall(workers.unregister_notify, workers, leader, "", { a = { b = print } })
    assert.is_false(ok)
    assert.matches("result.a.b", message, 1, true)
    local list = waiters(1, { base = "", group = "g" })
    assert.equal(1, workers:unregister_notify(leader, "", { a = 1 }))
    assert.same({ a = 1 }, list[1]:ask("look").result)
  end)
end)
