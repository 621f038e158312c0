-- Tells the groups that a gateway's configuration lists, to whoever trims the tag's streams.
--
-- KEYS  1 hash of the tag: group -> "<ms of the last confirmation> <patterns as JSON>"
-- ARGV  1 after how many ms without confirmation another group is let go, "0" for never, then
--       each group's name and patterns
-- Returns the names of the groups that were let go.
-- Cost: one HSET per group; one HGETALL where others may be let go.

-- No group has this name. Removing is not refused by a full server, and once a script has
-- written, the rest of it passes.
redis.call('HDEL', KEYS[1], '@')
local time = redis.call('TIME')
local now = time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
for i = 2, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], now .. ' ' .. ARGV[i + 1])
end
local gone = {}
if ARGV[1] ~= '0' then
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local at = tonumber(string.match(all[i + 1], '^(%d+) ')) or 0
    if at <= tonumber(now) - tonumber(ARGV[1]) then
      redis.call('HDEL', KEYS[1], all[i])
      gone[#gone + 1] = all[i]
    end
  end
end
return gone
