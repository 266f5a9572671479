--- Ids: the golden vectors, and that different messages have different ones.

local cairn = require "cairn"

local messages = require "spec.support.messages"

local vectors = messages.vectors "ids.json"
local REFERENCE = { ids = "reference" }

describe("the id of a message", function()
  it("is the reference's, and its base, for every vector", function()
    for _, vector in ipairs(vectors) do
      assert.equal(vector.base.ret, cairn.id_base(vector.msg, REFERENCE), vector.name)
      assert.equal(vector.id.ret, cairn.id(vector.msg, REFERENCE), vector.name)
    end
  end)

  it("is the reference's in safe mode wherever a field carries every part unchanged", function()
    local faithful = 0
    for _, vector in ipairs(vectors) do
      if vector.faithful then
        faithful = faithful + 1
        assert.equal(vector.base.ret, cairn.id_base(vector.msg), vector.name)
        assert.equal(vector.id.ret, cairn.id(vector.msg), vector.name)
      end
    end
    assert.equal(86, faithful)
  end)

  it("of a stored message is that of the message", function()
    for _, vector in ipairs(vectors) do
      assert.equal(cairn.id(vector.msg), cairn.id(vector.tabm.ret), vector.name)
    end
  end)

  it("does not depend on what is not the message's own", function()
    local id = cairn.id { a = "1" }
    assert.equal(id, cairn.id { a = "1", priv = { x = 1 }, private = "y", unsigned_id = "z" })
    assert.equal(id, cairn.id { A = "1", ["content-digest"] = "sha-256=:AA==:" })
    assert.equal(id, cairn.id { a = "1", commitments = { [("A"):rep(43)] = { alg = "x" } } })
  end)

  it("of a string is the hash of its bytes", function()
    assert.equal("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", cairn.id "")
    assert.equal("LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ", cairn.id "hello")
  end)

  it("is refused of what cannot be stored, and of what is no message", function()
    local id, said, code = cairn.id { device = { a = "b" } }
    assert.is_nil(id)
    assert.matches("device", said)
    assert.equal("invalid_argument", code)
    assert.error_matches(function() cairn.id(5) end, "value: table expected")
    assert.error_matches(function() cairn.id({}, { ids = "saf" }) end, "'safe' or 'reference'")
    assert.error_matches(function() cairn.id({}, { id = "safe" }) end, "no option 'id'")
  end)
end)

--- The signature base as RFC 9421 and the reference have it, of a form: written again, so that
--- the engine's short way for flat messages is compared with something.
local function base_of(form)
  local DERIVED = { method = 1, path = 1, status = 1, query = 1, authority = 1, scheme = 1,
    ["target-uri"] = 1, ["request-target"] = 1, ["query-param"] = 1 }
  local names, lines, listed = {}, {}, {}
  for name in pairs(form.fields) do
    if name ~= "body-keys" then names[#names + 1] = (DERIVED[name] and "@" or "") .. name end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    local field = name:gsub("^@", "")
    lines[i] = ('"%s": %s\n'):format(field, form.fields[field])
    listed[i] = '"' .. name .. '"'
  end
  return (#lines == 0 and "\n" or table.concat(lines)) .. '"@signature-params": ('
    .. table.concat(listed, " ") .. ');alg="hmac-sha256";keyid="ao"'
end

describe("the base of an id", function()
  it("is that of the HTTP form", function()
    for trial = 1, 700 do
      math.randomseed(trial)
      local message = messages.random(trial % 3)
      local form = cairn.to_http(message)
      if form then assert.equal(base_of(form), cairn.id_base(message), "trial " .. trial) end
    end
  end)

  it("is that of the HTTP form for flat messages of many keys", function()
    local keys = {
      "path", "method", "status", "query", "!a", "0", "9z", "^", "_", "`", "~", "|", "z",
      "authority", "target-uri", "query-param", "scheme", "request-target", "@path", "a.b", "+",
      "m",
    }
    for trial = 1, 300 do
      math.randomseed(trial)
      local message = {}
      for _ = 1, math.random(0, 40) do
        message[keys[math.random(#keys)] .. (math.random(3) == 1 and math.random(99) or "")] =
          ("v"):rep(math.random(1, trial % 50 == 0 and 5000 or 60))
      end
      assert.equal(base_of(cairn.to_http(message)), cairn.id_base(message), "trial " .. trial)
    end
  end)
end)

describe("safe ids", function()
  --- Rows of messages that a reference node takes for one another, or that this code might.
  local confusable = {
    { { k = "v" }, { k = " v" }, { k = "v " }, { k = "  v  " }, { k = "\tv" }, { k = "v\t" } },
    { { k = "a b" }, { k = "a\nb" }, { k = "a\r\nb" }, { k = "a\rb" }, { k = "a\0b" } },
    { { o = { k = "a\r\nx: y" } }, { o = { k = "a", x = "y" } } },
    { { o = { k = "a\r\n\r\nb" } }, { o = { k = "a", body = "b" } } },
    { { o = { k = "v" } }, { o = { k = " v" } }, { o = { k = "v " } } },
    { { ["a/b"] = "v" }, { a = { b = "v" } }, { ["a%2fb"] = "v" } },
    { { ["a/b"] = { c = "v" } }, { a = { ["b/c"] = "v" } }, { a = { b = { c = "v" } } } },
    { { o = { body = "x" } }, { ["o/body"] = "x" }, { ["o/body"] = { body = "x" } } },
    { { data = "v" }, { data = "v", ["inline-body-key"] = "data" }, { body = "v" },
      { x = "v", ["inline-body-key"] = "x" }, { body = "v", ["inline-body-key"] = "data" } },
    { { data = { a = "v" } }, { data = { a = "v" }, ["inline-body-key"] = "data" } },
    { { a = "1" }, { a = "1", signature = "s" }, { a = "1", ["signature-input"] = "s" },
      { a = "1", ["body-keys"] = '"a"' }, { a = "1", ["commitments"] = "x" } },
    { { [("A"):rep(43)] = "v" }, { ["ao-ids"] = ("A"):rep(43) .. '="v"' } },
    { { [("A"):rep(43)] = "v\n" }, { [("A"):rep(43)] = "v" }, { [("A"):rep(43)] = " v" } },
    { { o = { ["content-disposition"] = "inline", k = "v" } }, { body = { k = "v" } },
      { o = { k = "v" } } },
    { { method = "GET" }, { ["@method"] = "GET" } },
    { { ["k\": v\n\"l"] = "w" }, { k = "v", l = "w" } },
    { { a = "1", A = "1" }, { a = "1", [("A"):rep(32)] = "1" },
      { a = "1", [("a"):rep(32)] = "1" } },
    { { l = { 1 } }, { l = { "1" } }, { l = { "(ao-type-integer) 1" } }, { l = { { "1" } } } },
    { {}, { k = "" }, { k = {} }, { k = cairn.list {} }, { body = "" } },
  }
  for i, row in ipairs(confusable) do
    it("are different for different messages, row " .. i, function()
      local ids = {}
      for at, message in ipairs(row) do
        local id = assert(cairn.id(message))
        assert.is_nil(ids[id], "message " .. at)
        ids[id] = true
        local back = assert(cairn.from_http(assert(cairn.to_http(message))))
        local stored = assert(cairn.to_stored(message))
        assert.is_true(messages.equal(stored, assert(cairn.to_stored(back))), "message " .. at)
      end
    end)
  end

  it("tell a message from its own HTTP form", function()
    local big = ("x"):rep(5000)
    for _, message in ipairs { { o = { k = "v" } }, { big = big }, { ["a/b"] = "v" } } do
      local form = assert(cairn.to_http(message))
      local other = { body = form.body }
      for name, value in pairs(form.fields) do
        if name ~= "body-keys" then other[name] = value end
      end
      assert.not_equal(cairn.id(message), cairn.id(other))
      local back = assert(cairn.from_http(assert(cairn.to_http(other))))
      other["content-digest"] = nil
      assert.same(other, back)
    end
  end)

  it("are shared by no two different random messages", function()
    local seen = {}
    for trial = 1, 900 do
      math.randomseed(trial)
      local stored = cairn.to_stored(messages.random(trial % 4))
      if stored then
        local base = assert(cairn.id_base(stored))
        assert.is_true(seen[base] == nil or messages.equal(seen[base], stored), "trial " .. trial)
        seen[base] = stored
      end
    end
  end)
end)
