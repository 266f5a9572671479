--- Paths as bytes: cairn.normalize and cairn.segments, with the recorded vectors.

local cairn = require "cairn"
local cjson = require "cjson"

local place = require "spec.support.place"
local refused = require "spec.support.refused"

local function unhex(hex)
  return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

--- A recorded path: bytes, charlists, or lists of them.
local function plain(value)
  if type(value) ~= "table" then return value end
  if value["$hex"] then return unhex(value["$hex"]) end
  if value["$chars"] then return value["$chars"] end
  if value["$atom"] then return value["$atom"] end
  local list = {}
  for i, element in ipairs(value) do list[i] = plain(element) end
  return list
end

--- Numbers are paths in the reference; here they are a mistake.
local function is_path(value)
  if type(value) == "table" then
    for _, element in ipairs(value) do
      if not is_path(element) then return false end
    end
    return true
  end
  return type(value) == "string"
end

describe("the recorded paths", function()
  local taken, refusals = 0, 0
  for i, vector in ipairs(cjson.decode(place.content("spec/vectors/paths.json"))) do
    local input, joined = plain(vector["in"]), plain(vector.to_binary.ret)
    if joined and is_path(input) then
      it(("%d: %q"):format(i, joined:sub(1, 40)), function()
        local segments, refuse = {}, joined:find("\0", 1, true)
        for segment in joined:gmatch("[^/]+") do
          segments[#segments + 1] = segment
          refuse = refuse or segment == "." or segment == ".."
        end
        if refuse then
          refusals = refusals + 1
          refused("invalid_path", joined:match("^[^%z]*"), cairn.normalize(input))
          refused("invalid_path", joined:match("^[^%z]*"), cairn.segments(input))
        else
          taken = taken + 1
          assert.equal(joined, cairn.normalize(input))
          assert.same(segments, cairn.segments(input))
        end
      end)
    end
  end

  it("were taken and refused, both", function()
    assert.same({ 39, 5 }, { taken, refusals })
  end)
end)

describe("a path", function()
  local rows = {
    { "", "" }, { "/", "" }, { "//", "" }, { "a", "a" }, { "/a", "a" }, { "a/", "a" },
    { "//a//b/", "a/b" }, { " a / b ", " a / b " }, { "...", "..." }, { "a/.b", "a/.b" },
    { "a/b..", "a/b.." }, { "\255/\1", "\255/\1" }, { {}, "" }, { { "a", "b" }, "a/b" },
    { { "a", { "b" } }, "a/b" }, { { { { "a/b" } }, "", { "c/" } }, "a/b/c" }, { { "/" }, "" },
  }
  for _, row in ipairs(rows) do
    local input, normal = table.unpack(row)
    it(("%s is %q"):format(type(input) == "table" and cjson.encode(input) or input, normal),
      function()
        assert.equal(normal, cairn.normalize(input))
        assert.equal(normal, cairn.normalize(cairn.normalize(input)))
        local segments = {}
        for segment in normal:gmatch("[^/]+") do segments[#segments + 1] = segment end
        assert.same(segments, cairn.segments(input))
      end)
  end

  it("is refused with `.`, `..` or NUL in it, and the message shows it", function()
    for _, bad in ipairs { ".", "..", "a/./b", "a/..", "/../x", { "a", ".." } } do
      refused("invalid_path", ".", cairn.normalize(bad))
      refused("invalid_path", ".", cairn.segments(bad))
    end
    refused("invalid_path", "front", cairn.normalize("front\0back"))
  end)

  it("is refused over 2,048 bytes, counted once normal", function()
    local longest = ("x"):rep(2048)
    assert.equal(longest, cairn.normalize(longest))
    assert.equal(longest, cairn.normalize(("/"):rep(5000) .. longest .. "//"))
    refused("invalid_path", "xxx", cairn.normalize(longest .. "x"))
    refused("invalid_path", "xxx", cairn.normalize { longest, "x" })
  end)

  it("must be a string or a list, nested not for ever", function()
    for _, wrong in ipairs { true, 5.5, print } do
      assert.has_error(function() cairn.normalize(wrong) end)
      assert.has_error(function() cairn.normalize { "a", wrong } end)
    end
    assert.has_error(function() cairn.normalize() end)
    local circle = { "a" }
    circle[2] = circle
    assert.is_false((pcall(function() return assert(cairn.normalize(circle)) end)))
    local deep = { "a" }
    for _ = 1, 100000 do deep = { deep } end
    pcall(cairn.normalize, deep) -- an answer or an error, but no crash
  end)
end)
