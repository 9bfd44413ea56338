-- GET of a random item, or POST, of models at /api/notes0, /api/notes1, ...: wrk ... URL -- get|post MODELS ITEMS
local work, models, items
local json = {["Content-Type"] = "application/json"}
local note = '{"from":"writer@example.org","subject":"hello 42","body":"' .. string.rep("x", 200) .. '"}'
init = function(args)
  math.randomseed(42)
  work, models, items = args[1], tonumber(args[2]), tonumber(args[3])
end
request = function()
  local path = string.format("/api/notes%d", math.random(0, models - 1))
  if work == "post" then return wrk.format("POST", path, json, note) end
  return wrk.format("GET", string.format("%s/note-%07d", path, math.random(0, items - 1)))
end
