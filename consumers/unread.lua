-- Counts what a group has yet to read, as far as that is cheap.
--
-- KEYS  1 stream
-- ARGV  1 group, 2 the id behind which to count on, "" to begin, 3 how many at most,
--       4 how many bytes to look at, at most
-- Returns 1 how many, 2 the id behind which to count on, "" where that was all.
-- Cost: one XINFO GROUPS. Where the server has not counted (before 7.0, or a group that began in
-- the middle) one XRANGE of one entry for each, up to both bounds: a body may be 10 MiB long.

local LAST_ID = '18446744073709551615-18446744073709551615'

local after = ARGV[2]
if after == '' then
  local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
  local group = {}
  for _, flat in ipairs(groups.err and {} or groups) do
    local found = {}
    for i = 1, #flat, 2 do found[flat[i]] = flat[i + 1] end
    if found['name'] == ARGV[1] then group = found end
  end
  after = group['last-delivered-id']
  -- Behind the last possible id nothing can stand, and a server refuses to look there.
  if not after or after == LAST_ID or #redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', 1) == 0 then
    return { 0, '' }
  end
  if group['lag'] then return { group['lag'], '' } end
end

local count, bytes = 0, 0
while after ~= LAST_ID and count < tonumber(ARGV[3]) and bytes < tonumber(ARGV[4]) do
  local entry = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', 1)[1]
  if not entry then return { count, '' } end
  after, count = entry[1], count + 1
  for _, part in ipairs(entry[2]) do bytes = bytes + #part end
end
return { count, after ~= LAST_ID and after or '' }
