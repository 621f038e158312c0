-- Takes a user's effect and acknowledges the entry, both or neither.
--
-- Before this text stands the user's script, as the body of the function `effect(KEYS, ARGV)`.
--
-- KEYS  1 stream, 2 hash of histories, 3 hash of strikes, 4 hash of this commit's reply, then the
--       user's keys
-- ARGV  1 group, 2 consumer that holds the entry, 3 entry id, 4 its name in the books, 5 token of
--       this commit, 6 how long its reply is kept, in ms, then the user's arguments
-- Returns { 1, what the effect returned }; or { 0 } where the entry is not pending under the
-- consumer (any more), and then nothing ran.
-- Cost: one HGET, XPENDING, XCLAIM, XACK, two HDEL, HSET and PEXPIRE, and the effect.
--
-- An effect that raises, or returns an error, leaves the entry pending. What it wrote before that
-- stays, so it should check first and write then.
-- The reply is kept for a moment: sent twice, since the reply was lost, it answers the same.
-- The first write is XCLAIM, which a full server accepts; what follows in the script passes too.

for index, wanted in ipairs({ 'stream', 'hash', 'hash', 'hash' }) do
  local found = redis.call('TYPE', KEYS[index])['ok']
  if found ~= wanted and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[index] .. ' is not a ' .. wanted)
  end
end

local kept = redis.call('HGET', KEYS[4], ARGV[5])
if kept then return { 1, (cmsgpack.unpack(kept)) } end

local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if held.err or #held == 0 then return { 0 } end

local keys, arguments = {}, {}
for index = 5, #KEYS do keys[index - 4] = KEYS[index] end
for index = 7, #ARGV do arguments[index - 6] = ARGV[index] end

redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'JUSTID')
local reply = effect(keys, arguments)
if type(reply) == 'table' and reply.err then return reply end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('HDEL', KEYS[2], ARGV[4])
redis.call('HDEL', KEYS[3], ARGV[4])
redis.call('HSET', KEYS[4], ARGV[5], cmsgpack.pack(reply))
redis.call('PEXPIRE', KEYS[4], ARGV[6])
return { 1, reply }
