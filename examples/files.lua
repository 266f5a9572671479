-- Copies a directory into a store. Contents lie under their SHA-256, names are links to them:
-- equal files are kept once, and every copy can be checked.
--
--     scripts/run examples/files.lua [store-url] [directory]

local cairn = require "cairn"

local store <close> = assert(cairn.open(arg[1]))
local directory = arg[2] or "/usr/share/common-licenses"

local function quoted(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Path and SHA-256 of every regular file, as sha256sum of the coreutils says.
local function files_in(path)
  local command = ("cd %s && find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum -z")
  local pipe <close> = assert(io.popen(command:format(quoted(path))))
  local found = {}
  for hash, name in pipe:read("a"):gmatch("(%x+)  %./([^\0]+)\0") do
    found[#found + 1] = { name = name, hash = hash }
  end
  return found
end

local function read_file(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

store:delete("files", { recursive = true })
local files, bytes, kept, kept_bytes = files_in(directory), 0, 0, 0
for _, file in ipairs(files) do
  local content = read_file(directory .. "/" .. file.name)
  -- Whoever stores a content first wins; the others find it there already.
  local ok, message, code = store:write("content/" .. file.hash, content,
    { if_absent = true, compress = true })
  assert(ok or code == "conflict", message)
  if ok then kept, kept_bytes = kept + 1, kept_bytes + #content end
  bytes = bytes + #content
  assert(store:link("content/" .. file.hash, "files/" .. file.name))
end
print(("%s: %d files, %d bytes"):format(directory, #files, bytes))
print(("new contents: %d files, %d bytes"):format(kept, kept_bytes))

-- Names that lead to the same content.
local names_of = {}
for _, file in ipairs(files) do
  local content = assert(store:resolve("files/" .. file.name))
  names_of[content] = names_of[content] or {}
  table.insert(names_of[content], file.name)
end
for content, names in pairs(names_of) do
  if #names > 1 then
    print(("kept once: %s (%s...)"):format(table.concat(names, ", "), content:sub(1, 16)))
  end
end

-- Every file, read back through its link, is what is on disk.
for _, file in ipairs(files) do
  assert(store:read("files/" .. file.name) == read_file(directory .. "/" .. file.name), file.name)
end
print(("all %d files read back equal"):format(#files))
