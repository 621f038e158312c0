-- Part of scripts on ordered streams: whether the caller still is the stream's owner.
--
-- A former owner that was stalled must change nothing: its successor has what was pending.

local function is_owner(book, consumer, fence)
  local found = redis.call('TYPE', book)['ok']
  if found ~= 'hash' then return false end
  local owner = redis.call('HMGET', book, 'consumer', 'fence')
  return owner[1] == consumer and owner[2] == fence
end
