-- Drops the oldest entries of a stream that is longer than it may be, a step at a time.
--
-- KEYS  1 stream
-- ARGV  1 how many bytes it may have, as MEMORY USAGE counts them
-- Returns its bytes before the step, and how many entries went that every group had settled, and
-- that some had not; two zeros where it is short enough, which ends the steps.
-- Cost: one MEMORY USAGE, and what oldest.lua says.
--
-- Looked at within the step, so that of several gateways that see the same stream only one drops.

local stream, keep_bytes = KEYS[1], tonumber(ARGV[1])
local size = redis.call('MEMORY', 'USAGE', stream) or 0
if size <= keep_bytes then return { size, 0, 0 } end
local length = redis.call('XLEN', stream)
if length == 0 then return { size, 0, 0 } end
local most = math.max(1, math.min(MOST, math.ceil((1 - keep_bytes / size) * length)))
local settled, unsettled = drop_oldest(stream, length - most, most)
return { size, settled, unsettled }
