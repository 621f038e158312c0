-- Has what waits in the lanes of a stream that is not kept in order any more wait like any retry,
-- due at once. Moves one page of it.
--
-- KEYS  1 stream, 2 hash of the owner, 3 sorted set of what waits in lanes, 4 sorted set of due
--       times
-- ARGV  1 group, 2 the stream's name in the books, 3 how many entries at most
-- Returns how many were moved; 0 also while a process still owns the stream, as in a rolling deploy.
-- Cost: one XPENDING of a page; per entry one XCLAIM and ZADD.
--
-- Needs member.lua before it. The first write is XCLAIM or UNLINK, which a full server accepts; a
-- wrong type is found before that.

local problem = wrong_type({ 'stream', 'hash', 'zset', 'zset' })
if problem then return problem end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local ends = redis.call('HGET', KEYS[2], 'until')
if ends and (tonumber(ends) or 0) > now then return 0 end

local rows = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[3], '@lane')
if rows.err then return 0 end
for _, row in ipairs(rows) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], '@park', 0, row[1], 'JUSTID')
  redis.call('ZADD', KEYS[4], now, member(row[1], ARGV[2]))
end
if #rows < tonumber(ARGV[3]) then redis.call('UNLINK', KEYS[3]) end
return #rows
