-- Drops the oldest entries of a stream that is longer than it may be, a step at a time.
--
-- KEYS  1 stream
-- ARGV  1 how many bytes it may have, as MEMORY USAGE counts them
-- Returns how many entries went that every group had settled, and how many that some had not; two
-- zeros end the steps.
-- Cost: one MEMORY USAGE, XREVRANGE of one entry, and what oldest.lua says.
--
-- Looked at within the step, so that of several gateways that see the same stream only one drops.

local stream, keep_bytes = KEYS[1], tonumber(ARGV[1])

local function bytes_of(entry)
  local size = 0
  for _, text in ipairs(entry and entry[2] or {}) do size = size + #text end
  return size
end

-- What groups have pending counts too, and stays when its entries go: where that is most of it,
-- dropping would empty the stream and gain nothing.
local function entries_matter(length)
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  return length * (bytes_of(first) + bytes_of(last)) / 2 > keep_bytes / 2
end

local length = redis.call('XLEN', stream)
local size = length > 0 and redis.call('MEMORY', 'USAGE', stream) or 0
if size <= keep_bytes or not entries_matter(length) then return { 0, 0 } end
local most = math.max(1, math.min(MOST, math.ceil((1 - keep_bytes / size) * length)))
return { make_drop_oldest()(stream, length - most, most) }
