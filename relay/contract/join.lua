-- Makes a group on a stream, and a consumer of it where one is named, also on a full server.
--
-- KEYS  1 stream
-- ARGV  1 group, 2 the id behind which it begins, 3 the consumer, left out where there is none yet
-- Returns "made", "there" where it exists, or "gone" where there is no such stream.
-- Cost: one XTRIM that removes nothing, one XGROUP CREATE and one XGROUP CREATECONSUMER.
--
-- Servers before 7.2 list a consumer only when it is given an entry, and a worker does not read
-- what is paused: without being named here it would live, and nobody could see that.
--
-- XGROUP CREATE alone would be refused by a full server, and then nobody would drain it. XTRIM is
-- not, and once a script has written, the rest of it passes.

if redis.call('TYPE', KEYS[1])['ok'] ~= 'stream' then return 'gone' end
redis.call('XTRIM', KEYS[1], 'MINID', '0')
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2])
if not made.ok and not string.find(made.err, 'BUSYGROUP', 1, true) then
  return redis.error_reply(made.err)
end
if ARGV[3] then redis.call('XGROUP', 'CREATECONSUMER', KEYS[1], ARGV[1], ARGV[3]) end
return made.ok and 'made' or 'there'
