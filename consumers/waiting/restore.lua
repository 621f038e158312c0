-- Gives parked entries that have no due time one: now. Looks through one page of them.
--
-- KEYS  1 stream, 2 sorted set of due times
-- ARGV  1 group, 2 the stream's name in the books, 3 behind which entry id the page begins,
--       4 how many parked entries to look at
-- Returns  1 the last entry id of the page, or false where none is behind it, and 2 how many were
--          given a due time
-- Cost: one XPENDING of a page; per entry one ZSCORE, and where that is missing XCLAIM and ZADD.
--
-- Needs member.lua before it. The first write is XCLAIM, which a full server
-- accepts; a wrong type is found before that.

local problem = wrong_type({ 'stream', 'zset' })
if problem then return problem end

local page = tonumber(ARGV[4])
local rows = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], '+', page, '@park')
if rows.err then return { false, 0 } end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local restored = 0
for _, row in ipairs(rows) do
  local name = member(row[1], ARGV[2])
  if not redis.call('ZSCORE', KEYS[2], name) then
    redis.call('XCLAIM', KEYS[1], ARGV[1], '@park', 0, row[1], 'JUSTID')
    redis.call('ZADD', KEYS[2], now, name)
    restored = restored + 1
  end
end
return { #rows == page and rows[page][1] or false, restored }
