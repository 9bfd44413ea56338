-- GET of a random one of 10,000 items.
math.randomseed(42)
request = function()
  return wrk.format("GET", string.format("/api/notes/note-%07d", math.random(0, 9999)))
end
