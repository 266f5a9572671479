-- spin.lua -- never answers: it is ended by its steps.

return {
  handle = function()
    while true do end -- luacheck: ignore 542
  end,
}
