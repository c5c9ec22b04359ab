-- Empties a partition and puts it somewhere, `building`.
-- ARGV: 1 the log and 2 the position that were seen, both empty for none, 3 log, 4 position, 5 the time, which counts fillings
local at = place()
if ARGV[1] == '' then
    if at then return 0 end
elseif not at or at[1] ~= ARGV[1] or at[2] ~= ARGV[2] then
    return 0
end
local before = tonumber(redis.call('HGET', KEYS[1], 'filled') or 0)
redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', KEYS[1], 'log', ARGV[3], 'position', ARGV[4], 'state', 'building', 'ended_ms', 0,
    'filled', string.format('%.0f', math.max(before + 1, tonumber(ARGV[5]))), 'newest_ms', 0, 'series', 0, 'hosts', 0)
return 1
