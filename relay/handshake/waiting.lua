-- Gives the secrets that wait for an operator.
--
-- KEYS  1 hash: "<endpoint>|<fingerprint>" -> "<ms when it came> <secret>"
-- ARGV  1 for how many ms one is kept
-- Returns the fields and values of those that are not too old, in turns.
-- Cost: one HGETALL; the hash is bounded by who writes it.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all, found = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local at = tonumber(string.match(all[i + 1], '^(%d+) ')) or 0
  if at > now - tonumber(ARGV[1]) then
    found[#found + 1] = all[i]
    found[#found + 1] = all[i + 1]
  end
end
return found
