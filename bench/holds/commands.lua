-- Fills a stream, on the server, so that a million entries take seconds.
--
-- KEYS  1 stream
-- ARGV  1 how many entries, 2 the type, 3 the body, 4 the number of the first
-- Returns the id of the last.

local last
for number = tonumber(ARGV[4]), tonumber(ARGV[4]) + tonumber(ARGV[1]) - 1 do
  last = redis.call('XADD', KEYS[1], '*', 'specversion', '1.0', 'id', 'evt_' .. number,
    'source', '/webhooks/bench', 'type', ARGV[2], 'data', ARGV[3], 'account', 'acc_1',
    'receivedat', '1791796448123', 'assurance', 'body', 'relayversion', '1')
end
return last
