-- Takes parked entries that are due, each into the hands of one consumer.
--
-- KEYS  1 sorted set of due times, 2 hash of histories, 3 hash of strikes, then the streams that
--       the consumer reads
-- ARGV  1 group, 2 consumer, 3 how many members to look at, 4 how many to pass over first, 5 how
--       many bytes and 6 how many entries are enough; then of each stream in turn: its name in the
--       books, and how many entries the consumer has room for
-- Returns  1 how many members to pass over in the next page, 2 whether more may be due behind this
--          one (0 or 1), and 3 the entries taken: for each its stream's name, XCLAIM's reply for
--          it, its history and its suspicion
-- Cost: per member one XPENDING, XCLAIM, ZREM and two HGET.
--
-- An entry that is no longer pending under "@park" was settled otherwise: only its due time goes.
-- Pages begin at a rank, since that costs the same however far it is. Where others take members
-- before it at the same time, some are passed over until the next round from the beginning.

local group, consumer, page = ARGV[1], ARGV[2], tonumber(ARGV[3])
local enough_bytes, enough = tonumber(ARGV[5]), tonumber(ARGV[6])
local stream_of, room, places = {}, {}, 0
for i = 4, #KEYS do
  local name = ARGV[7 + 2 * (i - 4)]
  stream_of[name] = KEYS[i]
  room[name] = tonumber(ARGV[8 + 2 * (i - 4)])
  places = places + room[name]
end

for index, wanted in ipairs({ 'zset', 'hash', 'hash' }) do
  local found = redis.call('TYPE', KEYS[index])['ok']
  if found ~= wanted and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[index] .. ' is not a ' .. wanted)
  end
end

local function forget(member, stream, id)
  redis.call('ZREM', KEYS[1], member)
  local held = redis.pcall('XPENDING', stream, group, id, id, 1)
  if held.err or #held == 0 then
    redis.call('HDEL', KEYS[2], member)
    redis.call('HDEL', KEYS[3], member)
  end
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local passed = tonumber(ARGV[4])
local found = redis.call('ZRANGE', KEYS[1], passed, passed + page - 1, 'WITHSCORES')
local taken, bytes = {}, 0
local more = #found == 2 * page and 1 or 0
for i = 1, #found, 2 do
  local member, due = found[i], tonumber(found[i + 1])
  if due > now then
    more = 0
    break
  end
  if places == 0 or #taken >= enough or bytes >= enough_bytes then
    more = 1
    break
  end
  local ms, seq, name = string.match(member, '^0*(%d+)%-0*(%d+)|(.+)$')
  local stream = name and stream_of[name]
  if not stream or room[name] == 0 then
    passed = passed + 1
  else
    local id = ms .. '-' .. seq
    local held = redis.pcall('XPENDING', stream, group, id, id, 1, '@park')
    if held.err or #held == 0 then
      forget(member, stream, id)
    else
      local entry = redis.call('XCLAIM', stream, group, consumer, 0, id)[1]
      if entry then
        redis.call('ZREM', KEYS[1], member)
        room[name] = room[name] - 1
        places = places - 1
        for _, part in ipairs(entry[2]) do bytes = bytes + #part end
        local history = redis.call('HGET', KEYS[2], member)
        taken[#taken + 1] = { name, entry, history, redis.call('HGET', KEYS[3], member) }
      else
        -- Deleted from the stream; servers before 7.0 leave such ids pending.
        redis.call('XACK', stream, group, id)
        forget(member, stream, id)
      end
    end
  end
end
return { passed, more, taken }
