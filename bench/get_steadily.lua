-- GET of a random one of 10,000 items, each connection every 15 ms: far from what a core can do.
math.randomseed(42)
request = function()
  return wrk.format("GET", string.format("/api/notes/note-%07d", math.random(0, 9999)))
end
delay = function()
  return math.random(10, 20)
end
