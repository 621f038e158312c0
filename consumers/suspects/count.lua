-- Put before scripts that take entries over from a dead consumer: counts that.
--
-- count_takeover(book, name)   adds a takeover to "<takeovers> <strikes>" and returns that
--
-- The caller has checked that the book is a hash, and has written before: a full server would
-- refuse HSET as the first write.
-- Cost of a count: one HGET and HSET.

local function count_takeover(book, name)
  local takeovers, strikes = string.match(redis.call('HGET', book, name) or '', '^(%d+) (%d+)$')
  local value = string.format('%d %d', (tonumber(takeovers) or 0) + 1, tonumber(strikes) or 0)
  redis.call('HSET', book, name, value)
  return value
end
