-- GET of a random one of 10,000 items with a header field: wrk ... URL -- [NAME VALUE]
init = function(args)
  math.randomseed(42)
  if args[1] then wrk.headers[args[1]] = args[2] end
end
request = function()
  return wrk.format("GET", string.format("/api/notes/note-%07d", math.random(0, 9999)))
end
