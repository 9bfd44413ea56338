-- PATCH of a random item between two numbers, each connection every 80 ms: wrk ... URL -- FIRST LAST
init = function(args)
  math.randomseed(7)
  first, last = tonumber(args[1]), tonumber(args[2])
  headers = {["Content-Type"] = "application/json"}
  count = 0
end
request = function()
  count = count + 1
  local path = string.format("/api/mails/mail-%07d", math.random(first, last))
  return wrk.format("PATCH", path, headers, string.format('{"subject":"patched %d"}', count))
end
delay = function()
  return math.random(60, 100)
end
