-- The same work for every side: wrk ... URL -- WORK ITEM COLLECTION BULK PAGE TOKEN SHAPE RUN
-- ITEM is the path before an id, PAGE a path with %d for a folder, RUN makes new ids new.
-- SHAPE of writes: array, batch (PocketBase's bulk writes), with ids (the server makes none).
local NOTES, FOLDERS, MANY, READY = 100000, 100, 100, 60000
local BODY = string.rep("x", 180)
local work, item, collection, bulk, page, run
local is_batch, wants_id, is_ready
local count = 0
local ready, sent = {}, 0
local json = {["Content-Type"] = "application/json"}
local plain = {}

local function old()
  return string.format("%snote%011d", item, math.random(0, NOTES - 1))
end

local function note(folder)
  count = count + 1
  local id = ""
  if wants_id then id = string.format('"id":"new%s-%07d",', run, count) end
  return "{" .. id .. string.format(
    '"sender":"writer%d@example.org","folder":"%s","sent":%d,' ..
    '"subject":"subject %d","body":"%d %s"}',
    count % 997, folder or "new", count, count % 1000, count, BODY)
end

local works = {}
function works.get() return wrk.format("GET", old(), plain) end
function works.create() return wrk.format("POST", collection, json, note()) end
function works.patch()
  count = count + 1
  return wrk.format("PATCH", old(), json, string.format('{"subject":"patched %d"}', count))
end
function works.mixed()
  local drawn = math.random()
  if drawn < 0.80 then return works.create() end
  if drawn < 0.95 then return works.get() end
  return works.patch()
end
function works.page()
  return wrk.format("GET", string.format(page, math.random(0, FOLDERS - 1)), plain)
end
function works.pages()
  if math.random() < 0.05 then
    local folder = string.format("folder-%d", math.random(0, FOLDERS - 1))
    return wrk.format("POST", collection, json, note(folder))
  end
  return works.page()
end
function works.bulk()
  local notes = {}
  for number = 1, MANY do
    notes[number] = note()
    if is_batch then
      notes[number] = string.format('{"method":"POST","url":"%s","body":%s}', collection, notes[number])
    end
  end
  local array = "[" .. table.concat(notes, ",") .. "]"
  if is_batch then array = '{"requests":' .. array .. "}" end
  return wrk.format("POST", bulk, json, array)
end

init = function(args)
  work, item, collection, bulk, page = works[args[1]], args[2], args[3], args[4], args[5]
  is_batch, wants_id, run = args[7] == "batch", args[7] == "with ids", args[8]
  if args[6] ~= "" then
    plain["Authorization"] = args[6]
    json["Authorization"] = args[6]
  end
  math.randomseed(tonumber(run) or 42)
  -- One new note is like another, but for ids that clients choose: those requests are made
  -- beforehand and sent again and again, as wrk shares the cores with whom it measures.
  is_ready = (work == works.create or work == works.mixed) and not wants_id
  if is_ready then
    for number = 1, READY do ready[number] = work() end
  end
end
request = function()
  if not is_ready then return work() end
  sent = sent % READY + 1
  return ready[sent]
end
