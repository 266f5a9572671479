--- What each script of vectors/store.json must answer, step by step, in the words of
--- spec/support/scripts.lua. `why`: where no reference backend answers so, the reason.

local MIDDLE = "type and list follow links in the middle of a path"
local LISTED = "listing what a link leads to is listing it; a value is not_a_group"

return {
  ["missing"] = {
    "nope not_found not_found not_found a/b/c not_found not_found not_found / not_found " ..
    "composite [] / not_found composite []",
    why = "the root is an ordinary path",
  },
  ["flat write/overwrite"] = {
    "ok k =v1 simple not_a_group ok k =v2 simple not_a_group k =v2 simple not_a_group k =v2 " ..
    "simple not_a_group k =v2 simple not_a_group k =v2 simple not_a_group k =v2 simple " ..
    "not_a_group K not_found not_found not_found [k] [k]",
  },
  ["empty value"] = { "ok e = simple not_a_group" },
  ["binary value 0..255"] = { "ok =$1" },
  ["deep write makes groups"] = {
    "ok a/b/c =v simple not_a_group a/b not_found composite [c] a not_found composite [b] ok " ..
    "[c,d] =w [c,d] [c,d] [c,d]",
  },
  ["group empty"] = { "ok g not_found composite [] ok ok ok [x]" },
  ["group deep"] = { "ok [g2] [g3] [] composite composite" },
  ["group list path"] = { "ok composite composite [h2]" },
  ["group empty path"] = { "ok ok ok [] []" },
  ["link to file"] = { "ok ok f =v simple not_a_group ok =v2 [f,lf]", why = LISTED },
  ["link to group"] = {
    "ok ok d not_found composite [f] d/f =v simple not_a_group d/f =v simple not_a_group " ..
    "d/none not_found not_found not_found",
    why = MIDDLE,
  },
  ["link to deep file, nested link path"] = {
    "ok ok x/y/z =v simple not_a_group [q] [r] composite composite",
    why = LISTED,
  },
  ["link args as lists"] = {
    "ok ok x/y =v simple not_a_group ok x/y =v simple not_a_group",
    why = MIDDLE,
  },
  ["link target with leading/trailing slash"] = {
    "ok ok ok ok ok x/y =v simple not_a_group x/y =v simple not_a_group x not_found " ..
    "composite [y] x/y =v simple not_a_group x/y =v simple not_a_group x/y =v simple " ..
    "not_a_group",
    why = MIDDLE,
  },
  ["chain of links to file (3)"] = {
    "ok ok ok ok f =v simple not_a_group f =v simple not_a_group f =v simple not_a_group",
    why = "resolve goes to the end of a chain",
  },
  ["chain of links to group (3)"] = {
    "ok ok ok ok d not_found composite [f] d not_found composite [f] d/f =v simple " ..
    "not_a_group d/f =v simple not_a_group d/f =v simple not_a_group",
    why = "chains are followed anywhere in a path",
  },
  ["link inside linked group"] = {
    "ok ok ok ok data/v =v simple not_a_group m not_found composite [k] data/v =v simple " ..
    "not_a_group",
    why = MIDDLE,
  },
  ["link in group to other group, then key"] = {
    "ok ok ok ok m2/k =v simple not_a_group m2/k =v simple not_a_group m2 not_found " ..
    "composite [k]",
    why = MIDDLE,
  },
  ["doc example: a/b -> a/alt-b"] = {
    "ok ok a/alt-b/c =$1 simple not_a_group [alt-b,b]",
    why = MIDDLE,
  },
  ["doc example with a/b/c also written first"] = { "ok ok kept a/b/c =$1 simple not_a_group" },
  ["dangling link"] = {
    "ok nowhere not_found not_found not_found nowhere/x not_found not_found not_found ok " ..
    "nowhere =now simple not_a_group",
    why = LISTED,
  },
  ["dangling deep link"] = { "ok no/where not_found not_found not_found [l]" },
  ["self link (same arg)"] = {
    "kept s not_found not_found not_found",
    why = "nothing is made of a link to itself, and the answer says so",
  },
  ["self link (different spelling)"] = {
    "kept s not_found not_found not_found s not_found not_found not_found",
    why = "a path is the same under every spelling",
  },
  ["self link (list vs binary)"] = {
    "kept s not_found not_found not_found s/x not_found not_found not_found",
    why = "a path is the same under every spelling",
  },
  ["cycle of 2"] = {
    "ok ok link_loop link_loop link_loop link_loop link_loop link_loop link_loop link_loop",
    why = "a cycle is link_loop, at once",
  },
  ["cycle of 3"] = {
    "ok ok ok link_loop link_loop link_loop link_loop",
    why = "a cycle is link_loop, at once",
  },
  ["link to own child"] = {
    "ok link_loop link_loop link_loop link_loop link_loop link_loop link_loop link_loop",
    why = "a cycle is link_loop, at once",
  },
  ["group holding a link to itself"] = {
    "ok ok g not_found composite [k,self] g/k =v simple not_a_group g/k =v simple " ..
    "not_a_group [k,self]",
    why = MIDDLE,
  },
  ["make_link over existing raw"] = { "ok ok kept b =2 simple not_a_group" },
  ["make_link over existing link"] = { "ok ok ok kept a =1 simple not_a_group", why = LISTED },
  ["make_link over existing group"] = { "ok ok kept g not_found composite [k]" },
  ["make_link twice same"] = { "ok ok kept a =1 simple not_a_group", why = LISTED },
  ["write over a link (at the link path itself)"] = {
    "ok ok ok x =new simple not_a_group a =1 simple not_a_group",
    why = LISTED,
  },
  ["write over a dangling link"] = {
    "ok ok x =new simple not_a_group a not_found not_found not_found",
    why = LISTED,
  },
  ["write over a group"] = {
    "ok is_group g not_found composite [k] g/k =1 simple not_a_group",
    why = "a group is never replaced by a value",
  },
  ["write under a link to a group"] = {
    "ok ok ok g/n =2 simple not_a_group g/n =2 simple not_a_group g not_found composite " ..
    "[k,n] ok =after =1",
    why = "a write beneath a link lands at its target",
  },
  ["write under a link to a file"] = {
    "ok ok not_a_group f/n not_found not_found not_found f =1 simple not_a_group =1",
    why = "refused with a word instead of a crash",
  },
  ["write under a dangling link"] = {
    "ok ok none/n =2 simple not_a_group none/n =2 simple not_a_group",
    why = "a write beneath a link makes the target group",
  },
  ["write under a raw value"] = {
    "ok not_a_group f/n not_found not_found not_found f =1 simple not_a_group ok =after",
    why = "nothing is beneath a value, so there is nothing to list",
  },
  ["write two below a raw value"] = {
    "ok not_a_group f/n/m not_found not_found not_found f =1 simple not_a_group f/n " ..
    "not_found not_found not_found",
    why = "nothing is beneath a value, so there is nothing to list",
  },
  ["make_link under a link"] = {
    "ok ok ok g/k =1 simple not_a_group [k,n] [k,n]",
    why = "a link beneath a link lands at its target",
  },
  ["make_link under a raw value"] = {
    "ok not_a_group f/n not_found not_found not_found f =1 simple not_a_group",
    why = "nothing is beneath a value, so there is nothing to list",
  },
  ["make_group over raw value"] = {
    "ok not_a_group f =1 simple not_a_group",
    why = "a value is never replaced by a group, and the answer says so",
  },
  ["make_group over link"] = { "ok ok ok g not_found composite [k] [k]" },
  ["make_group under raw value"] = {
    "ok not_a_group f =1 simple not_a_group f/g not_found not_found not_found",
    why = "refused with a word instead of a crash",
  },
  ["make_group under link to group"] = {
    "ok ok ok g/sub not_found composite [] [k,sub]",
    why = "a group beneath a link lands at its target",
  },
  ["slash keys"] = {
    "ok ok ok lead =1 simple not_a_group trail =2 simple not_a_group dbl/x =3 simple " ..
    "not_a_group [x]",
  },
  ["empty key write"] = {
    "is_group is_group is_group not_found not_found",
    why = "the root is an ordinary group",
  },
  ["dot keys"] = {
    "invalid_path invalid_path invalid_path invalid_path invalid_path invalid_path a/b " ..
    "not_found not_found not_found invalid_path invalid_path invalid_path invalid_path d " ..
    "not_found not_found not_found not_found not_found",
    why = "`.` and `..` are refused",
  },
  ["key escaping the prefix"] = {
    "invalid_path invalid_path invalid_path invalid_path invalid_path",
    why = "`.` and `..` are refused",
  },
  ["unicode keys"] = {
    "ok ключ/日本 =v simple not_a_group [日本] ok ключ/日本 =v simple " ..
    "not_a_group ok ok é =e simple not_a_group",
    why = LISTED,
  },
  ["non-utf8 key"] = {
    "ok k\255\254 =v simple not_a_group ok k\255\254 =v simple not_a_group",
    why = LISTED,
  },
  ["NUL in key"] = {
    "invalid_path invalid_path invalid_path invalid_path invalid_path",
    why = "NUL is refused",
  },
  ["long key 300 bytes"] = { "ok =v" },
  ["long path 20 x 200 bytes"] = {
    "invalid_path invalid_path",
    why = "over 2,048 bytes is refused",
  },
  ["charlist and atom keys"] = { "ok ok ok =1 =2 =2 =3 simple simple [x]" },
  ["non-binary value"] = {
    "raised raised raised raised not_found not_found not_found ok =after",
    why = "a value that is no string is a mistake in the call",
  },
  ["type on list path / link list path"] = { "ok ok simple simple [d] [d]" },
  ["type through a linked parent (no resolve)"] = {
    "ok ok simple not_a_group ok composite [t] g/s =v",
    why = MIDDLE,
  },
  ["list of a file and of a link to a file"] = { "ok ok not_a_group not_a_group", why = LISTED },
  ["reset"] = {
    "ok ok a/b not_found not_found not_found a not_found not_found not_found ok [c] ok ok []",
    why = "the root is there after a reset",
  },
  ["start twice, stop"] = { "ok ok ok =1 ok =1" },
  ["repeated path component"] = {
    "ok a/a =v1 simple not_a_group ok b/b/c =v2 simple not_a_group ok c/d/d =v3 simple " ..
    "not_a_group ok ok ok e/e ok g/g/g/k =v4 simple not_a_group",
  },
  ["link target equals next component"] = {
    "ok ok ok t/t/x =inner simple not_a_group t/x =v simple not_a_group",
    why = MIDDLE,
  },
  ["links sharing the store prefix text"] = {
    "ok ok ok ok ok ok fs-abs/x =v simple not_a_group vs/x =v2 simple not_a_group tmp/x =v3 " ..
    "simple not_a_group",
    why = LISTED,
  },
  ["value that looks like an encoded link/group"] = {
    "ok ok a =$1 simple not_a_group b =$2 simple not_a_group",
  },
  ["scope"] = { "local" },
  ["add_path"] = { "a/b a/b a/b a/b a/b", why = "a list is a path" },
}
