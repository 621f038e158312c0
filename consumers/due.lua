-- Takes parked entries that are due, each into the hands of one consumer.
--
-- KEYS  1 sorted set of due times, 2 hash of histories, then the streams that the consumer reads
-- ARGV  1 group, 2 consumer, 3 how many members to look at, 4 how many to pass over first; then
--       of each stream in turn: its type, and how many entries the consumer has room for
-- Returns  1 how many members were due in the page, 2 how many of them were left in place, and
--          3 the entries taken: for each its type, XCLAIM's reply for it, and its history
-- Cost: per member one XPENDING, XCLAIM, ZREM and HGET.
--
-- An entry that is no longer pending under "@park" was settled otherwise: only its due time goes.

local group, consumer = ARGV[1], ARGV[2]
local stream_of, room = {}, {}
for i = 3, #KEYS do
  local name = ARGV[5 + 2 * (i - 3)]
  stream_of[name] = KEYS[i]
  room[name] = tonumber(ARGV[6 + 2 * (i - 3)])
end

local function forget(member)
  redis.call('ZREM', KEYS[1], member)
  redis.call('HDEL', KEYS[2], member)
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', ARGV[4], ARGV[3])
local taken, left = {}, 0
for _, member in ipairs(members) do
  local ms, seq, name = string.match(member, '^0*(%d+)%-0*(%d+)|(.+)$')
  local stream = name and stream_of[name]
  if not stream or room[name] == 0 then
    left = left + 1
  else
    local id = ms .. '-' .. seq
    local held = redis.pcall('XPENDING', stream, group, id, id, 1, '@park')
    if held.err or #held == 0 then
      forget(member)
    else
      local entry = redis.call('XCLAIM', stream, group, consumer, 0, id)[1]
      if entry then
        redis.call('ZREM', KEYS[1], member)
        room[name] = room[name] - 1
        taken[#taken + 1] = { name, entry, redis.call('HGET', KEYS[2], member) }
      else
        -- Deleted from the stream; servers before 7.0 leave such ids pending.
        redis.call('XACK', stream, group, id)
        forget(member)
      end
    end
  end
end
return { #members, left, taken }
