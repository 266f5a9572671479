--- Stores as HyperBEAM leaves them, made for a spec from the golden vectors or by hand.

local cjson = require "cjson"
local lfs = require "lfs"
local uv = require "luv"

local place = require "spec.support.place"

local hyperbeam = {}

---@param name string of a file in spec/vectors
function hyperbeam.vectors(name)
  return cjson.decode(place.content("spec/vectors/" .. name))
end

---@param bytes string
---@return string
function hyperbeam.hex(bytes)
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

---@param hex string
---@return string
function hyperbeam.bytes(hex)
  return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

--- A value of the vectors: a string, or an object with the hexadecimal digits of one.
function hyperbeam.plain(value)
  return type(value) == "table" and hyperbeam.bytes(value["$hex"]) or value
end

function hyperbeam.link(target)
  return "\1" .. target
end

function hyperbeam.raw(value)
  return "\2" .. value
end

--- A group value: the set of `names` in the second format, a map.
---@param names string[]
function hyperbeam.group(names)
  local parts = { "\3\131\116", string.pack(">I4", #names) }
  for _, name in ipairs(names) do
    parts[#parts + 1] = "\109" .. string.pack(">s4", name) .. "\106"
  end
  return table.concat(parts)
end

---@class spec.HyperbeamEntry
---@field [1] string key
---@field [2] string value, with its tag
---@field deflate boolean? compress the term of a group

local function write_lines(file, entries)
  local function word(bytes)
    return bytes == "" and "-" or hyperbeam.hex(bytes)
  end
  local lines = {}
  for i, entry in ipairs(entries) do
    lines[i] = ("%s %s%s\n"):format(word(entry[1]), word(entry[2]),
      entry.deflate and " deflate" or "")
  end
  place.put(file, table.concat(lines))
end

--- Makes a RocksDB database of these entries at `directory`.
---@param directory string
---@param entries spec.HyperbeamEntry[]
---@param flush? boolean leave them in a table file instead of the log
function hyperbeam.rocksdb(directory, entries, flush)
  local file = directory .. ".lines"
  write_lines(file, entries)
  local words = { place.build .. "/spec/hyperbeam_db", directory, file }
  if flush then words[#words + 1] = "flush" end
  local made = place.run(words)
  assert(made.code == 0, made.err)
  os.remove(file)
end

--- The same, by a process that keeps it open until it is killed.
---@return spec.Process
function hyperbeam.held_rocksdb(directory, entries)
  local file = directory .. ".lines"
  write_lines(file, entries)
  local holder = place.start({ place.build .. "/spec/hyperbeam_db", directory, file, "hold" })
  place.until_said(holder, "held")
  os.remove(file)
  return holder
end

--- Makes a filesystem store at `directory` from a list of the vectors.
---@param directory string
---@param entries table[]
---@param prefix? fun(link: string): string what to make of a link's text
function hyperbeam.fs(directory, entries, prefix)
  assert(lfs.mkdir(directory))
  for _, entry in ipairs(entries) do
    local path = directory .. "/" .. entry.path
    if entry.dir then
      assert(lfs.mkdir(path))
    elseif entry.symlink then
      assert(uv.fs_symlink(prefix and prefix(entry.symlink) or entry.symlink, path))
    else
      place.put(path, hyperbeam.bytes(entry.file_hex))
    end
  end
end

--- All that is in a directory, as text: names, sizes, times and contents.
---@param directory string
---@return string
function hyperbeam.fingerprint(directory)
  local lines = {}
  for i, name in ipairs(place.files(directory)) do
    local path = directory .. "/" .. name
    local facts = assert(lfs.symlinkattributes(path))
    local content = facts.target or place.content(path)
    lines[i] = ("%s %d %d %s"):format(name, facts.size, facts.modification, content)
  end
  lines[#lines + 1] = tostring(lfs.attributes(directory, "modification"))
  return table.concat(lines, "\n")
end

--- What Erlang sets are made of these terms, as `etf_sets` sees it: for each "ok", the members
--- that are no names, and the names; or a code and a message.
---@param terms string[]
---@return { code: string, skipped: integer?, names: string[]?, message: string? }[]
function hyperbeam.sets(terms)
  local lines, results = {}, {}
  for i, term in ipairs(terms) do
    lines[i] = term == "" and "-" or hyperbeam.hex(term)
  end
  lines[#lines + 1] = ""
  local file = os.tmpname()
  place.put(file, table.concat(lines, "\n"))
  local read = place.run({ place.build .. "/spec/etf_sets", file })
  os.remove(file)
  assert(read.code == 0, read.err)
  for line in read.out:gmatch("[^\n]*") do
    local code, rest = line:match("^(%g+) (.*)$")
    if code == "ok" then
      local skipped, hexes = rest:match("^(%d+)(.*)$")
      local names = {}
      for hex in hexes:gmatch("%S+") do
        names[#names + 1] = hex == "-" and "" or hyperbeam.bytes(hex)
      end
      results[#results + 1] = { code = code, skipped = tonumber(skipped), names = names }
    elseif code then
      results[#results + 1] = { code = code, message = rest }
    end
  end
  return results
end

return hyperbeam
