-- Looks which of some events have an entry in a stretch of a stream.
--
-- For events that may have been sent so long ago that the dedupe index has forgotten them.
--
-- KEYS  1    the stream
-- ARGV  1    where to begin: an entry id, or "(" and one
--       2    where to end: an entry id
--       3    how many entries to look at, at most
--       4    how many bytes they may have together, by the average of the stream's
--       5..  of each event in turn: its id, and the ms at which it was received
--
-- Returns where to go on, "" at the end, and then the number of each event that has an entry.
--
-- Cost: one XLEN, MEMORY USAGE, and XRANGE of so many entries. It writes nothing.

local length, count = redis.call('XLEN', KEYS[1]), tonumber(ARGV[3])
-- Where the user may not ask for it, bodies are taken for short.
local size = length > 0 and redis.pcall('MEMORY', 'USAGE', KEYS[1])
if type(size) == 'number' and size > 0 then
  count = math.max(1, math.min(count, math.floor(ARGV[4] * length / size)))
end
local entries = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', count)
local numbers = {}
for i = 5, #ARGV, 2 do
  numbers[ARGV[i] .. '\n' .. ARGV[i + 1]] = (i - 3) / 2
end

local found = { #entries < count and '' or '(' .. entries[#entries][1] }
for _, entry in ipairs(entries) do
  local id, received
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'id' then id = entry[2][i + 1] end
    if entry[2][i] == 'receivedat' then received = entry[2][i + 1] end
  end
  local number = id and received and numbers[id .. '\n' .. received]
  if number then found[#found + 1] = tostring(number) end
end
return found
