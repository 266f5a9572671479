--- The recorded cache-control decisions, each as facts for a policy and what it must say of
--- them. Where the reference decides otherwise than ours should, the row says why.

local json = require "cjson"

local place = require "spec.support.place"

local vectors = {}

local recorded = json.decode(place.content("spec/vectors/cache_control.json"))

-- -- What a party wrote ----------------------------------------------------------------

--- The words in a recorded value: a text, a list of texts; nothing else says anything.
local function words_of(value)
  if type(value) == "string" then return { value } end
  if type(value) ~= "table" then return {} end
  if value["$atom"] then return { value["$atom"] } end
  local words = {}
  for _, item in ipairs(value) do
    if type(item) == "table" then item = item["$atom"] or item["$chars"] end
    if type(item) == "string" then words[#words + 1] = item end
  end
  return words
end

--- The entries of a recorded map, its keys as texts in lower case.
local function entries_of(value)
  local entries = {}
  if type(value) ~= "table" then return entries end
  for key, inside in pairs(value["$map"] and {} or value) do
    if type(key) == "string" then entries[key:lower()] = inside end
  end
  for _, pair in ipairs(value["$map"] or {}) do
    entries[type(pair[1]) == "table" and pair[1]["$atom"] or pair[1]] = pair[2]
  end
  return entries
end

local function said_by(source)
  local cache_control = entries_of(source)["cache-control"]
  return cache_control ~= nil and words_of(cache_control) or nil
end

--- What was derived, as our decisions have it.
local function settings(outcome)
  local derived = outcome.ret
  return {
    lookup = derived.lookup,
    store = derived.store,
    only_if_cached = derived["only-if-cached"] or false,
  }
end

-- -- The recorded tables ---------------------------------------------------------------

---@class spec.CacheControlRow
---@field name string
---@field facts table node, result, request as they were written; hashpath
---@field expected table<string, boolean> store, lookup, only_if_cached
---@field why? string the reference decides otherwise

--- The 64 sets of directives, said by the node alone, the request alone, and so on.
---@return spec.CacheControlRow[]
function vectors.single()
  local rows = {}
  for _, case in ipairs(recorded.single) do
    local name, words = table.concat(case.directives, ", "), case.directives
    local as_message = settings(case.derive_as_msg_only_optsCC_empty)
    rows[#rows + 1] = { name = "node: " .. name, facts = { node = words },
      expected = settings(case.derive_as_opts_only) }
    rows[#rows + 1] = { name = "node, ignoring hashpaths: " .. name,
      facts = { node = words, hashpath = "ignore" },
      expected = settings(case.derive_as_opts_hashpath_ignore) }
    rows[#rows + 1] = { name = "request, the node's options empty: " .. name,
      facts = { node = {}, request = words }, expected = as_message }
    rows[#rows + 1] = { name = "request, no options: " .. name, facts = { request = words },
      expected = as_message, recorded = settings(case.derive_as_msg_no_opts_key_global_default),
      why = "a node that sets nothing has no opinion" }
  end
  return rows
end

--- Node, result and request together.
---@return spec.CacheControlRow[]
function vectors.mixed()
  local rows = {}
  for i, case in ipairs(recorded.mixed) do
    rows[i] = {
      name = ("mixed %d"):format(i),
      facts = { node = case.opts, result = case.msg3, request = case.msg2,
        hashpath = case.hashpath_ignore and "ignore" or nil },
      expected = settings(case.derive),
    }
  end
  return rows
end

-- By their place in the table: an option is an option, whatever the reference calls a key.
local ODD_SOURCES = {
  [14] = { why = "the node's option is heard", lookup = true, store = false },
  [15] = { why = "a node that sets nothing has no opinion", lookup = true, store = true },
}

--- Sources that are none, or come in odd forms.
---@return spec.CacheControlRow[]
function vectors.odd_sources()
  local rows = {}
  for i, case in ipairs(recorded.odd_sources) do
    local options, departure = entries_of(case.opts), ODD_SOURCES[i]
    rows[i] = {
      name = ("odd sources %d"):format(i),
      facts = {
        node = options.cache_control ~= nil and words_of(options.cache_control) or nil,
        result = said_by(case.sources[1]), request = said_by(case.sources[2]),
        hashpath = options.hashpath and "ignore" or nil,
      },
      expected = settings(case.derive),
    }
    if departure then
      rows[i].recorded, rows[i].why = rows[i].expected, departure.why
      rows[i].expected = { lookup = departure.lookup, store = departure.store,
        only_if_cached = false }
    end
  end
  return rows
end

local SPLIT = "a header line is split"
local ODD_SPECIFIERS = {
  [2] = { why = SPLIT, store = false, lookup = false },
  [3] = { why = SPLIT, store = false, lookup = false },
  [4] = { why = SPLIT, store = false, lookup = false },
  [15] = { why = "spaces around a directive do not count", store = false },
  [16] = { why = "an empty map says nothing" },
}

---@class spec.SpecifierRow
---@field name string
---@field words string[]
---@field says { store: boolean?, lookup: boolean?, only_if_cached: boolean? } nil: not spoken of
---@field why? string

--- Odd ways to write directives.
---@return spec.SpecifierRow[]
function vectors.odd_specifiers()
  local rows = {}
  local function said(value)
    if type(value) == "boolean" then return value end
    return nil
  end
  for i, case in ipairs(recorded.odd_specifiers) do
    local derived, departure = case.specifiers.ret or {}, ODD_SPECIFIERS[i]
    rows[i] = {
      name = ("odd specifiers %d: %s"):format(i, json.encode(case.cc)),
      words = words_of(case.cc),
      recorded = { store = said(derived.store), lookup = said(derived.lookup),
        only_if_cached = said(derived["only-if-cached"]) },
      crashes = case.specifiers.crash ~= nil,
      why = departure and departure.why,
    }
    rows[i].says = rows[i].recorded
    if departure then rows[i].says = { store = departure.store, lookup = departure.lookup } end
  end
  return rows
end

--- Whether results of several kinds are kept.
---@return { name: string, facts: table, store: boolean, kind: string }[]
function vectors.maybe_store()
  local rows = {}
  for i, case in ipairs(recorded.maybe_store) do
    local answer = case.result.ret
    local kind = type(answer["$tuple"]) == "table" and "stored" or answer["$atom"]
    rows[i] = {
      name = ("%s, the node says %s"):format(json.encode(case.msg3), json.encode(case.opts_cc)),
      facts = { node = case.opts_cc, result = said_by(case.msg3) },
      -- skip_caching: neither bytes nor a message. That is not for the policy to say.
      store = kind ~= "not_caching", kind = kind,
    }
  end
  return rows
end

---@class spec.LookupRow
---@field name string
---@field node string[]
---@field heuristics boolean
---@field path string
---@field warm boolean
---@field outcome string

--- Whether a key is looked up: one that the base has as well (`a`), one that it has not.
---@return spec.LookupRow[]
function vectors.maybe_lookup()
  local rows = {}
  for i, case in ipairs(recorded.maybe_lookup) do
    rows[i] = {
      name = ("%s %s, the node says %s%s"):format(case.warm and "warm" or "cold", case.path,
        json.encode(case.opts_cc), case.heuristics and ", heuristics" or ""),
      node = case.opts_cc, heuristics = case.heuristics, path = case.path, warm = case.warm,
      outcome = case.result.ret["$tuple"][1]["$atom"],
    }
  end
  return rows
end

return vectors
