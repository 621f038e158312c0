-- Reads new entries of an ordered stream, for its owner only.
--
-- KEYS  1 stream, 2 hash of the owner
-- ARGV  1 group, 2 consumer, 3 its fencing number, 4 how many entries at most
-- Returns XREADGROUP's reply for the stream, empty where there is nothing new; or 0 where the
-- caller is not the owner (any more).
-- Cost: one HMGET and XREADGROUP.

if not is_owner(KEYS[2], ARGV[2], ARGV[3]) then return 0 end
local read = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[4],
  'STREAMS', KEYS[1], '>')
return read and read[1][2] or {}
