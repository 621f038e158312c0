-- Gives the ownership of an ordered stream up; the fencing number stays.
--
-- KEYS  1 hash: consumer, fence, until
-- ARGV  1 consumer, 2 its fencing number
-- Returns 1 if it was given up.
-- Cost: one HMGET and HDEL.

if not is_owner(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
redis.call('HDEL', KEYS[1], 'consumer', 'until', 'owns')
return 1
