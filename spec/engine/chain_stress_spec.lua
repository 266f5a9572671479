--- Many threads against one chain: what chain_stress.c checks, for a few seconds on every pair of a
--- tier and a store. CAIRN_STRESS_SECONDS makes it longer.

local place = require "spec.support.place"

local SECONDS = os.getenv("CAIRN_STRESS_SECONDS") or "2"

local pairs_of_stores = {
  { "a memory tier", "rocksdb", "memory:", "rocksdb:%s/store" },
  { "a bounded memory tier", "fs", "memory:?max_bytes=64K", "fs:%s/store" },
  { "a rocksdb tier", "rocksdb", "rocksdb:%s/tier", "rocksdb:%s/store" },
  { "an fs tier", "memory", "fs:%s/tier", "memory:" },
}

for _, pair in ipairs(pairs_of_stores) do
  local tier, store, tier_url, store_url = table.unpack(pair)
  describe("threads that share a chain of " .. tier .. " over " .. store, function()
    it("are never told what is no longer so, and leave no stale copy", function()
      local directory = place.fresh()
      finally(function() place.remove(directory) end)
      local run = place.run({
        place.build .. "/spec/chain_stress", tier_url:format(directory),
        store_url:format(directory), "--seconds", SECONDS,
      }, { seconds = tonumber(SECONDS) * 5 + 120 })
      assert.equal("", run.err)
      assert.equal(0, run.code, run.out)
      local copies, answers, made = run.out:match(
        "(%d+) copies agree; %d+ steps, (%d+) answers of the tier, (%d+) copies made")
      assert.is_true(tonumber(copies) > 0, run.out) -- there was something to compare
      assert.is_true(tonumber(answers) > 0 and tonumber(made) > 0, run.out)
    end)
  end)
end
