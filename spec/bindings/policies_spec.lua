--- The host of policies: files that decide, seen as they change; what is refused, and why; what a
--- script that fails, lies or never ends does to a decision: nothing.

local cairn = require "cairn"
local lfs = require "lfs"
local uv = require "luv"

local place = require "spec.support.place"
local scripts = require "spec.support.policies"

-- How long a machine may take that has other things to do, too.
local PATIENCE = 10 -- seconds

--- Lets real time pass until `arrived` gives something.
local function await(arrived, what)
  local deadline = uv.hrtime() + PATIENCE * 1e9
  repeat
    local result = arrived()
    if result then return result end
    uv.sleep(1)
  until uv.hrtime() > deadline
  error(what .. " did not come about", 2)
end

local opened

local function open(options)
  local policies = assert(cairn.policies(options))
  opened[#opened + 1] = policies
  return policies
end

local function info(policies, name)
  for _, each in ipairs(policies:list()) do
    if each.name == name then return each end
  end
end

local function events(policies, event)
  local found = {}
  for _, each in ipairs(policies:events()) do
    if each.event == event then found[#found + 1] = each end
  end
  return found
end

--- For how long a result is kept, and the step that says who decided.
local function fresh_for(policies, facts)
  local context = { moment = "store" }
  for name, value in pairs(facts or {}) do context[name] = value end
  local decision, step = assert(policies:decide("cache_control", context))
  return decision.fresh_for, step
end

describe("policies", function()
  local directory

  before_each(function()
    opened = {}
    directory = place.fresh()
  end)

  after_each(function()
    for _, policies in ipairs(opened) do policies:close() end
    place.remove(directory)
  end)

  local function put(source, name)
    place.put(("%s/%s.lua"):format(directory, name or "cache_control"), source)
  end

  --- As many editors save: beside it, then over it.
  local function put_over(source)
    place.put(directory .. "/.new", source)
    assert(os.rename(directory .. "/.new", directory .. "/cache_control.lua"))
  end

  --- Not watched: a spec that is not about watching says when files are looked at.
  local function open_still(options)
    options = options or {}
    options.directory, options.watch = directory, false
    return open(options)
  end

  local function await_fresh_for(policies, ms)
    await(function() return fresh_for(policies) == ms end, "a decision for " .. ms .. " ms")
  end

  describe("of a directory that is empty", function()
    it("are the shipped ones", function()
      local policies = open_still()
      local decision, step = policies:decide("cache_control",
        { moment = "lookup", request = 'No-Cache, CACHE, private="a, b"' })
      assert.is_false(decision.lookup)
      assert.equal("cache_control", step.policy)
      assert.equal("decide cache_control", step.operation)
      assert.matches("no lookup", step.detail, 1, true)
      local one = info(policies, "cache_control")
      assert.equal("shipped", one.origin)
      assert.is_true(one.deciding)
      assert.equal(one.version, step.version)
      assert.equal(12, #one.version)
    end)

    it("are there for every question", function()
      local policies = open_still()
      for _, question in ipairs { "cache_control", "chain", "eviction" } do
        assert.equal(question, info(policies, question).question)
        local decision, step = policies:decide(question, {})
        assert.is_table(decision)
        assert.equal(question, step.policy)
      end
    end)

    it("pass their own examples", function()
      local policies = open_still()
      for _, one in ipairs(policies:list()) do
        local tests = assert(policies:test(one.name))
        assert.is_true(#tests > 0)
        for _, test in ipairs(tests) do assert.is_true(test.ok, test.message) end
      end
    end)

    it("can be other ones", function()
      local policies = open_still { use = { chain = "mirror" } }
      assert.is_true(info(policies, "mirror").deciding)
      assert.is_false(info(policies, "chain").deciding)
      local _, step = policies:decide("chain", { action = "write", stores = {
        { name = "a" }, { name = "b" },
      } })
      assert.equal("mirror", step.policy)
    end)

    it("cannot be what does not exist, or answers something else", function()
      local policies, message, code = cairn.policies { directory = directory,
        use = { chain = "nobody" } }
      assert.is_nil(policies)
      assert.equal("not_found", code)
      assert.matches("nobody", message, 1, true)
      policies, message, code = cairn.policies { directory = directory, use = { chain = "ttl" } }
      assert.is_nil(policies)
      assert.equal("invalid_argument", code)
      assert.matches("ttl", message, 1, true)
    end)
  end)

  describe("in files", function()
    it("decide as soon as they are saved", function()
      local policies = open { directory = directory }
      put(scripts.keeping(1000))
      await_fresh_for(policies, 1000)
      put(scripts.keeping(2000))
      await_fresh_for(policies, 2000)
      put_over(scripts.keeping(3000))
      await_fresh_for(policies, 3000)
      local one = info(policies, "cache_control")
      assert.equal(directory .. "/cache_control.lua", one.origin)
      assert.is_true(one.deciding)
    end)

    it("are seen when their directory is made, replaced, or a link turned elsewhere", function()
      local home, other = directory .. "/a/b", directory .. "/other"
      local policies = open { directory = home }
      assert.equal("shipped", info(policies, "cache_control").origin)
      assert(lfs.mkdir(directory .. "/a"))
      assert(lfs.mkdir(home))
      place.put(home .. "/cache_control.lua", scripts.keeping(1000))
      await_fresh_for(policies, 1000)

      assert(lfs.mkdir(other))
      place.put(other .. "/cache_control.lua", scripts.keeping(2000))
      assert(os.rename(home, directory .. "/old"))
      assert(os.rename(other, home))
      await_fresh_for(policies, 2000)

      assert(os.rename(home, directory .. "/older"))
      assert(lfs.link(directory .. "/old", home, true))
      await_fresh_for(policies, 1000)
    end)

    it("leave the shipped one when they are deleted", function()
      local policies = open { directory = directory }
      put(scripts.keeping(1000))
      await_fresh_for(policies, 1000)
      os.remove(directory .. "/cache_control.lua")
      await(function() return info(policies, "cache_control").origin == "shipped" end,
        "the shipped policy")
      assert.equal("removed", policies:events()[#policies:events()].event)
      assert.is_nil(fresh_for(policies))
    end)

    it("decide where they have an opinion, and leave the rest to the shipped one", function()
      put(scripts.keeping(1000))
      local policies = open_still()
      local _, step = policies:decide("cache_control",
        { moment = "stale", kept = { stale_for = 10, while_revalidate = 20 } })
      assert.equal(info(policies, "cache_control").no_opinion, 1)
      assert.equal("cache_control", step.policy)
      assert.not_equal(info(policies, "cache_control").version, step.version)
      assert.matches("serve, revalidate", step.detail, 1, true)
    end)

    it("are looked at when asked to, if nobody watches", function()
      local policies = open_still()
      put(scripts.keeping(1000))
      assert.equal("shipped", info(policies, "cache_control").origin)
      assert.is_true(policies:reload("cache_control"))
      assert.equal(1000, fresh_for(policies))
      local ok, message, code = policies:reload("nobody")
      assert.is_nil(ok)
      assert.equal("not_found", code)
      assert.matches("nobody", message, 1, true)
    end)

    it("are kept, and what became of them is written down", function()
      local policies = open_still()
      put(scripts.keeping(1000))
      assert(policies:reload())
      put("nonsense")
      policies:reload()
      local hash = assert(policies:versions("cache_control"))[1].version
      local names = place.files(directory .. "/.versions")
      assert.equal(2, #names)
      assert.matches("^cache_control/" .. hash .. "%x+%.lua$", names[1])
      assert.equal(scripts.keeping(1000), place.content(directory .. "/.versions/" .. names[1]))
      local told = {}
      for line in io.lines(directory .. "/.versions/log.jsonl") do
        local event = assert(cairn.from_json(line))
        told[#told + 1] = event.policy .. " " .. event.event
      end
      assert.same({ "cache_control loaded", "cache_control refused" }, told)
    end)

    it("decide also where nothing can be kept, which is said once", function()
      place.put(directory .. "/.versions", "not a directory")
      local policies = open_still()
      for _, ms in ipairs { 1000, 2000 } do
        put(scripts.keeping(ms))
        assert(policies:reload())
        assert.equal(ms, fresh_for(policies))
      end
      assert.equal(1, #events(policies, "not_kept"))
    end)

    it("are told to `log`", function()
      local lines = {}
      local policies = open_still { log = function(line) lines[#lines + 1] = line end }
      put("nonsense")
      policies:reload()
      put(scripts.keeping(1000))
      assert(policies:reload())
      assert.equal(2, #lines)
      assert.matches("refused: .*cache_control.lua:1:", lines[1])
      assert.matches("loaded", lines[2])
    end)
  end)

  describe("that are broken", function()
    local function shaped(text)
      return "local policy = { question = 'cache_control' }\n"
        .. "function policy.decide() return {} end\n"
        .. "policy.examples = { { name = 'one', context = {}, decision = {} } }\n"
        .. text .. "\nreturn policy\n"
    end

    -- More than one instruction can number.
    local constants = {}
    for i = 1, 300 do constants[i] = ("%q"):format("constant " .. i) end
    local MANY = table.concat(constants, ",")

    local function with_example(text)
      return shaped("policy.examples = { " .. text .. " }")
    end

    local cases = {
      { "by their grammar", "local policy = {\nreturn policy", ":2: .*expected" },
      { "because they are bytecode", string.dump(function() end), ":1: .*bytecode" },
      { "because they return something else", "return 1", ":1: .*table" },
      { "because they raise", "local x\nreturn x.y", ":2: .*index" },
      { "by their question", "return { question = 'who?' }", "question" },
      { "by a question that is another one's",
        shaped "policy.question = 'chain'", "must be cache_control" },
      { "because they have no `decide`", shaped "policy.decide = 1", "decide" },
      { "because they have no examples", shaped "policy.examples = nil", "examples" },
      { "because an example comes out otherwise",
        with_example "{ name = 'two', context = {}, decision = { lookup = true } }",
        ':2: example "two": lookup is false, not true' },
      { "because an example expects an opinion that it has not",
        shaped "policy.decide = function() end", 'example "one": it has no opinion' },
      { "because an example expects no opinion",
        with_example "{ name = 'two', context = {}, decision = false }", "has an opinion" },
      { "by a field that an example mistypes",
        with_example "{ name = 'two', context = { momnet = 'store' }, decision = {} }",
        "there is no field 'momnet'" },
      { "by a field that the expectation mistypes",
        with_example "{ name = 'two', context = {}, decision = { stoer = true } }",
        "there is no field 'stoer'" },
      { "by a field of an example",
        with_example "{ name = 'two', context = {}, expect = {}, decision = {} }",
        "other fields" },
      { "because an example has no name", with_example "{ context = {}, decision = {} }",
        "no name" },
      { "by a global that is not there", shaped "local x = contxt",
        ":4: there is no global 'contxt'" },
      { "by a global in a function that never ran",
        shaped "local function never()\n  return contxt\nend", ":5: there is no global 'contxt'" },
      { "by a function of a library that is not there",
        shaped "local x = string.fromat", ":4: there is no 'string.fromat'" },
      { "because they assign to a global", shaped "counter = 1", ":4: .*global 'counter'" },
      { "because a function of theirs is global", shaped "function helper() end",
        ":4: .*global 'helper'" },
      { "because they take all globals at once", shaped "local g = _ENV", ":4: .*_ENV" },
      { "by a global among very many constants",
        shaped("local t = { " .. MANY .. " } local x = contxt"),
        ":4: there is no global 'contxt'" },
      { "because they assign to one there",
        shaped("local t = { " .. MANY .. " } counter = 1"), ":4: .*global 'counter'" },
      { "because they put something else in the place of globals", shaped "_ENV = {}",
        ":4: .*_ENV" },
      { "because they never end at loading", "while true do end", ":1: .*steps" },
      { "because they never end and catch everything",
        "while true do pcall(function() while true do end end) end", ":1: .*steps" },
      { "because they eat memory at loading",
        "local t = {}\nfor i = 1, 1e9 do t[i] = { i, i, i, i, i, i, i, i } end", ":2: .*memory",
        { steps = 100000000 } },
      { "because they never end in an example",
        shaped "function policy.decide() while true do end end", ':4: example "one": .*steps' },
      { "because they raise in an example",
        shaped "function policy.decide() error('no') end", ':4: example "one": .*no' },
      { "because they decide nonsense in an example",
        shaped "function policy.decide() return 1 end", ':4: example "one": .*a decision' },
      { "because they are too long", ("-"):rep(200 * 1024), "bytes" },
    }

    for _, case in ipairs(cases) do
      it(case[1] .. " are refused, and the last good one decides", function()
        local policies = open_still(case[4])
        put(scripts.keeping(1000))
        assert(policies:reload())
        put(case[2])
        local ok, message, code = policies:reload("cache_control")
        assert.is_nil(ok)
        assert.equal("policy_error", code)
        assert.matches(directory .. "/cache_control.lua:", message, 1, true)
        assert.matches(case[3], message)
        local one = info(policies, "cache_control")
        assert.equal(message, one.problem)
        assert.is_true(one.deciding)
        assert.equal(1000, fresh_for(policies))
        local refused = events(policies, "refused")
        assert.equal(1, #refused)
        assert.equal(message, refused[1].message)
        put(scripts.keeping(1000))
        assert(policies:reload())
        assert.is_nil(info(policies, "cache_control").problem)
      end)
    end

    it("from the beginning leave the shipped one", function()
      put "nonsense"
      local policies = open_still()
      local one = info(policies, "cache_control")
      assert.equal("shipped", one.origin)
      assert.matches("cache_control.lua:1:", one.problem)
      assert.is_true(one.deciding)
    end)

    it("are refused while nobody asks, too", function()
      local policies = open { directory = directory }
      put(scripts.keeping(1000))
      await_fresh_for(policies, 1000)
      put "while true do end"
      await(function() return info(policies, "cache_control").problem end, "a problem")
      assert.equal(1000, fresh_for(policies))
      put(scripts.keeping(2000))
      await_fresh_for(policies, 2000)
    end)

    it("because they are pipes or directories are not read", function()
      local policies = open_still()
      assert(lfs.mkdir(directory .. "/chain.lua"))
      assert(os.execute("mkfifo '" .. directory .. "/eviction.lua'"))
      assert.matches("regular file", select(2, policies:reload("chain")), 1, true)
      assert.matches("regular file", select(2, policies:reload("eviction")), 1, true)
    end)

    it("that are links to files are followed", function()
      local policies = open_still()
      local elsewhere = place.fresh()
      finally(function() place.remove(elsewhere) end)
      place.put(elsewhere .. "/kept.lua", scripts.keeping(1000))
      assert(lfs.link(elsewhere .. "/kept.lua", directory .. "/cache_control.lua", true))
      assert(policies:reload("cache_control"))
      assert.equal(1000, fresh_for(policies))
    end)

    it("by their name are no policies at all", function()
      local policies = open_still()
      for _, name in ipairs { "Cache", "a-b", ".hidden", "name with space", ("x"):rep(40) } do
        put(scripts.keeping(1000), name)
      end
      place.put(directory .. "/cache_control.lua~", scripts.keeping(1000))
      assert(policies:reload())
      assert.is_nil(fresh_for(policies))
      assert.equal(0, #policies:events())
    end)
  end)

  describe("that decide nonsense", function()
    local cases = {
      { "a number", "return 1", "a decision is a table" },
      { "a field that does not exist", "return { lokup = true }", "no field 'lokup'" },
      { "a field without a name", "return { true }", "fields have names" },
      { "a string for a boolean", "return { store = 'yes' }", "decision.store: boolean" },
      { "a negative time", "return { fresh_for = -1 }", "decision.fresh_for: %-1" },
      { "half a millisecond", "return { fresh_for = 0.5 }",
        "decision.fresh_for: a whole number expected, got 0.5" },
      { "an infinite priority", "return { priority = math.huge }", "not a finite number" },
      { "a priority that is no number", "return { priority = 0/0 }", "not a finite number" },
      { "a tag that is no string", "return { tags = { 1 } }", "decision.tags: strings" },
      { "an empty tag", "return { tags = { '' } }", "decision.tags: strings" },
      { "tags with a hole", "return { tags = { [3] = 'x' } }", "decision.tags: a list" },
      { "tags that are too long", "return { tags = { ('x'):rep(300) } }", "over 256 bytes" },
    }

    for _, case in ipairs(cases) do
      it(case[1] .. " are reported and not obeyed", function()
        put(scripts.deciding("if context.moment == 'store' then " .. case[2] .. " end"))
        local policies = open_still()
        assert.is_nil(info(policies, "cache_control").problem)
        local decision, step = policies:decide("cache_control",
          { moment = "store", request = "store, max-age=60", result = "max-age=60" })
        assert.is_true(decision.store)
        assert.equal(60000, decision.fresh_for)
        assert.not_equal(info(policies, "cache_control").version, step.version)
        assert.equal(1, info(policies, "cache_control").errors)
        local told = events(policies, "error")
        assert.equal(1, #told)
        assert.matches(directory .. "/cache_control.lua:4: ", told[1].message, 1, true)
        assert.matches(case[3], told[1].message)
      end)
    end

    local chains = {
      { "no order", "return {}", "decision.order: it is missing" },
      { "a store that is not there", "return { order = { 'b' } }", "no store 'b'" },
      { "a store twice", "return { order = { 'a', 'a' } }", "'a' twice" },
      { "an order that is no list", "return { order = { a = 1 } }", "decision.order: a list" },
      { "more to race than to ask", "return { order = { 'a' }, race = 2 }", "decision.race: 2" },
      { "more to accept than to write", "return { need = 2, order = { 'a' } }",
        "decision.need: 2" },
      { "a tier that is not there", "return { order = { 'a' }, promote = { 'c' } }",
        "no store 'c'" },
      { "a deadline for nobody", "return { order = { 'a' }, deadlines = { d = 1 } }",
        "no store 'd'" },
      { "too many to keep out",
        "return { order = { 'a' }, keep_out = { after = 1e7 | 0, ms = 1 } }",
        "decision.keep_out.after" },
    }

    for _, case in ipairs(chains) do
      it(case[1] .. " leave the order to the shipped one", function()
        put("return { question = 'chain',\n"
          .. "  decide = function(context)\n"
          .. "    if context.action == 'write' then return nil end\n"
          .. "    " .. case[2] .. "\n"
          .. "  end,\n"
          .. "  examples = { { name = 'w', context = { action = 'write' }, decision = false } },\n"
          .. "}\n", "chain")
        local policies = open_still()
        local decision, step = policies:decide("chain", { stores = { { name = "a" } } })
        assert.same({ "a" }, decision.order)
        assert.equal("chain", step.policy)
        assert.matches(case[3], events(policies, "error")[1].message)
        assert.matches("chain.lua:4: ", events(policies, "error")[1].message, 1, true)
      end)
    end
  end)

  describe("that breach their limits", function()
    local cases = {
      { "by never ending", "while true do end", "steps" },
      { "by never ending in pcall", "repeat until pcall(error) and false", "steps" },
      { "by eating memory", "local t = {} for i = 1, 1e9 do t[i] = { i, i, i, i, i, i, i, i } end",
        "memory", { steps = 100000000 } },
      { "by one large string", "return { reason = ('x'):rep(1e9) }", "" },
      { "by a pattern", "return { reason = (('a'):rep(30)):match(('a?'):rep(30) .. ('a'):rep(30)"
        .. " .. 'b') }", "" },
    }

    for _, case in ipairs(cases) do
      it(case[1] .. " leave the decision to the shipped one", function()
        put(scripts.deciding("if context.moment == 'store' then " .. case[2] .. " end"))
        local policies = open_still(case[4])
        local decision, step = policies:decide("cache_control",
          { moment = "store", request = "store" })
        assert.is_true(decision.store)
        assert.not_equal(info(policies, "cache_control").version, step.version)
        local one = info(policies, "cache_control")
        assert.equal(1, one.breaches)
        local told = events(policies, "breach")
        assert.equal(1, #told)
        assert.matches("cache_control.lua:4: .*" .. case[3], told[1].message)
        -- It goes on deciding what it can.
        assert.is_table(policies:decide("cache_control", { moment = "error" }))
        assert.equal(1, info(policies, "cache_control").no_opinion)
      end)
    end

    it("again and again are reported now and then", function()
      put(scripts.deciding "if context.moment == 'store' then error('again') end")
      local policies = open_still()
      for _ = 1, 100 do fresh_for(policies) end
      assert.equal(100, info(policies, "cache_control").errors)
      local told = events(policies, "error")
      assert.equal(7, #told) -- 1, 2, 4, ... 64
      assert.matches("again %(64 times%)", told[7].message)
    end)

    it("show in what explains the decision", function()
      put(scripts.deciding "if context.moment == 'lookup' then error('no way') end")
      local policies = open_still()
      local cache = assert(cairn.cache { store = "memory:", policies = policies })
      local steps = {}
      cache:resolve({ a = "1" }, { path = "b" }, function() return "x" end, { explain = steps })
      cache:close()
      local told
      for _, step in ipairs(steps) do
        if step.status == "policy_error" then told = step end
      end
      assert.equal("decide cache_control", told.operation)
      assert.matches("cache_control.lua:4: no way", told.detail, 1, true)
    end)

    it("may be given more room", function()
      put(scripts.deciding
        "local n = 0 for i = 1, 2e5 do n = n + i end return { reason = tostring(n) }")
      local policies = open_still()
      assert.matches("steps", info(policies, "cache_control").problem)
      policies = open_still { steps = 10000000, wall = 5000 }
      assert.matches("opinion", info(policies, "cache_control").problem)
    end)
  end)

  describe("are remembered", function()
    local function counts(policies)
      local one = info(policies, "cache_control")
      return one.calls, one.remembered
    end

    it("for equal facts", function()
      put(scripts.keeping(1000))
      local policies = open_still()
      local _, first = fresh_for(policies, { request = "store" })
      local _, second = fresh_for(policies, { request = "store" })
      local _, third = fresh_for(policies, { request = "store " })
      assert.is_false(first.remembered)
      assert.is_true(second.remembered)
      assert.is_false(third.remembered)
      assert.equal(first.line, second.line)
      assert.equal(7, second.line) -- where it returned
      assert.same({ 3, 1 }, { counts(policies) })
    end)

    it("until another version decides", function()
      put(scripts.keeping(1000))
      local policies = open_still()
      fresh_for(policies)
      put(scripts.keeping(2000))
      assert(policies:reload())
      local ms, step = fresh_for(policies)
      assert.equal(2000, ms)
      assert.is_false(step.remembered)
    end)

    it("not if they looked at what is different each time", function()
      put(scripts.deciding("return context.now and context.moment == 'store'"
        .. " and { fresh_for = context.size } or nil"))
      local policies = open_still()
      assert.equal(10, (fresh_for(policies, { size = 10 })))
      local ms, step = fresh_for(policies, { size = 20 })
      assert.equal(20, ms)
      assert.is_false(step.remembered)
    end)

    it("not if they say so", function()
      put(scripts.deciding
        "return context.moment == 'store' and { fresh_for = 1, cacheable = false } or nil")
      local policies = open_still()
      fresh_for(policies)
      local _, step = fresh_for(policies)
      assert.is_false(step.remembered)
    end)

    it("not if nobody wants it", function()
      put(scripts.keeping(1000))
      local policies = open_still { remember = false }
      fresh_for(policies)
      local _, step = fresh_for(policies)
      assert.is_false(step.remembered)
    end)

    it("with every opinion there is not", function()
      put(scripts.deciding "return nil")
      local policies = open_still()
      policies:decide("cache_control", { moment = "lookup" })
      local _, step = policies:decide("cache_control", { moment = "lookup" })
      assert.is_true(step.remembered)
    end)
  end)

  describe("see facts", function()
    --- What a script makes of the context, as the reason of its decision.
    local function seen(expression, facts, question)
      local context = { moment = "store" }
      for name, value in pairs(facts) do context[name] = value end
      if question then context = facts end
      local source = scripts.deciding(
        "if context.moment ~= 'error' then return { reason = tostring(" .. expression .. ") } end")
      if question then
        source = ("return { question = %q, decide = function(context)\n"
          .. "  if context.path == 'none' then return nil end\n"
          .. "  return { %s reason = tostring(%s) }\nend, examples = {\n"
          .. "  { name = 'none', context = { path = 'none' }, decision = false } } }\n"):format(
          question, question == "chain" and "order = { 'a' }," or "", expression)
      end
      put(source, question or "cache_control")
      local policies = open_still()
      assert(policies:reload())
      local decision, step = assert(policies:decide(question or "cache_control", context))
      assert.is_not_nil(decision.reason, step.detail)
      return decision.reason
    end

    local cases = {
      { "a directive", "context.request['no-store']", { request = "NO-Store" }, "true" },
      { "a number", "context.request['max-age'] + 1", { request = "max-age=60" }, "61" },
      { "a quoted number", "context.request['max-age'] + 1", { request = 'max-age="60"' }, "61" },
      { "the first of two", "context.request['max-age']", { request = "max-age=1, MAX-AGE=2" },
        "1" },
      { "a number beyond all bounds, bounded", "context.request.x * 1000",
        { request = "x=" .. ("9"):rep(50) }, tostring((1 << 53) * 1000) },
      { "a quoted argument", "context.request.private", { request = [[private="a\"b, c"]] },
        [[a"b, c]] },
      { "what garbage leaves", "context.request['no-store']",
        { request = "=, a b, \1, ,, no-store, x=\"" }, "true" },
      { "directives as a table", "context.request['max-age']",
        { request = { ["max-age"] = 5, private = "x" } }, "5" },
      { "directives as a list", "context.request['max-age']",
        { request = { "no-store", "max-age=5" } }, "5" },
      { "silence", "context.node", {}, "nil" },
      { "nothing said", "next(context.node)", { node = "" }, "nil" },
      { "the hashpath option", "context.hashpath", { hashpath = "ignore" }, "ignore" },
      { "a message", "context.asked.key", { asked = { key = "value" } }, "value" },
      { "none", "next(context.answer)", {}, "nil" },
      { "size and cost", "context.size + context.cost", { size = 5, cost = 7 }, "12" },
      { "no size where there is none", "context.size", { moment = "lookup", size = 5 }, "nil" },
      { "the failure", "context.failure", { moment = "lookup" }, "nil" },
      { "what was kept", "context.kept.age .. ' ' .. tostring(context.kept.stale_for)",
        { moment = "stale", kept = { age = 5 } }, "5 nil" },
      { "the same table each time", "context.kept == context.kept",
        { moment = "stale", kept = { age = 5 } }, "true" },
    }
    for _, case in ipairs(cases) do
      it("as " .. case[1], function()
        assert.equal(case[4], seen(case[2], case[3]))
      end)
    end

    it("of chains", function()
      local facts = {
        stores = { { name = "a", scope = "remote", tier = true, write = false } },
        health = { a = { failures = 2, latency = 1.5 } },
      }
      assert.equal("a remote true false", seen("context.stores[1].name .. ' ' .."
        .. " context.stores[1].scope .. ' ' .. tostring(context.stores[1].tier) .. ' ' .."
        .. " tostring(context.stores[1].write)", facts, "chain"))
      assert.equal("2 1.5", seen("context.health.a.failures .. ' ' .. context.health.a.latency",
        facts, "chain"))
    end)

    it("of what could be evicted", function()
      assert.equal("5 x y nil", seen("context.hits .. ' ' .. table.concat(context.tags, ' ') .."
        .. " ' ' .. tostring(context.idle)", { hits = 5, tags = { "x", "y" } }, "eviction"))
    end)

    it("of the clock that they were given", function()
      local clock = cairn.clock(1234567)
      put(scripts.deciding
        "if context.moment == 'store' then return { fresh_for = context.now } end")
      local policies = open_still { clock = clock }
      assert.equal(1234567, (fresh_for(policies)))
      clock:advance(10)
      assert.equal(1234577, (fresh_for(policies)))
      assert.equal(1234567, policies:events()[1].time)
    end)

    local wrong = {
      { { momnet = "store" }, "no field 'momnet'" },
      { { moment = "sometimes" }, "context.moment" },
      { { request = 1 }, "context.request" },
      { { request = { ["a b"] = true } }, "context.request" },
      { { asked = { 1 } }, "context.asked" },
      { { kept = { age = "old" } }, "context.kept.age" },
      { { failure = "bad luck" }, "context.failure" },
    }
    for _, case in ipairs(wrong) do
      it("only if they are right: " .. case[2], function()
        local decision, message, code = open_still():decide("cache_control", case[1])
        assert.is_nil(decision)
        assert.equal("invalid_argument", code)
        assert.matches(case[2], message, 1, true)
      end)
    end
  end)

  describe("on trial", function()
    local function put_candidate(source)
      local file = directory .. "/candidate"
      place.put(file, source)
      return file
    end

    it("decide their share", function()
      put(scripts.keeping(1000))
      local policies = open_still()
      local version = assert(policies:canary("cache_control",
        put_candidate(scripts.keeping(2000)), { share = 0.25 }))
      local theirs = 0
      for i = 1, 400 do
        local ms, step = fresh_for(policies, { request = "x=" .. i % 3 })
        assert.equal(step.canary and 2000 or 1000, ms)
        if step.canary then
          assert.equal(version, step.version)
          theirs = theirs + 1
        end
      end
      assert.is_true(theirs > 50 and theirs < 150, theirs .. " of 400") -- drawn
      local trial = info(policies, "cache_control").canary
      assert.same({ version = version, share = 0.25, calls = theirs, errors = 0 }, trial)
      assert(policies:abandon("cache_control"))
      for _ = 1, 10 do assert.equal(1000, (fresh_for(policies))) end
      assert.is_nil(info(policies, "cache_control").canary)
    end)

    it("are given up when they fail too often", function()
      put(scripts.keeping(1000))
      local policies = open_still()
      local source = scripts.deciding "if context.moment == 'store' then while true do end end"
      assert(policies:canary("cache_control", put_candidate(source),
        { share = 0.5, max_errors = 0.1, min_calls = 10 }))
      for i = 1, 100 do assert.equal(1000, (fresh_for(policies, { request = "x=" .. i }))) end
      local trial = info(policies, "cache_control").canary
      assert.equal(10, trial.calls)
      assert.equal(10, trial.errors)
      assert.matches("10 of its 10 calls failed", trial.returned, 1, true)
      assert.equal(1, #events(policies, "returned"))
      assert.is_true(info(policies, "cache_control").deciding)
    end)

    it("are not begun with what is broken, or decides nothing here", function()
      local policies = open_still()
      local ok, message, code = policies:canary("cache_control", put_candidate "nonsense")
      assert.is_nil(ok)
      assert.equal("policy_error", code)
      assert.matches("candidate:1:", message, 1, true)
      ok, message, code = policies:canary("ttl", put_candidate(scripts.keeping(1)))
      assert.is_nil(ok)
      assert.equal("invalid_argument", code)
      assert.matches("ttl", message, 1, true)
      assert.equal("not_found", select(3, policies:abandon("cache_control")))
    end)
  end)

  describe("traced", function()
    it("are written as facts that give the same decision again", function()
      put(scripts.keeping(1000))
      local policies = open_still()
      local file = directory .. "/trace"
      assert(policies:trace(file))
      local cases = {
        { "cache_control", { moment = "store", request = "store, a=\"b\\\"c\"", base = "b\255se",
          asked = { key = "\1\"\n\255" }, size = 3 } },
        { "cache_control", { moment = "lookup", node = "", hashpath = "ignore" } },
        { "cache_control", { moment = "error", failure = "io",
          kept = { age = 10, stale_for = 5, if_error = 10 } } },
        { "chain", { action = "write", operation = "write", path = "a/b",
          stores = { { name = "a", tier = true }, { name = "b", scope = "remote" } },
          health = { b = { failures = 1, latency = 2.5 } } } },
        { "eviction", { hits = 3, tags = { "x" }, idle = 1000, kept = { age = 10 } } },
      }
      local decisions = {}
      for i, case in ipairs(cases) do decisions[i] = assert(policies:decide(case[1], case[2])) end
      assert(policies:trace(nil))
      policies:decide("eviction", {})
      local count = 0
      for line in io.lines(file) do
        count = count + 1
        local entry = assert(cairn.from_json(line))
        assert.equal(cases[count][1], entry.question)
        assert.equal(entry.question, entry.policy)
        assert.same(decisions[count], assert(policies:decide(entry.question, entry.facts)))
        for name, value in pairs(decisions[count]) do
          assert.same(value, entry.decision[name], name)
        end
        for name, value in pairs(cases[count][2]) do
          if type(value) == "string" then assert.equal(value, entry.facts[name]) end
        end
      end
      assert.equal(#cases, count)
    end)

    it("must have somewhere to go", function()
      local policies = open_still()
      local ok, message, code = policies:trace(directory .. "/no/where")
      assert.is_nil(ok)
      assert.equal("io", code)
      assert.matches("no/where", message, 1, true)
      assert.is_true(policies:trace(nil))
    end)

    it("are missed if the disk is full", function()
      local policies = open_still()
      assert(policies:trace("/dev/full"))
      policies:decide("eviction", {})
      local ok, _, code = policies:trace(nil)
      assert.is_nil(ok)
      assert.equal("io", code)
    end)
  end)

  describe("of one directory", function()
    it("are shared, whoever opens them", function()
      put(scripts.keeping(1000))
      local one, two = open_still(), open_still()
      fresh_for(one)
      fresh_for(two)
      assert.equal(2, info(one, "cache_control").calls)
      one:close()
      assert.equal(1000, (fresh_for(two)))
      assert.error_matches(function() one:list() end, "closed")
    end)

    it("are apart where their settings are", function()
      put(scripts.keeping(1000))
      local one, two = open_still(), open_still { steps = 50000 }
      fresh_for(one)
      assert.equal(0, info(two, "cache_control").calls)
    end)

    it("are asked from several threads while their files change", function()
      local policies = open { directory = directory }
      put(scripts.keeping(1000))
      await_fresh_for(policies, 1000)

      --- Runs in a state of its own.
      local function ask(cpath, where)
        package.cpath = cpath
        local own = assert(require("cairn").policies { directory = where })
        local last, changes = 1000, 0
        for i = 1, 1000000 do
          local ms = own:decide("cache_control", { moment = "store", request = "x=" .. i % 50 })
          ms = assert(ms.fresh_for)
          assert(ms % 1000 == 0 and ms >= last, "an older version decided")
          if ms ~= last then last, changes = ms, changes + 1 end
          if ms == 9000 then break end
        end
        own:close()
        assert(last == 9000 and changes > 0)
      end

      local threads = {}
      for i = 1, 3 do threads[i] = uv.new_thread(ask, package.cpath, directory) end
      for ms = 2000, 9000, 1000 do
        put_over(scripts.keeping(ms))
        await_fresh_for(policies, ms)
      end
      for _, thread in ipairs(threads) do assert.is_true(thread:join()) end
      assert.equal(0, info(policies, "cache_control").errors)
    end)
  end)

  describe("opened by mistake", function()
    local cases = {
      { { directory = 1 }, "directory" }, { { directory = "" }, "directory" },
      { { use = "tiered" }, "use" }, { { use = { who = "x" } }, "use" },
      { { use = { chain = "../x" } }, "use.chain" }, { { steps = 0 }, "steps" },
      { { memory = 1 }, "memory" }, { { wall = 0 }, "wall" }, { { wall = 1.5 }, "wall" },
      { { log = "file" }, "log" }, { { clock = 5 }, "clock" }, { { watch = 1 }, "watch" },
      { { files = 1 }, "files" }, { 5, "options" },
    }
    for _, case in ipairs(cases) do
      it("raise for " .. case[2], function()
        assert.error_matches(function() cairn.policies(case[1]) end, case[2], 1, true)
      end)
    end

    it("raise for what they are asked wrongly", function()
      local policies = open_still()
      for _, wrong in ipairs {
        function() policies:decide("who", {}) end,
        function() policies:decide("chain") end,
        function() policies:reload("../x") end,
        function() policies:test("") end,
        function() policies:canary("cache_control") end,
        function() policies:canary("cache_control", "x", { share = 2 }) end,
        function() policies:trace(5) end,
        function() policies.list({}) end,
      } do
        assert.has_error(wrong)
      end
    end)
  end)
end)
