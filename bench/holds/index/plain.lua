-- Appends a batch of events, each unless a key says that its id is known: as most teams do it.
--
-- KEYS  1        the stream
--       1+i      of event i: the key that remembers its id
-- ARGV  1        window in ms
--       then of each event in turn: number n of strings, then the n names and values of the entry
--
-- Returns the entry id per event: the new one, or that of the first entry.
--
-- Cost: per event one GET and, if it is new, one XADD and one SET.

local stream, window_ms = KEYS[1], ARGV[1]
local out, at = {}, 2
for i = 2, #KEYS do
  local last = at + tonumber(ARGV[at])
  local id = redis.call('GET', KEYS[i])
  if not id then
    id = redis.call('XADD', stream, '*', unpack(ARGV, at + 1, last))
    redis.call('SET', KEYS[i], id, 'PX', window_ms)
  end
  out[i - 1], at = id, last + 1
end
return out
