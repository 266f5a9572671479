--- Run by busted before any file, and outside of what it puts away after each.
---
--- luv keeps its loop in the table of its module: if the file that required it first were
--- the only one that has it, the loop would go with that file, and others would use what
--- is gone.
require "luv"

if os.getenv "CAIRN_EAGER_GC" then require "spec.support.eager_gc" end
