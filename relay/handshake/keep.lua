-- Keeps a secret that came by a handshake, until an operator accepts it or its time is over.
--
-- KEYS  1 hash: "<endpoint>|<fingerprint>" -> "<ms when it came> <secret>"
-- ARGV  1 endpoint, 2 fingerprint, 3 secret, 4 for how many ms one is kept, 5 how many of an
--       endpoint may wait, 6 how many of all
-- Returns "kept", "known" where it waits already, or "full".
-- Cost: one HGETALL of at most ARGV[6] fields; one HDEL for each that is too old; one HSET.
--
-- Who comes first stays: a stranger's secret never takes the place of another one. Redis's time
-- counts, since several gateways write here.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local field = ARGV[1] .. '|' .. ARGV[2]
local all = redis.call('HGETALL', KEYS[1])
local old, own, others, known = {}, 0, 0, false
for i = 1, #all, 2 do
  local at = tonumber(string.match(all[i + 1], '^(%d+) ')) or 0
  if at <= now - tonumber(ARGV[4]) then
    old[#old + 1] = all[i]
  else
    known = known or all[i] == field
    if string.match(all[i], '^[^|]*') == ARGV[1] then own = own + 1 else others = others + 1 end
  end
end
for _, each in ipairs(old) do redis.call('HDEL', KEYS[1], each) end
if known then return 'known' end
if own >= tonumber(ARGV[5]) or own + others >= tonumber(ARGV[6]) then return 'full' end
-- A full server refuses it, with nothing lost: the sender is told to come again.
redis.call('HSET', KEYS[1], field, string.format('%.0f %s', now, ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 'kept'
