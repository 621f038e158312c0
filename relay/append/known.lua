-- Says which of some events a tag knows, by the text with which they are appended.
--
-- Part three of three, after index.lua and streams.lua: what the gateway would call a duplicate is
-- known here, and nothing else is. This script writes nothing.
--
-- KEYS  1    hash of the tag's streams: type -> "<number> <first entry id>"
--       2    the tag's stream "unidentified"
--       3    the book of the dedupe index
--       4    the book of the same of events of which nothing was proved
-- ARGV  1    half a window in ms
--       2..  of each event in turn: its type, and its identity (16 bytes)
--
-- Returns of each event one string:
--       "K <entry id>"   known
--       "N <entry id>"   known only as one of which nothing was proved
--       "E <message>"    what is there cannot be read
--       ""               not known
--
-- Cost: one HGETALL for each book; per event what index.lua says of a look-up, twice where it is
-- not known, and what streams.lua says of a known id.

local half, answers = tonumber(ARGV[1]), {}

local function opened(key)
  local book = open_book(key)
  if book.problem then return book end
  book.search = { present = present_slice(book, half), names = {}, sizes = {}, slices = {} }
  lay_out(book.search, book)
  return book
end

local proved, unproved = opened(KEYS[3]), opened(KEYS[4])

local function ask(book, route, identity)
  if book.problem then return 'E ' .. book.problem end
  -- The second value is where a mark would go.
  local answer = look_up(book.search, identity, judge, route, '')
  return answer or ''
end

local function is_known(answer)
  local code = sub(answer, 1, 1)
  return code == 'D' or code == 'C'
end

for i = 2, #ARGV, 2 do
  local route = { name = ARGV[i], stream = stem .. ARGV[i] }
  local answer = ask(proved, route, ARGV[i + 1])
  if is_known(answer) then
    answer = 'K ' .. sub(answer, 3)
  else
    local other = ask(unproved, route, ARGV[i + 1])
    if is_known(other) then
      answer = 'N ' .. sub(other, 3)
    elseif answer == '' then
      answer = other
    end
  end
  answers[i / 2] = answer
end
return answers
