-- Adds what a gateway process has counted of an endpoint to the endpoint's book.
--
-- KEYS  1 hash: name -> "<count> <ms of the first> <ms of the last>"
-- ARGV  1 for how many ms the book is kept when nothing comes, 2 how many names it may have
--       then of each name in turn: itself, count, ms of the first, ms of the last
-- Returns how many names the book has.
-- Cost: one HGET and one HSET for each name; where there are too many, one HGETALL.
--
-- Several processes write here, each with its own news only.


for i = 3, #ARGV, 4 do
  local count, first, last = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  local before, since, till = string.match(known or '', '^(%d+) (%d+) (%d+)$')
  if before then
    count = count + tonumber(before)
    first, last = math.min(first, tonumber(since)), math.max(last, tonumber(till))
  end
  redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f %.0f %.0f', count, first, last))
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
local names = redis.call('HLEN', KEYS[1])
if names > tonumber(ARGV[2]) then
  -- Secrets that have gone: those unused for longest make room.
  local all, known = redis.call('HGETALL', KEYS[1]), {}
  for i = 1, #all, 2 do
    known[#known + 1] = { tonumber(string.match(all[i + 1], '(%d+)$')) or 0, all[i] }
  end
  table.sort(known, function(one, other) return one[1] < other[1] end)
  for i = 1, names - tonumber(ARGV[2]) do redis.call('HDEL', KEYS[1], known[i][2]) end
end
return redis.call('HLEN', KEYS[1])
