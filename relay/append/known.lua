-- Says which of some events a tag knows, by the text with which they are appended.
--
-- Part three of three, after index.lua and streams.lua: what the gateway would call a duplicate is
-- known here, and nothing else is. What proved nothing is remembered together with its body, so by an
-- id alone nothing is known of it. This script writes nothing.
--
-- KEYS  1    hash of the tag's streams: type -> "<number> <first entry id>"
--       2    the tag's stream "unidentified"
--       3    the book of the dedupe index
-- ARGV  1    half a window in ms
--       2..  of each event in turn: its type, and its identity (16 bytes)
--
-- Returns of each event one string:
--       "K <entry id>"   known
--       "E <message>"    what is there cannot be read
--       ""               not known
--
-- Cost: one HGETALL; per event what index.lua says of a look-up, and what streams.lua says of a
-- known id.

local half, answers = tonumber(ARGV[1]), {}
local book = open_book(KEYS[3])
if not book.problem then
  book.search = { present = present_slice(book, half), names = {}, sizes = {}, slices = {} }
  lay_out(book.search, book)
end

local function ask(route, identity)
  if book.problem then return 'E ' .. book.problem end
  -- The second value is where a mark would go.
  local answer = look_up(book.search, identity, judge, route, '') or ''
  local code = sub(answer, 1, 1)
  return (code == 'D' or code == 'C') and 'K ' .. sub(answer, 3) or answer
end

for i = 2, #ARGV, 2 do
  answers[i / 2] = ask({ name = ARGV[i], stream = stem .. ARGV[i] }, ARGV[i + 1])
end
return answers
