-- Reads new entries of several streams, so many in all.
--
-- KEYS  streams, in the order in which they are asked
-- ARGV  1 group, 2 consumer, 3 how many entries at most
-- Returns a list: for each stream that had any, its place among KEYS, and its entries as in
-- XREADGROUP's reply. Fails where the first stream that cannot be read comes before any entry.
-- Cost: one XREADGROUP for each stream, and another for each that had an entry.
--
-- The server's own COUNT is for each stream. Every stream gives one entry before any gives more.

local left = tonumber(ARGV[3])
local given = {}

local function read(i, count)
  local reply = redis.pcall('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', count,
    'STREAMS', KEYS[i], '>')
  if not reply then return {} end
  if reply.err then return reply end
  left = left - #reply[1][2]
  return reply[1][2]
end

for i = 1, #KEYS do
  if left <= 0 then break end
  local entries = read(i, 1)
  if entries.err then
    -- What was read must be heard of; the next read meets the error again.
    if #given == 0 then return redis.error_reply(entries.err) end
    break
  end
  if #entries > 0 then given[#given + 1] = { i, entries } end
end
local all = {}
for _, one in ipairs(given) do
  all[#all + 1] = one
  if left > 0 then
    local more = read(one[1], left)
    if not more.err and #more > 0 then all[#all + 1] = { one[1], more } end
  end
end
return all
