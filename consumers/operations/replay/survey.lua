-- Looks at what a stream holds of a range, up to a bound, and writes nothing.
--
-- Part three of three, after member.lua and entries.lua.
--
-- KEYS  1 stream
-- ARGV  1 from which entry on, 2 the last one, 3 how many to look at at most, 4 how many bytes to
--       look at at most, 5 account or "", then the ids that are meant, none for all
-- Returns  1 how many entries the stream has, 2 its first and 3 its last id, "" where it has none;
--       4 the first entry of the range; 5 how many were looked at, 6 how many of them are meant,
--       7 how many bytes those have, 8 the first and 9 the last of them; 10 the next one to look
--       at, "" where that was all.
-- Cost: one XLEN and XREVRANGE of one entry, and per entry looked at one XRANGE of one.

local problem = wrong_type({ 'stream' })
if problem then return problem end

local function id_of(entry) return entry and entry[1] or '' end

local is_meant = chooser(ARGV[5], 6)
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local entry = entry_from(ARGV[1], ARGV[2])
local begin, looked, read = id_of(entry), 0, 0
local meant, bytes, first, last = 0, 0, '', ''
while entry and looked < tonumber(ARGV[3]) and read < tonumber(ARGV[4]) do
  local size = bytes_of(entry)
  if is_meant(entry) then
    meant, bytes, last = meant + 1, bytes + size, entry[1]
    if first == '' then first = entry[1] end
  end
  looked, read = looked + 1, read + size
  entry = entry_from('(' .. entry[1], ARGV[2])
end
return {
  redis.call('XLEN', KEYS[1]), id_of(entry_from('-', '+')), id_of(newest), begin,
  looked, meant, bytes, first, last, id_of(entry),
}
