-- echo.lua -- answers with what it was asked.

return {
  handle = function(_, request) return request end,
}
