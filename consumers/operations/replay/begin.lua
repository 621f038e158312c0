-- Begins the book of a replay in one tag, in the place of a former one.
--
-- Part two of two, after member.lua.
--
-- KEYS  1 the book
-- ARGV  1 the run, 2 the run whose book it may replace, "" where there must be none, 3 how long
--       it is kept, in ms, then fields and their values
-- Returns "begun", also where it had been, by a call whose answer was lost; or "other" where the
-- book is another run's, and nothing is written.
-- Cost: one HGET, DEL and PEXPIRE, and a HSET for each field, of which there is one for each type.
--
-- DEL comes first because a full server accepts it, and once a script has written, the rest of it
-- passes.

local problem = wrong_type({ 'hash' })
if problem then return problem end

local run = redis.call('HGET', KEYS[1], '@run') or ''
if run == ARGV[1] then return 'begun' end
if run ~= ARGV[2] then return 'other' end

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], '@run', ARGV[1])
for i = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 'begun'
