-- Makes an empty generation, which is not read yet, in the place of one that was not finished.
-- KEYS: 1 main, 2 shadow, 3 at of the new one, then all keys that must not be there. ARGV: 1 main and 2 shadow as they were seen, empty for none,
-- 3 the new number, 4 log, 5 position
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] or (redis.call('GET', KEYS[2]) or '') ~= ARGV[2] then return 0 end
redis.call('UNLINK', unpack(KEYS, 4))
redis.call('HSET', KEYS[3], 'log', ARGV[4], 'position', ARGV[5], 'state', 'building', 'ended_ms', 0, 'filled', 0, 'entities', 0, 'version', 0)
redis.call('SET', KEYS[2], ARGV[3])
return 1
