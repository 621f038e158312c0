-- Stores an event unless its id is known: the script of the contenders that are not the relay.
--
-- KEYS  1   the stream
--       2   the key that remembers the event id
-- ARGV  1   how long it is remembered, in ms
--       2…  names and values of the entry
--
-- Returns 1 and the first entry id where the event is known, else 0 and the new one.
--
-- Cost: one GET and, for a new event, one XADD and one SET.

local first = redis.call('GET', KEYS[2])
if first then return { 1, first } end
local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
redis.call('SET', KEYS[2], id, 'PX', ARGV[1])
return { 0, id }
