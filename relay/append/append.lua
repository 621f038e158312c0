-- Appends a batch of events of one tag, each unless its identity is known already.
--
-- Part five of five of the append script, after index.lua, streams.lua, oldest.lua and caps.lua. A
-- route is what many events of a batch have in common.
--
-- KEYS  1    hash of the tag's streams: type -> "<number> <first entry id>"
--       2    the tag's stream "unidentified"
--       3..  of each route in turn: its stream, and the book of its dedupe index
-- ARGV  1    how many routes there are
--       2..  of each route in turn: type, half a window in ms, how many types the tag may have,
--            "1" if the event may register a new type, and the limits of the stream and of
--            "unidentified" (caps.lua), empty where neither has one
--       last the events as MessagePack: of each the number of its route, its identity (16 bytes),
--            the fingerprint of its body (4 bytes), and the names and values of its entry: the
--            gateway writes one text far faster than so many arguments.
--
-- Returns one string per event, and then one per stream of which the oldest entries were dropped:
--       "A <entry id>[ <type>]"  appended; the type, if its stream was registered by this
--       "U <entry id>[ <type>]"  the same, into "unidentified", since there are too many types
--       "D <entry id>"           known: the first entry's id
--       "C <entry id>"           known, but the first time with another body
--       "F <type>"               not stored: the stream of this type is full
--       "E <message>"            not stored, and nothing remembered
--       "X <type> <n> <m>"       dropped: so many that all its groups had settled, and others
--
-- Cost: per event that is new one XADD, and besides what the other parts say.
--
-- Each command runs by pcall: a key of the wrong type must fail its own event alone. The entry is
-- written before the mark: if anything stops the script between the two, the sender's retry makes
-- a second entry; the other way round it would be taken for a duplicate of nothing. For the same
-- reason nothing at all is written before the first entry of a batch.

local function add(stream, route, into, fields)
  if into == route.name then return call('XADD', stream, '*', unpack(fields)) end
  for i = 1, #fields, 2 do
    if fields[i] == 'type' then fields[i + 1] = into end
  end
  return call('XADD', stream, '*', 'originaltype', route.name, unpack(fields))
end

local function append(route, identity, fingerprint, fields)
  local book, search = route.book, route.search
  if book.problem then return 'E ' .. book.problem end
  local answer, bucket = look_up(search, identity, judge, route, fingerprint)
  if answer then return answer end
  local into, stream = route.at_home, route.stream
  if not into then
    into, stream = home_of(route)
    if not into then return 'E ' .. stream end
  end
  if route.limits then
    local full, problem = is_full(route, into, stream)
    if full == nil then return 'E ' .. problem end
    if full then return 'F ' .. into end
  end
  local id = add(stream, route, into, fields)
  if failed(id) then return 'E ' .. id.err end
  local length = lengths[stream]
  if length then lengths[stream], added[stream] = length + 1, added[stream] + 1 end
  local news = ''
  if not in_books[into] then
    register(into, id)
    news = ' ' .. into
  end
  remember(book, search, bucket, identity, fingerprint, letters_of[into] or '', id)
  return (into == route.name and 'A ' or 'U ') .. id .. news
end

local books, routes, at = {}, {}, 2
for i = 1, tonumber(ARGV[1] or 0) do
  local key = KEYS[2 + 2 * i]
  books[key] = books[key] or open_book(key)
  local book, present = books[key], present_slice(books[key], tonumber(ARGV[at + 1]))
  book.searches[present] = book.searches[present]
    or { present = present, names = {}, sizes = {}, slices = {} }
  routes[i] = {
    name = ARGV[at], stream = KEYS[1 + 2 * i], book = book, search = book.searches[present],
    max_types = tonumber(ARGV[at + 2]), may_register = ARGV[at + 3] == '1',
    limits = read_limits(ARGV[at + 4]),
  }
  at = at + 5
end
-- Only now does each book have every slice that this call may write.
for _, book in pairs(books) do
  for _, search in pairs(book.searches) do lay_out(search, book) end
end

local answers = {}
for i, event in ipairs(ARGV[at] and cmsgpack.unpack(ARGV[at]) or {}) do
  answers[i] = append(routes[event[1]], event[2], event[3], event[4])
end
for _, book in pairs(books) do close_book(book) end
make_room(answers)
return answers
