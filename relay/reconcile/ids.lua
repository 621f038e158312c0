-- Gives the ids of the events in a stretch of a stream.
--
-- KEYS  1    the stream
-- ARGV  1    where to begin: an entry id, or "(" and one
--       2    where to end: an entry id
--       3    how many entries to look at, at most
--       4    how many bytes they may have together, by the average of the stream's
--
-- Returns where to go on, "" at the end, and then of each entry that has an id: the id, and "1"
-- where nothing proves the event, else "".
--
-- Cost: one XLEN, MEMORY USAGE, and XRANGE of so many entries. It writes nothing.

local length, count = redis.call('XLEN', KEYS[1]), tonumber(ARGV[3])
-- Where the user may not ask for it, bodies are taken for short.
local size = length > 0 and redis.pcall('MEMORY', 'USAGE', KEYS[1])
if type(size) == 'number' and size > 0 then
  count = math.max(1, math.min(count, math.floor(ARGV[4] * length / size)))
end
local entries = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', count)

local found = { #entries < count and '' or '(' .. entries[#entries][1] }
for _, entry in ipairs(entries) do
  local id, unproved = nil, ''
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'id' then id = entry[2][i + 1] end
    if entry[2][i] == 'assurance' and entry[2][i + 1] == 'none' then unproved = '1' end
  end
  if id then
    found[#found + 1], found[#found + 2] = id, unproved
  end
end
return found
