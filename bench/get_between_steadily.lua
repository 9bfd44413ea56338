-- GET of a random item between two numbers, each connection every 15 ms: wrk ... URL -- FIRST LAST
init = function(args)
  math.randomseed(42)
  first, last = tonumber(args[1]), tonumber(args[2])
end
request = function()
  return wrk.format("GET", string.format("/api/mails/mail-%07d", math.random(first, last)))
end
delay = function()
  return math.random(10, 20)
end
