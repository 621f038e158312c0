-- Writes rows of an endpoint's refusal log, and keeps the log within its bounds.
--
-- KEYS  1 stream of the log
--       2 hash of its books: "second" and "counts" (rows written in that second of the server, in
--         all and of each reason: "all=2 signature_missing=2"), "bytes" (of all rows together)
-- ARGV  1 how many bytes the log may have, 2 for how many ms a row is kept, 3 how many rows of one
--       reason may be written in a second, 4 how many of all reasons, but always one of each
--       then of each row: its reason, its size in bytes, its fields as MessagePack
-- Returns how many rows were written, and whether more has to go than went: then this is to be
-- called again, without rows; an error where the key is no stream, or the server is full.
-- Cost: one XADD for each row that is written; one XRANGE of one entry for each row that goes, and
-- one XDEL of all of them: at most 512 rows, and with the last of them more than 1 MiB.
--
-- The row is written first: a server that is full refuses it, and nothing has happened.

local stream, books = KEYS[1], KEYS[2]
local most_bytes, keep_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local per_reason, per_second = tonumber(ARGV[3]), tonumber(ARGV[4])
local MOST_GOING, MOST_GOING_BYTES = 512, 1024 * 1024

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local length = redis.call('XLEN', stream)
local said = redis.call('HMGET', books, 'second', 'counts', 'bytes')
local counts = { all = 0 }
if said[1] == time[1] then
  for name, count in string.gmatch(said[2] or '', '(%S+)=(%d+)') do counts[name] = tonumber(count) end
end
-- Where the books are lost the log counts as full, and mends that as its rows go.
local bytes = length > 0 and (tonumber(said[3]) or most_bytes) or 0

local written, problem = 0, nil
for i = 5, #ARGV, 3 do
  local reason = ARGV[i]
  local so_far = counts[reason] or 0
  if so_far == 0 or (so_far < per_reason and counts.all < per_second) then
    local id = redis.pcall('XADD', stream, '*', unpack(cmsgpack.unpack(ARGV[i + 2])))
    if type(id) == 'table' and id.err then
      problem = id
      break
    end
    counts[reason], counts.all = so_far + 1, counts.all + 1
    bytes, written = bytes + tonumber(ARGV[i + 1]), written + 1
  end
end
if problem and written == 0 then return problem end

-- What goes is read row by row, since one may be long, and taken out at one stroke.
local going, going_bytes, after, has_more = {}, 0, '-', 0
while true do
  local oldest = redis.call('XRANGE', stream, after, '+', 'COUNT', 1)[1]
  if not oldest then
    bytes = 0
    break
  end
  local is_old = tonumber(string.match(oldest[1], '^%d+')) <= now - keep_ms
  if not is_old and bytes <= most_bytes then break end
  if #going == MOST_GOING or going_bytes > MOST_GOING_BYTES then
    has_more = 1
    break
  end
  local size = oldest[2][1] == 'size' and tonumber(oldest[2][2]) or 0
  going[#going + 1], after = oldest[1], '(' .. oldest[1]
  bytes, going_bytes = math.max(0, bytes - size), going_bytes + size
end
if #going > 0 then redis.call('XDEL', stream, unpack(going)) end

local told = {}
for name, count in pairs(counts) do told[#told + 1] = name .. '=' .. count end
redis.call('HSET', books, 'second', time[1], 'counts', table.concat(told, ' '), 'bytes', bytes)
-- When the last row is too old, all are.
redis.call('PEXPIRE', books, keep_ms)
if written > 0 then redis.call('PEXPIRE', stream, keep_ms) end
return { written, has_more }
