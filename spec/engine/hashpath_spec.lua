--- Hashpaths: results by what they were computed from.

local cairn = require "cairn"

local messages = require "spec.support.messages"

local vectors = messages.vectors "hashpaths.json"
local REFERENCE = { ids = "reference" }

describe("a hashpath", function()
  it("of bytes is their hash", function()
    for _, vector in ipairs(vectors.binary_hashpaths) do
      assert.equal(vector.hashpath, cairn.hashpath(vector.bin))
    end
  end)

  it("of a base and a request is the reference's for every pair", function()
    local refused = 0
    for _, pair in ipairs(vectors.pairs) do
      local made, said, code = cairn.hashpath(pair.msg1, { pair.msg2 }, REFERENCE)
      assert.equal(pair.hashpath3.ret, made)
      if pair.hashpath3.crash then
        refused = refused + 1
        assert.equal("invalid_argument", code)
        assert.matches("no segment", said)
      end
    end
    assert.equal(1, refused)
  end)

  for algorithm, chain in pairs {
    ["sha-256-chain"] = vectors.chain_sha_256.ret,
    ["accumulate-256"] = vectors.chain_accumulate_256.ret,
  } do
    it("of a history is the reference's with " .. algorithm, function()
      local requests, options = {}, { algorithm = algorithm }
      assert.equal(chain[1], cairn.hashpath(vectors.chain_base, {}, options))
      for i, step in ipairs(vectors.chain_steps) do
        requests[i] = step
        assert.equal(chain[i + 1], cairn.hashpath(vectors.chain_base, requests, options))
        assert.equal(chain[i + 1], cairn.hashpath(chain[i], { step }, options))
        assert.is_true(cairn.verify_hashpath(chain[i + 1], vectors.chain_base, requests, options))
      end
      local wrong = { requests[2], requests[1], table.unpack(requests, 3) }
      assert.is_false(cairn.verify_hashpath(chain[#chain], vectors.chain_base, wrong, options))
    end)
  end

  --- Bytes that are a part of a hashpath: 32 of them go by their id.
  local function part(hex)
    local bytes = require("spec.support.hyperbeam").bytes(hex)
    if #bytes ~= 32 then return bytes end
    return (messages.base64(bytes):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
  end

  it("folds two parts as the reference's primitives do", function()
    local tried = 0
    for _, vector in ipairs(vectors.primitives) do
      for name, algorithm in pairs {
        sha_256_chain = "sha-256-chain", accumulate_256 = "accumulate-256",
      } do
        local base = part(vector.id1) .. "/" .. part(vector.id2)
        local made = assert(cairn.hashpath(base, { "x" }, { algorithm = algorithm }))
        local expected = vector[name].ret
        if expected then
          tried = tried + 1
          assert.equal(part(expected.tuple[2]) .. "/x", made)
        else -- "short/..." is no hashpath, but bytes
          assert.equal(cairn.id(base) .. "/x", made)
        end
      end
    end
    assert.equal(10, tried)
  end)

  it("takes the algorithm from the base, and the caller's over it", function()
    local base = { a = "1", ["hashpath-alg"] = "accumulate-256" }
    local requests = { { b = "2" }, { c = "3" } }
    local own = assert(cairn.hashpath(base, requests))
    assert.equal(own, cairn.hashpath(base, requests, { algorithm = "accumulate-256" }))
    assert.not_equal(own, cairn.hashpath(base, requests, { algorithm = "sha-256-chain" }))
    local made, said, code = cairn.hashpath({ ["hashpath-alg"] = "md5" }, {})
    assert.is_nil(made)
    assert.matches("no algorithm of hashpaths", said)
    assert.equal("invalid_argument", code)
  end)

  it("has the first segment of a path that is a list, or in pieces", function()
    local base = cairn.id { a = "1" }
    for _, path in ipairs { "k1/k2", "/k1", "//k1//k2/", { "k1", "k2" }, { "k1/x" } } do
      assert.equal(base .. "/k1", cairn.hashpath(base, { { path = path } }))
    end
    assert.equal(base .. "/" .. cairn.id { path = { 1, "x" } },
      cairn.hashpath(base, { { path = { 1, "x" } } }))
  end)

  it("is refused where a request has no segment", function()
    for _, request in ipairs { "", "/", "///", { path = "/" }, { path = { "/" } } } do
      local made, said, code = cairn.hashpath({ a = "1" }, { request })
      assert.is_nil(made)
      assert.matches("no segment", said)
      assert.equal("invalid_argument", code)
    end
  end)

  it("raises for what is neither message nor string", function()
    assert.error_matches(function() cairn.hashpath(5) end, "base: table expected")
    assert.error_matches(function() cairn.hashpath("x", { 5 }) end, "requests: table expected")
    assert.error_matches(function() cairn.hashpath("x", "y") end, "requests: table expected")
    assert.error_matches(function() cairn.verify_hashpath(nil, {}, {}) end,
      "hashpath: string expected")
  end)
end)
