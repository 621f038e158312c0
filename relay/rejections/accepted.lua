-- Takes note that a row of the refusal log was accepted, unless that is noted already.
--
-- KEYS  1 hash: id of a row -> what became of it, as JSON; of the rows of one day
-- ARGV  1 id of the row, 2 what became of it, 3 until when that is kept, ms since the epoch
-- Returns what is noted: this, or what was before.
-- Cost: one HGET, one HSET and two PEXPIREAT.
--
-- The event is stored already, so this is written also where the store has no room: a script that
-- has written once may go on, and an expiry takes no room.

redis.call('PEXPIREAT', KEYS[1], ARGV[3])
local before = redis.call('HGET', KEYS[1], ARGV[1])
if before then return before end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return ARGV[2]
