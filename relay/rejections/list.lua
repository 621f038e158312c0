-- Reads rows of an endpoint's refusal log, the newest first.
--
-- KEYS  1 stream of the log
-- ARGV  1 the newest id that is meant, as XREVRANGE takes it ("+", "(<id>" for what is older)
--       2 how many entries are looked at, at most 8
--       3 for how many ms a row is kept: what is older is not there
--       4 the id of the answer that is meant, or nothing for any
--       5 "1" to have the bodies too
-- Returns the id of the last entry that was looked at, nothing where there are no more; then of
-- each row that is meant its id, and its fields and values in one list.
-- Cost: one XREVRANGE of so many entries, each of which may have 256 KiB; nothing is written.

local stream, newest, most, keep_ms, wanted, whole =
  KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5] == '1'

local time = redis.call('TIME')
local since = time[1] * 1000 + math.floor(time[2] / 1000) - keep_ms
local entries = redis.call(
  'XREVRANGE', stream, newest, string.format('%.0f', math.max(0, since)), 'COUNT', most)

local answer = { #entries == most and entries[most][1] or '' }
for _, entry in ipairs(entries) do
  local fields, kept, asked = entry[2], {}, nil
  for i = 1, #fields, 2 do
    if fields[i] == 'requestid' then asked = fields[i + 1] end
    if whole or fields[i] ~= 'body' then
      kept[#kept + 1], kept[#kept + 2] = fields[i], fields[i + 1]
    end
  end
  if wanted == '' or wanted == asked then
    answer[#answer + 1] = { entry[1], kept }
  end
end
return answer
