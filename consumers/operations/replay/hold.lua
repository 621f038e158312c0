-- Has one at a time go on with a replay: whoever holds its book may copy.
--
-- Part two of two, after member.lua.
--
-- KEYS  1 the book
-- ARGV  1 the run, 2 who wants to hold it, by a name that nobody else has, 3 for how many ms; 0
--       gives up what is held
-- Returns  1 what happened: "held" where it is; "other" where somebody else holds it; "over" where
--       the book is another run's or gone; 2 who holds it, 3 for how many ms to come, 4 until when.
-- Cost: three HGET and a HSET.
--
-- Who holds it renews that, and may be late: nobody copies without looking whether it still is so.
-- HDEL comes first because a full server accepts it, and once a script has written, the rest of it
-- passes.

local problem = wrong_type({ 'hash' })
if problem then return problem end

if redis.call('HGET', KEYS[1], '@run') ~= ARGV[1] then return { 'over', '', 0, '' } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local by = redis.call('HGET', KEYS[1], '@by') or ''
local ends = redis.call('HGET', KEYS[1], '@until') or '0'
local left = math.max(0, tonumber(ends) - now)
-- What has ended is free to be taken, and was another's to give up.
if by ~= ARGV[2] and (left > 0 or ARGV[3] == '0') then return { 'other', by, left, ends } end

redis.call('HDEL', KEYS[1], '@')
ends = string.format('%.0f', now + ARGV[3])
redis.call('HSET', KEYS[1], '@by', ARGV[2], '@until', ends)
return { 'held', ARGV[2], tonumber(ARGV[3]), ends }
