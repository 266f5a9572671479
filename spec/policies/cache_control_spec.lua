--- The shipped cache control: what was recorded of the reference, RFC 9111 and RFC 5861.

local cairn = require "cairn"

local place = require "spec.support.place"
local policy = require "spec.support.policy"
local vectors = require "spec.support.cache_control_vectors"

local PARTIES = { "node", "result", "request" }

-- -- Who is asked --------------------------------------------------------------------------

local module = policy.load("cache_control")
local nowhere = place.fresh()
local policies = assert(cairn.policies { directory = nowhere, watch = false })

teardown(function()
  policies:close()
  place.remove(nowhere)
end)

--- The file, in plain Lua. Also says what it touched.
local function decide_plainly(facts)
  local heard = {}
  for name, value in pairs(facts) do heard[name] = value end
  for _, party in ipairs(PARTIES) do heard[party] = policy.directives(facts[party]) end
  return policy.decide(module, heard)
end

--- The same by way of the host, the sandbox and the engine's structs.
local function decide_in_host(facts)
  local decision, step = assert(policies:decide("cache_control", facts))
  assert(type(step) == "table" and step.policy == "cache_control", step)
  return decision
end

--- What the engine obeys of a decision: without what is as if it were not said.
local function obeyed(decision)
  local said = {}
  for name, value in pairs(decision) do
    local nothing = not value or (value == 0 and name ~= "fresh_for" and name ~= "max_age")
    if type(value) == "table" then value = obeyed(value) end
    if not nothing then said[name] = value end
  end
  return said
end

--- Asks at a moment about what the parties wrote, as header lines or lists.
local function decide(moment, facts)
  local asked = { moment = moment }
  for name, value in pairs(facts) do asked[name] = value end
  local decision, touched = decide_plainly(asked)
  assert.same(obeyed(decision), obeyed(decide_in_host(asked)))
  return decision, touched
end

--- The three settings, as two moments decide them.
local function settings(facts)
  local lookup = decide("lookup", facts)
  return {
    lookup = lookup.lookup,
    only_if_cached = lookup.only_if_cached,
    store = decide("store", facts).store,
  }
end

-- -- The reference -------------------------------------------------------------------------

describe("the recorded settings", function()
  for _, group in ipairs { "single", "mixed", "odd_sources" } do
    it("are derived alike: " .. group, function()
      for _, row in ipairs(vectors[group]()) do
        assert.same(row.expected, settings(row.facts), row.name)
      end
    end)
  end

  it("are all there, and departures have a reason where they depart", function()
    local count, departures = 0, 0
    for _, group in ipairs { "single", "mixed", "odd_sources" } do
      for _, row in ipairs(vectors[group]()) do
        count = count + 1
        if row.recorded then assert.is_string(row.why, row.name) end
        if row.recorded and group == "odd_sources" then
          assert.not_same(row.recorded, row.expected, row.name)
          departures = departures + 1
        end
      end
    end
    assert.same({ 64 * 4 + 144 + 15, 2 }, { count, departures })
  end)

  it("come from odd ways to write a directive as well", function()
    for _, row in ipairs(vectors.odd_specifiers()) do
      -- Beside a party that comes later and says the opposite, silence shows.
      local yes = settings { node = row.words, request = { "always" } }
      local no = settings { node = row.words, request = { "no-store", "no-cache" } }
      for _, name in ipairs { "store", "lookup" } do
        local says = row.says[name]
        assert.equal(says == nil or says, yes[name], row.name .. ": " .. name)
        assert.equal(says or false, no[name], row.name .. ": " .. name)
      end
      assert.equal(row.says.only_if_cached or false, yes.only_if_cached, row.name)
      local departs = not row.crashes
        and (row.says.store ~= row.recorded.store or row.says.lookup ~= row.recorded.lookup)
      assert.equal(departs or row.crashes, row.why ~= nil, row.name)
    end
  end)

  it("say which results are kept", function()
    for _, row in ipairs(vectors.maybe_store()) do
      assert.equal(row.store, decide("store", row.facts).store, row.name)
    end
  end)

  it("say which keys are looked up", function()
    for _, row in ipairs(vectors.maybe_lookup()) do
      local decision = decide("lookup", { node = row.node })
      local only = decision.only_if_cached
      if row.outcome == "ok" then
        assert.is_true(decision.lookup and row.warm, row.name)
      elseif row.outcome == "error" then
        assert.is_true(only and decision.lookup and not row.warm, row.name)
      else -- computed: not there, not looked up, or known to be in the base
        local base_has_it = row.heuristics and row.path == "a"
        assert.is_true(not row.warm or not decision.lookup or base_has_it, row.name)
      end
    end
  end)
end)

-- -- RFC 9111 and RFC 5861 -----------------------------------------------------------------

local function describe_rows(what, moment, rows)
  describe(what, function()
    for _, row in ipairs(rows) do
      it(row[1], function()
        local decision = decide(moment, row[2])
        for name, value in pairs(row[3]) do
          if value == "nil" then
            assert.is_nil(decision[name], name)
          else
            assert.same(value, decision[name], name)
          end
        end
      end)
    end
  end)
end

describe_rows("a result that is to be kept", "store", {
  { "does not age when nobody says so", { request = "store" },
    { store = true, fresh_for = "nil", while_revalidate = "nil", if_error = "nil",
      must_revalidate = false } },
  { "is good for its max-age", { result = "store, max-age=60" }, { fresh_for = 60000 } },
  { "is good for its max-age in quotes", { result = 'store, max-age="60"' },
    { fresh_for = 60000 } },
  { "is good for its s-maxage rather, if it is shorter",
    { result = "store, max-age=60, s-maxage=5" }, { fresh_for = 5000 } },
  { "... or longer", { result = "store, max-age=5, s-maxage=60" }, { fresh_for = 60000 } },
  { "is never fresh with max-age=0", { result = "store, max-age=0" }, { fresh_for = 0 } },
  { "counts the first of two ages", { result = "store, max-age=5, max-age=60" },
    { fresh_for = 5000 } },
  { "is stale at once with a negative age", { result = "store, max-age=-5" },
    { fresh_for = 0 } },
  { "... with a fraction", { result = "store, max-age=1.5" }, { fresh_for = 0 } },
  { "... with words", { result = "store, max-age=day" }, { fresh_for = 0 } },
  { "... but not for what is no directive", { result = "store, max-age=a day" },
    { store = true, fresh_for = "nil" } },
  { "... with no age at all", { result = "store, max-age" }, { fresh_for = 0 } },
  { "... with an s-maxage that cannot be read beside a max-age that can",
    { result = "store, max-age=60, s-maxage=x" }, { fresh_for = 0 } },
  { "takes 2^31 seconds for what is more", { result = "store, max-age=2147483649" },
    { fresh_for = 2147483648000 } },
  { "... and for what no integer holds",
    { result = "store, max-age=" .. ("9"):rep(40) }, { fresh_for = 2147483648000 } },
  { "does not take its age from the request", { request = "store, max-age=60" },
    { store = true, fresh_for = "nil" } },
  { "takes its age from the node rather", { node = "store, max-age=5", result = "max-age=60" },
    { fresh_for = 5000 } },
  { "is not kept for having an age", { result = "max-age=60, public" }, { store = false } },
  { "is not kept if it is private", { result = "private, max-age=60", request = "store" },
    { store = false } },
  { "... or private in part", { result = 'private="set-cookie"', request = "store" },
    { store = false } },
  { "... but kept if it says always as well", { result = "private, always" },
    { store = true } },
  { "... or if the node says store", { node = "store", result = "private" },
    { store = true } },
  { "does not care for private in a request", { request = "private, store" },
    { store = true } },
  { "is not kept for must-understand beside no-store",
    { result = "no-store, must-understand", request = "store" }, { store = false } },
  { "is never fresh with no-cache, and never stale",
    { result = "store, no-cache, max-age=60, stale-if-error=60" },
    { store = true, fresh_for = 0, must_revalidate = true, if_error = "nil" } },
  { "... with no-cache for some of its fields", { result = 'store, no-cache="set-cookie"' },
    { store = true, fresh_for = 0, must_revalidate = true } },
  { "... unless it says always", { result = "always, no-cache, max-age=60" },
    { fresh_for = 60000, must_revalidate = false } },
  { "... or the node looks up whatever results say",
    { node = "cache", result = "store, no-cache, max-age=60" }, { fresh_for = 60000 } },
  { "... and that is no matter of the request's no-cache",
    { result = "store, max-age=60", request = "no-cache" },
    { fresh_for = 60000, must_revalidate = false } },
  { "must not be served stale with must-revalidate", { result = "store, must-revalidate" },
    { must_revalidate = true } },
  { "... with proxy-revalidate, for this is a shared cache",
    { result = "store, proxy-revalidate" }, { must_revalidate = true } },
  { "... with s-maxage", { result = "store, s-maxage=60" }, { must_revalidate = true } },
  { "... with must-revalidate beside a window",
    { result = "store, must-revalidate, stale-while-revalidate=5" },
    { must_revalidate = true } },
  { "may be served stale with s-maxage beside a window",
    { result = "store, s-maxage=60, stale-while-revalidate=5" },
    { fresh_for = 60000, must_revalidate = false, while_revalidate = 5000 } },
  { "has a window for each of the two occasions",
    { result = "store, stale-while-revalidate=5, stale-if-error=60" },
    { while_revalidate = 5000, if_error = 60000 } },
  { "does not hear of a window that cannot be read",
    { result = "store, stale-while-revalidate=soon, stale-if-error=-1" },
    { while_revalidate = "nil", if_error = "nil" } },
  { "has the node's windows and its own where the node gives none",
    { node = "stale-if-error=1", result = "store, stale-while-revalidate=5, stale-if-error=60" },
    { while_revalidate = 5000, if_error = 1000 } },
  { "hears the node's must-revalidate before its own windows",
    { node = "store, must-revalidate", result = "stale-if-error=60" },
    { must_revalidate = true } },
  { "does not age with immutable", { result = "store, immutable" }, { fresh_for = "nil" } },
  { "... beyond its max-age", { result = "store, immutable, max-age=60" },
    { fresh_for = 60000 } },
  { "does not hear of what nobody knows", { result = "store, foo=1, no-transform" },
    { store = true, fresh_for = "nil" } },
  { "is kept in any case of letters", { result = "Store, MAX-AGE=5" }, { fresh_for = 5000 } },
})

describe_rows("a request", "lookup", {
  { "takes what is fresh when it says no more", { request = "cache" }, { accept = "nil" } },
  { "is not asked for its wishes when nothing is looked up",
    { request = "no-cache, max-age=5" }, { lookup = false, accept = "nil" } },
  { "may want it no older than so", { request = "cache, max-age=5" },
    { accept = { max_age = 5000 } } },
  { "... computed just now", { request = "cache, max-age=0" }, { accept = { max_age = 0 } } },
  { "may want it fresh for a while", { request = "cache, min-fresh=5" },
    { accept = { min_fresh = 5000 } } },
  { "may put up with what is stale", { request = "cache, max-stale" },
    { accept = { max_stale = true } } },
  { "... for so long", { request = "cache, max-stale=5" }, { accept = { max_stale = 5000 } } },
  { "is not understood in what cannot be read",
    { request = "cache, max-age=-1, min-fresh=x, max-stale=y" }, { accept = "nil" } },
  { "is taken at 2^31 seconds for more",
    { request = "cache, max-stale=99999999999999999999" },
    { accept = { max_stale = 2147483648000 } } },
  { "says its wishes with only-if-cached too",
    { request = "only-if-cached, no-cache, min-fresh=5" },
    { lookup = false, only_if_cached = true, accept = { min_fresh = 5000 } } },
  { "comes after the node's wishes", { node = "cache, min-fresh=1", request = "min-fresh=5" },
    { accept = { min_fresh = 1000 } } },
  { "is not given the node's max-age as a wish", { node = "cache, max-age=5" },
    { accept = "nil" } },
})

--- A kept result: stale for so many ms, with windows of 5 s and 60 s.
local function kept(stale_for, changes)
  local one = {
    age = 100000, stale_for = stale_for, while_revalidate = 5000, if_error = 60000,
    must_revalidate = false, size = 1, cost = 1, priority = 0,
  }
  for name, value in pairs(changes or {}) do one[name] = value end
  return one
end

local STRICT = { must_revalidate = true }

describe_rows("a stale result", "stale", {
  { "is served within its window, while it is computed afresh", { kept = kept(5000) },
    { serve = true, revalidate = true } },
  { "is not served after it", { kept = kept(5001) }, { serve = false } },
  { "is not served without one, not even the moment it goes stale",
    { kept = kept(0, { while_revalidate = 0 }) }, { serve = false } },
  { "is served long after in a window without end",
    { kept = { age = 1 << 40, stale_for = 1 << 40 } }, { serve = true, revalidate = true } },
  { "is not served with must-revalidate", { kept = kept(1, STRICT) }, { serve = false } },
  { "is not served for no-cache", { kept = kept(1), request = "no-cache" }, { serve = false } },
  { "is served for no-cache if the node says always",
    { kept = kept(1), node = "always", request = "no-cache" }, { serve = true } },
  { "is not served where an age was asked for", { kept = kept(1), request = "max-age=500" },
    { serve = false } },
  { "... or freshness", { kept = kept(-1), request = "min-fresh=500" }, { serve = false } },
  { "... or where it was found staler than was put up with",
    { kept = kept(4000), request = "max-stale=3" }, { serve = false } },
  { "is served where that cannot be read", { kept = kept(1), request = "max-age=soon" },
    { serve = true } },
})

describe_rows("a result that cannot be computed afresh", "error", {
  { "is served within its window", { kept = kept(60000), failure = "unavailable" },
    { serve = true } },
  { "... whatever age was asked for", { kept = kept(60000), failure = "io",
    request = "max-age=0, min-fresh=5, max-stale=1" }, { serve = true } },
  { "is not served after it", { kept = kept(60001), failure = "io" }, { serve = false } },
  { "is not served with must-revalidate", { kept = kept(0, STRICT), failure = "io" },
    { serve = false } },
  { "... unless it is still fresh", { kept = kept(-1, STRICT), failure = "io" },
    { serve = true } },
  { "... or never stale", { kept = kept(nil, STRICT), failure = "io" }, { serve = true } },
  { "is not served for no-cache", { kept = kept(1), failure = "io", request = "no-cache" },
    { serve = false } },
  { "has the window that the request gives, where it came with none",
    { kept = kept(1000, { if_error = 0 }), failure = "io", request = "stale-if-error=1" },
    { serve = true } },
  { "... and none if nobody gives one", { kept = kept(1, { if_error = 0 }), failure = "io" },
    { serve = false } },
  { "... not instead of its own", { kept = kept(60001), failure = "io",
    request = "stale-if-error=100" }, { serve = false } },
  { "has the window that the node gives now", { kept = kept(60001), failure = "io",
    node = "stale-if-error=61" }, { serve = true } },
})

describe("failures", function()
  it("that are answers are passed on, the others are outages", function()
    local answers = { "not_found", "invalid_path", "invalid_argument", "is_group", "not_a_group",
      "name_too_long", "link_loop", "unsupported", "conflict", "unauthorized",
      "infinite_recursion" }
    local outages = { "timeout", "unavailable", "corrupt", "unverified", "policy_error",
      "leader_died", "limit", "io", "no_memory" }
    for serve, codes in pairs { [false] = answers, [true] = outages } do
      for _, code in ipairs(codes) do
        assert.equal(serve, decide("error", { kept = kept(1), failure = code }).serve, code)
      end
    end
  end)
end)

describe("a decision", function()
  it("to look up or to keep looks at nothing volatile, so it is remembered", function()
    for _, row in ipairs(vectors.mixed()) do
      for _, moment in ipairs { "lookup", "store" } do
        local _, touched = decide(moment, row.facts)
        assert.same({}, touched, row.name)
      end
    end
  end)

  it("says who decided", function()
    assert.equal("node says no-cache",
      decide("lookup", { node = "no-cache", request = "cache" }).reason)
    assert.equal("result says private",
      decide("store", { result = "private", request = "store" }).reason)
    assert.equal("nobody asks for it", decide("store", {}).reason)
  end)
end)
