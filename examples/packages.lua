-- The packages of this Debian machine as groups and links, and questions answered from them.
--
--     scripts/run examples/packages.lua [store-url] [package]
--
--     packages/NAME/version, section, summary     what it is (packed: one entry)
--     packages/NAME/needs/OTHER                   a link to packages/OTHER
--     packages/NAME/needed-by/OTHER               a link to packages/OTHER
--
-- NAME needs every installed package that its Depends and Pre-Depends name, or that provides
-- what they name; of alternatives, all that are installed.

local cairn = require "cairn"

local store <close> = assert(cairn.open(arg[1]))
local subject = arg[2] or "libc6"

local function timed(question, work)
  local begun = os.clock()
  local answer = work()
  print(("%-52s %9.2f ms"):format(question, (os.clock() - begun) * 1000))
  return answer
end

--- The fields of every installed package, by name.
local function installed_packages(path)
  local packages = {}
  local file <close> = assert(io.open(path))
  for record in (file:read("a") .. "\n"):gmatch("(.-)\n\n+") do
    local fields = {}
    for field, value in ("\n" .. record):gmatch("\n([%w-]+): ([^\n]*)") do
      fields[field] = value
    end
    if (fields.Status or ""):find(" installed$") then packages[fields.Package] = fields end
  end
  return packages
end

--- Names in a relation field: "a (>= 1) | b:any, c" -> a, b, c.
local function names_in(field)
  return (field or ""):gmatch("([%w][%w+.-]*)[^,|]*")
end

local function needs_of(packages)
  local provided_by, needs = {}, {}
  for name, fields in pairs(packages) do
    provided_by[name] = provided_by[name] or {}
    provided_by[name][name] = true
    for virtual in names_in(fields.Provides) do
      provided_by[virtual] = provided_by[virtual] or {}
      provided_by[virtual][name] = true
    end
  end
  for name, fields in pairs(packages) do
    needs[name] = {}
    for wanted in names_in((fields.Depends or "") .. "," .. (fields["Pre-Depends"] or "")) do
      for provider in pairs(provided_by[wanted] or {}) do
        if provider ~= name then needs[name][provider] = true end
      end
    end
  end
  return needs
end

local function import(path)
  local packages = installed_packages(path)
  local needs, entries = needs_of(packages), 0
  store:delete("packages", { recursive = true })
  local name, fields = next(packages)
  while name do
    assert(store:batch(function(batch) -- a hundred packages at once
      for _ = 1, 100 do
        batch:pack("packages/" .. name, {
          version = fields.Version, section = fields.Section or "", summary = fields.Description,
        })
        for other in pairs(needs[name]) do
          batch:link("packages/" .. other, { "packages", name, "needs", other })
          batch:link("packages/" .. name, { "packages", other, "needed-by", name })
          entries = entries + 2
        end
        entries = entries + 1
        name, fields = next(packages, name)
        if not name then break end
      end
    end, { in_steps = true }))
  end
  return entries
end

--- Names in packages/NAME/KIND; none where there is no such group.
local function related(name, kind)
  local names = {}
  local list, message, code = store:list { "packages", name, kind }
  assert(list or code == "not_found", message)
  if list then
    for other in list do names[#names + 1] = other end
  end
  return names
end

--- All that can be reached from `name`, without itself, sorted.
local function reachable(name, kind)
  local seen, queue = { [name] = true }, { name }
  for at = 1, math.huge do
    if not queue[at] then break end
    for _, other in ipairs(related(queue[at], kind)) do
      if not seen[other] then
        seen[other] = true
        queue[#queue + 1] = other
      end
    end
  end
  table.remove(queue, 1)
  table.sort(queue)
  return queue
end

--- The longest chain of packages of which each needs the next. Packages that need each other in a
--- circle are one link of the chain: Tarjan's algorithm finds these components and finishes
--- each after all that it needs, so its longest chain is one more than the longest among those.
local function longest_chain()
  local index, low, on_stack, stack, component, counter = {}, {}, {}, {}, {}, 0
  local best
  local function finish(root)
    local made = { length = 1 }
    repeat
      local name = table.remove(stack)
      on_stack[name], component[name] = nil, made
      made[#made + 1] = name
    until name == root
    table.sort(made)
    for _, name in ipairs(made) do
      for _, other in ipairs(related(name, "needs")) do
        local below = component[other]
        if below ~= made and below.length >= made.length then
          made.length, made.next = below.length + 1, below
        end
      end
    end
    if not best or made.length > best.length then best = made end
  end
  local function visit(name)
    counter = counter + 1
    index[name], low[name], on_stack[name] = counter, counter, true
    stack[#stack + 1] = name
    for _, other in ipairs(related(name, "needs")) do
      if not index[other] then visit(other) end
      if on_stack[other] then low[name] = math.min(low[name], low[other]) end
    end
    if low[name] == index[name] then finish(name) end
  end
  for name in assert(store:list("packages")) do
    if not index[name] then visit(name) end
  end
  return best
end

local function shown(names)
  local some = table.concat(names, ", ", 1, math.min(6, #names))
  return ("  %d: %s%s"):format(#names, some, #names > 6 and ", ..." or "")
end

local status = "/var/lib/dpkg/status"
local entries
timed("read " .. status .. " into " .. store:url(), function() entries = import(status) end)
local count = 0
for _ in assert(store:list("packages")) do count = count + 1 end
print(("  %d packages, %d groups and links"):format(count, entries))

local version = assert(store:read { "packages", subject, "version" })
print(("%s %s: %s"):format(subject, version, store:read { "packages", subject, "summary" }))

local QUESTIONS = {
  { "what needs it directly?", function() return related(subject, "needed-by") end },
  { "what needs it at all?", function() return reachable(subject, "needed-by") end },
  { "what does it need directly?", function() return related(subject, "needs") end },
  { "what does it need at all?", function() return reachable(subject, "needs") end },
}
for _, question in ipairs(QUESTIONS) do print(shown(timed(table.unpack(question)))) end

local chain = timed("what is the longest chain of needs?", longest_chain)
print(("  %d links, circles counted as one:"):format(chain.length))
while chain do
  print("  " .. chain[1] .. (#chain > 1 and (" (in a circle of " .. #chain .. ")") or ""))
  chain = chain.next
end
