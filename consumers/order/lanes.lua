-- Names the lanes of an ordered stream in which entries wait.
--
-- KEYS  1 sorted set of what waits in lanes
-- ARGV  1 the lane behind which to begin, or "", 2 how many at most
-- Returns their names, in order.
-- Cost: per lane one ZRANGEBYLEX of one member.

local found = redis.call('TYPE', KEYS[1])['ok']
if found ~= 'zset' and found ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' is not a sorted set')
end
local from = ARGV[1] == '' and '-' or '(' .. ARGV[1] .. '}'
local names = {}
while #names < tonumber(ARGV[2]) do
  local first = redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, 1)[1]
  if not first then break end
  names[#names + 1] = string.match(first, '^([^|]*)|')
  from = '(' .. names[#names] .. '}'
end
return names
