-- Sends the requests of one file (bench/deliveries.py), each once, in order.
--
-- Args    1  the file
--         2  how many of its requests were sent before
--
-- Prints  one line "RESULT {…}" at the end: what was answered, and how many requests were taken
--         from the file (wrk takes one more at its start to look at, which it does not send).
--
-- Cost: three substrings and one concatenation per request, whatever its sender.

-- The text of a request, with what differs in between.
local parts, records = {}, ''
-- Where in it endpoint, signature and id belong.
local places = { e = {}, s = {}, i = {} }
local record_bytes, endpoint_bytes, signature_bytes, count, at = 0, 0, 0, 0, 0
local sub, concat = string.sub, table.concat

-- Read by done() through thread:get.
calls, wrapped = 0, 0

function init(args)
  local file = assert(io.open(args[1], 'rb'))
  local head = file:read('*l')
  local numbers = {}
  for number in string.gmatch(head, ' (%d+)') do numbers[#numbers + 1] = tonumber(number) end
  endpoint_bytes, signature_bytes, count = numbers[1], numbers[2], numbers[3]
  for i = 4, #numbers do
    parts[2 * (i - 3) - 1] = numbers[i] > 0 and file:read(numbers[i]) or ''
  end
  local number = 0
  for letter in string.gmatch(string.match(head, ' (%a+)'), '%a') do
    number = number + 1
    table.insert(places[letter], 2 * number)
    parts[2 * number] = ''
  end
  records = file:read('*a')
  file:close()
  record_bytes = endpoint_bytes + signature_bytes + 30
  assert(#records == record_bytes * count, 'the file of deliveries is cut short')
  at = tonumber(args[2])
end

local function put(letter, text)
  local at_places = places[letter]
  for i = 1, #at_places do parts[at_places[i]] = text end
end

function request()
  if at >= count then at, wrapped = 0, wrapped + 1 end
  local start = at * record_bytes
  local signed_from = start + endpoint_bytes
  local id_from = signed_from + signature_bytes
  put('e', sub(records, start + 1, signed_from))
  put('s', sub(records, signed_from + 1, id_from))
  put('i', sub(records, id_from + 1, start + record_bytes))
  at, calls = at + 1, calls + 1
  return concat(parts)
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
