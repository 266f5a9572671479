--- What vouches for a message: ids and signatures, made by others.

local cairn = require "cairn"

local hyperbeam = require "spec.support.hyperbeam"
local messages = require "spec.support.messages"

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function unbase64(text)
  local out, group, bits = {}, 0, 0
  for character in text:gmatch("[%w+/]") do
    group, bits = group << 6 | ALPHABET:find(character, 1, true) - 1, bits + 6
    if bits >= 8 then
      bits = bits - 8
      out[#out + 1] = string.char(group >> bits & 255)
      group = group & (1 << bits) - 1
    end
  end
  return table.concat(out)
end

--- A copy that may be changed.
local function copy(value)
  if type(value) ~= "table" then return value end
  local result = setmetatable({}, getmetatable(value))
  for key, inner in pairs(value) do result[key] = copy(inner) end
  return result
end

--- The message with a commitment to it: one label of Signature and Signature-Input.
local function committed(message, signature, input, more)
  local commitment = { alg = "rsa-pss-sha512", signature = signature, ["signature-input"] = input }
  for key, value in pairs(more or {}) do commitment[key] = value end
  local result = copy(message)
  result.commitments = { [cairn.id(unbase64(signature:match("=:(.*):$")))] = commitment }
  return result
end

--- Messages that the reference signed and kept.
local signed = {}
for _, script in ipairs(messages.vectors "cache.json") do
  if script.msg and script.msg.commitments then signed[script.name] = script.msg end
end

local function assert_unverified(message, expected, options)
  local ok, said, code = cairn.verify(message, nil, options)
  assert.is_nil(ok)
  assert.matches(expected, said, 1, true)
  assert.equal("unverified", code)
end

describe("verifying a message", function()
  it("finds nothing wrong with one that has no commitments", function()
    assert.is_true(cairn.verify { a = "1" })
    assert.is_true(cairn.verify {})
  end)

  for _, name in ipairs { "signed", "signed nested" } do
    it("believes what the reference signed: " .. name, function()
      assert.is_true(cairn.verify(signed[name]))
      assert.is_true(cairn.verify(signed[name], nil, { ids = "reference" }))
      assert.is_true(cairn.verify(assert(cairn.to_stored(signed[name]))))
    end)

    it("believes each of its commitments alone: " .. name, function()
      for id, commitment in pairs(signed[name].commitments) do
        local message = copy(signed[name])
        message.commitments = { [id] = commitment }
        assert.is_true(cairn.verify(message, id))
        assert.equal(id, cairn.id(message, { committed = true }))
      end
    end)

    it("does not believe it once something is changed: " .. name, function()
      for key in pairs(signed[name]) do
        if key ~= "commitments" then
          local message = copy(signed[name])
          message[key] = "changed"
          assert_unverified(message, "a commitment")
          message[key] = nil
          assert_unverified(message, "a commitment")
        end
      end
    end)

    it("does not believe what nobody vouches for: " .. name, function()
      for id, commitment in pairs(signed[name].commitments) do
        if commitment.alg ~= "hmac-sha256" then
          local message = copy(signed[name])
          message.commitments = { [id] = commitment }
          message.extra = "x"
          assert_unverified(message, "no commitment covers what the message has: 'extra'")
        end
      end
    end)
  end

  it("knows the ids that a message goes by", function()
    local message = signed.signed
    local together = cairn.id(message, { committed = true })
    assert.equal("1WEh0PSsISEGbkJPh9-JEyju-CC8iOtqiMKOeeJLOZk", together)
    assert.is_true(cairn.verify(message, together))
    for id in pairs(message.commitments) do assert.is_true(cairn.verify(message, id)) end
    local ok, said, code = cairn.verify(message, cairn.id { b = "2" })
    assert.is_nil(ok)
    assert.matches("does not have this id", said)
    assert.equal("unverified", code)
  end)

  it("names what is wrong with a commitment", function()
    local id, commitment
    for each, fields in pairs(signed.signed.commitments) do
      if fields.alg ~= "hmac-sha256" then id, commitment = each, fields end
    end
    local input = commitment["signature-input"]
    local rows = {
      { { alg = "hmac-sha256" }, "that is not the id of the message" },
      { { signature = "none" }, "without one signature and its input" },
      { { signature = "" }, "without one signature and its input" },
      { { ["signature-input"] = "other=()" }, "without one signature and its input" },
      { { ["signature-input"] = input .. ", b=()" }, "without one signature and its input" },
      { { signature = commitment.signature:gsub("=:..", "=:AA") },
        "not the hash of its signature" },
      { { committer = cairn.id "somebody" }, "committer is not the hash of its key" },
      { { keyid = "!" }, "whose keyid is no key" },
      { { keyid = "AAAA", committer = cairn.id "\0\0\0" }, "whose signature does not verify" },
      { { ["signature-input"] = input:gsub('"n"', '"m"') }, "whose signature does not verify" },
      { { ["signature-input"] = input:gsub('%("a" ', "(") }, "whose signature does not verify" },
    }
    for _, row in ipairs(rows) do
      local changes, expected = table.unpack(row)
      local message = copy(signed.signed)
      for key, value in pairs(changes) do message.commitments[id][key] = value end
      assert_unverified(message, expected)
    end
  end)

  it("says which algorithms it does not know", function()
    local commitments = { [("A"):rep(43)] = { alg = "md5" } }
    local ok, said, code = cairn.verify { a = "1", commitments = commitments }
    assert.is_nil(ok)
    assert.matches("'md5'", said)
    assert.equal("unsupported", code)
  end)

  it("believes no commitment that is none", function()
    assert_unverified({ commitments = { [("A"):rep(43)] = "x" } }, "that is no message")
    assert_unverified({ commitments = { x = { alg = "hmac-sha256" } } }, "not the id")
    local _, said, code = cairn.id({ commitments = { x = {} } }, { committed = true })
    assert.equal("invalid_argument", code, said)
  end)
end)

describe("the signatures that went over the wire", function()
  local verified, refused = 0, 0
  for _, call in ipairs(messages.vectors("wire.json").calls) do
    for _, side in ipairs { "request", "response" } do
      local fields = {}
      for _, header in ipairs(call[side].headers) do fields[header[1]:lower()] = header[2] end
      for label, bytes in (fields.signature or ""):gmatch("([%w-]+)=:([^:]*):") do
        local input = fields["signature-input"]:match(label:gsub("%-", "%%-") .. "=(%b()[^,]*)")
        local covered = {}
        for name in input:match("%b()"):gmatch('"@?([^"]*)"') do covered[name] = fields[name] end
        local body = hyperbeam.bytes(call[side].body_hex)
        if body == "" then body = nil end
        local message = assert(cairn.from_http { fields = covered, body = body })
        it(("of %s, %s, hold with the reference's dialect"):format(call.name, side), function()
          local stored = assert(cairn.to_stored(message))
          local signature = ("%s=:%s:"):format(label, bytes)
          assert.is_true(cairn.verify(committed(stored, signature, label .. "=" .. input)))
          verified = verified + 1
          stored["status"] = "201"
          assert_unverified(committed(stored, signature, label .. "=" .. input), "")
          refused = refused + 1
        end)
      end
    end
  end

  it("are all there", function()
    assert.is_true(verified >= 10, verified .. " verified")
    assert.equal(verified, refused)
  end)
end)

describe("a signature by the RFC's rules", function()
  -- RFC 9421, appendix B.2.6.
  local message = {
    date = "Tue, 20 Apr 2021 02:07:55 GMT", method = "POST", path = "/foo",
    authority = "example.com", ["content-type"] = "application/json", ["content-length"] = "18",
  }
  local input = 'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
    .. ';created=1618884473;keyid="test-key-ed25519"'
  local signature = "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgw"
    .. "UPiu4A0w6vuQv5lIp5WPpBKRCw==:"
  local key = { alg = "ed25519", keyid = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs" }

  it("by Ed25519 is believed", function()
    assert.is_true(cairn.verify(committed(message, signature, input, key)))
  end)

  it("is not believed of another message, or by another key", function()
    local other = copy(message)
    other.method = "GET"
    assert_unverified(committed(other, signature, input, key), "does not verify")
    assert_unverified(committed(message, signature, input, { alg = "ed25519" }), "does not verify")
    local wrong = { alg = "ed25519", keyid = ("A"):rep(43) }
    assert_unverified(committed(message, signature, input, wrong), "does not verify")
    wrong = { alg = "rsa-pss-sha512", keyid = key.keyid }
    assert_unverified(committed(message, signature, input, wrong), "does not verify")
  end)

  -- Signed with the same key: what is covered, the message, and what must not pass for it.
  local rows = {
    { '"@status"', { status = "250" }, { status = "1?0" }, { status = "25\0" },
      signature = "TQomOjzsMSY2aGX3yvABwD+LrdVMUg0YylaNfkjsFdrA45wNHF4N5HwJYHjHh1RvNcOS+qKUdXa8"
        .. "+6WQipEHBA==" },
    { '"@path" "@query"', { path = "/x" }, { path = "/x", query = "?" },
      signature = "cszoCsF6Q3/e4cN7UB5cznLFappIaKtVcAENemBfKrlaCgY1liNQVrZd4fuhUvS4Gqxe0sK/vBIg"
        .. "B5MoOWpJBQ==" },
    { '"@path" "@query"', { path = "/x", query = "?a=1" }, { path = "/x?a=1" },
      { path = "/x", query = "?a=2" }, { path = "/x" },
      signature = "nIZCcfyNMcvkbIsOTDF6R5AlzD12xaiwGMej08oFm96SC9NiOJbmzngFXjHPrWn9ZD6ni6fVen5y"
        .. "dV/+5ciyAg==" },
    { '"@scheme" "@authority"', { scheme = "https", authority = "bank.org" },
      { scheme = "HTTPS", authority = "bank.org" }, { scheme = "https", authority = "BANK.org" },
      { scheme = "https", authority = "bank.org:443" },
      signature = "ugdmjq4Pyjv941kZH/oh33xudsfTHR3u0runcI1LrwLrr/lJvYg8b40VbdGXti9/7LKPWREoPImP"
        .. "aEkFnz7xAw==" },
    { '"@method" "@path" "@request-target"', { method = "GET", path = "/pay" },
      { method = "GET", path = "/pay", ["request-target"] = "EVIL" },
      { method = "GET", path = "/pay", ["request-target"] = "/pay" },
      signature = "/c0jUDB6ZBz2FK8AYKZLlgn5WMJNQpa+WDDfRbkkw6+RVVnSGDOhCX0pQXJhK6s6lwT0OA0U6IVT"
        .. "0sGcyprfCA==" },
    { '"@path" "@request-target"', { path = "/pay", ["request-target"] = "/pay" },
      { path = "/pay", ["request-target"] = "/PAY" }, { path = "/pay" },
      signature = "dbFgutuJWJpvM2bgwgeh78cmkhJ4w+y5gME1DrhdafXwLb85DCqo3pcsPqaUlJluxHINRbSFc/n0"
        .. "IlK0zuQeBw==" },
  }
  for _, row in ipairs(rows) do
    it("covers a key only if no other value of it is signed alike: " .. row[1], function()
      local function sign(signed_message)
        return committed(signed_message, ("s=:%s:"):format(row.signature),
          ('s=(%s);alg="ed25519"'):format(row[1]), key)
      end
      assert.is_true(cairn.verify(sign(row[2])))
      for i = 3, #row do assert_unverified(sign(row[i]), "commitment") end
    end)
  end
end)
