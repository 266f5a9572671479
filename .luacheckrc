std = "lua54"
max_line_length = 100
exclude_files = { "build" }

files["spec"].std = "+busted"
files[".busted"].std = "lua54"
files["bindings/meta"].ignore = { "212", "241", "631" } -- declarations, and long comments
