-- Fills a stream, on the server, so that a million entries take seconds.
--
-- KEYS  1 stream
-- ARGV  1 how many entries, 2 the type, 3 the body, 4 the number of the first, 5 why they are dead
--       letters, "" where they are none
-- Returns the id of the last.

local last
for number = tonumber(ARGV[4]), tonumber(ARGV[4]) + tonumber(ARGV[1]) - 1 do
  local fields = { 'specversion', '1.0', 'id', 'evt_' .. number, 'source', '/webhooks/bench',
    'type', ARGV[2], 'datacontenttype', 'application/json', 'account', 'acc_' .. number % 100,
    'headers', '{"content-type":"application/json","user-agent":"bench/' .. number .. '"}',
    'receivedat', '1791796448123', 'assurance', 'body', 'relayversion', '1', 'data', ARGV[3] }
  if ARGV[5] ~= '' then
    local added = { 'entryid', number .. '-0', 'reason', ARGV[5], 'attempts', '8',
      'lasterror', 'TimeoutError: no answer to request ' .. number .. ' within 30 s',
      'firsterror', 'TimeoutError: no answer to request ' .. number .. ' within 30 s' }
    for _, part in ipairs(added) do fields[#fields + 1] = part end
  end
  last = redis.call('XADD', KEYS[1], '*', unpack(fields))
end
return last
