-- Writes something, so that waiting for replicas has something of this connection's to wait for.
--
-- KEYS  1  the fence
-- ARGV  1  how long it is kept, in ms
--
-- Returns OK.
--
-- Cost: two commands on one short string.
--
-- Deleting comes first, since a server that is full refuses SET as a script's first write and lets
-- it pass as the second; what else may have stood there is of no use to anybody.

redis.call('DEL', KEYS[1])
return redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
