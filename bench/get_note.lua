-- GET of a random item between two numbers: wrk ... URL -- FIRST LAST
init = function(args)
  math.randomseed(42)
  first, last = tonumber(args[1]), tonumber(args[2])
end
request = function()
  return wrk.format("GET", string.format("/api/notes/note-%07d", math.random(first, last)))
end
