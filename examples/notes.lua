-- A note book with tags. A note is one value; a tag is a group of links to its notes, so a note
-- has as many tags as it likes and is stored once.
--
--     scripts/run examples/notes.lua [store-url]

local cairn = require "cairn"

local store <close> = assert(cairn.open(arg[1]))

-- Start from an empty book, so that each run prints the same.
store:delete("notes", { recursive = true })
store:delete("tags", { recursive = true })

--- Stores a note and files it under its tags, all or nothing where the backend can do that.
local function add(title, text, tags)
  assert(store:batch(function(batch)
    batch:write("notes/" .. title, text, { metadata = { tags = table.concat(tags, " ") } })
    for _, tag in ipairs(tags) do
      batch:link("notes/" .. title, { "tags", tag, title })
    end
  end, { in_steps = true }))
end

--- Removes a note and the links to it, wherever it is filed.
local function remove(title)
  local stat = assert(store:stat("notes/" .. title))
  for tag in stat.metadata.tags:gmatch("%S+") do assert(store:delete { "tags", tag, title }) end
  assert(store:delete("notes/" .. title))
end

local function print_tag(tag)
  print(tag .. ":")
  for title in assert(store:list { "tags", tag }) do
    -- Reading the link reads the note.
    print(("  %-12s %s"):format(title, assert(store:read { "tags", tag, title })))
  end
end

add("bread", "flour, water, salt, and time", { "food", "home" })
add("soup", "onions first, patience second", { "food" })
add("shelf", "a 6 mm drill for the dowels", { "home", "tools" })
add("drill", "lent to Anna on Tuesday", { "tools", "people" })

print_tag("food")
print_tag("tools")

-- A note is changed in one place and is changed everywhere.
local tags = { tags = assert(store:stat("notes/soup")).metadata.tags }
assert(store:write("notes/soup", "onions, garlic, patience", { metadata = tags }))
print("soup, by its tag: " .. assert(store:read("tags/food/soup")))

remove("bread")
print_tag("food")

print("tags and how often they are used:")
for tag in assert(store:list("tags")) do
  local uses = 0
  for _ in assert(store:list { "tags", tag }) do uses = uses + 1 end
  print(("  %-8s %d"):format(tag, uses))
end
