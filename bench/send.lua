-- Sends the requests of one file (bench/deliveries.py), each once, in order.
--
-- Args    1  the file
--         2  how many of its requests were sent before
--
-- Prints  one line "RESULT {…}" at the end: what was answered, and how many requests were taken
--         from the file (wrk takes one more at its start to look at, which it does not send).
--
-- Cost: three substrings and one concatenation per request.

local pieces, records = {}, ''
local record_bytes, endpoint_bytes, count, at = 0, 0, 0, 0
local first, second, third, fourth, last
local sub = string.sub

-- Read by done() through thread:get.
calls, wrapped = 0, 0

function init(args)
  local file = assert(io.open(args[1], 'rb'))
  local head = file:read('*l')
  local numbers = {}
  for number in string.gmatch(head, ' (%d+)') do numbers[#numbers + 1] = tonumber(number) end
  endpoint_bytes, count = numbers[1], numbers[2]
  for i = 3, #numbers do pieces[i - 2] = numbers[i] > 0 and file:read(numbers[i]) or '' end
  records = file:read('*a')
  file:close()
  record_bytes = endpoint_bytes + 94
  assert(#records == record_bytes * count, 'the file of deliveries is cut short')
  first, second, third, fourth, last = unpack(pieces)
  at = tonumber(args[2])
end

function request()
  if at >= count then at, wrapped = 0, wrapped + 1 end
  local start = at * record_bytes
  local endpoint = sub(records, start + 1, start + endpoint_bytes)
  local signature = sub(records, start + endpoint_bytes + 1, start + endpoint_bytes + 64)
  local id = sub(records, start + endpoint_bytes + 65, start + record_bytes)
  at, calls = at + 1, calls + 1
  return first .. endpoint .. second .. signature .. third .. id .. fourth .. id .. last
end

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"calls":%d,"wrapped":%d,"answers":%d,"refused":%d,"broken":%d,"duration_us":%d,' ..
    '"p50_us":%d,"p99_us":%d,"p999_us":%d}\n',
    threads[1]:get('calls'), threads[1]:get('wrapped'), summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
