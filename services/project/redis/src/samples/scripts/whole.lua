-- What a partition says of itself: log, position, state, ended_ms, filled, newest_ms. Nothing when it has no position, or when it does not hold
-- what it says: then somebody else has deleted part of it.
-- KEYS: 1 at, 2 values, 3 times, 4 names, 5 hosts
local function place()
    local at = redis.call('HMGET', KEYS[1], 'log', 'position', 'state', 'ended_ms', 'filled', 'newest_ms', 'series', 'hosts')
    local series, hosts = tonumber(at[7]), tonumber(at[8])
    if redis.call('HLEN', KEYS[2]) ~= series or redis.call('ZCARD', KEYS[3]) ~= series or redis.call('ZCARD', KEYS[4]) ~= series
        or redis.call('ZCARD', KEYS[5]) ~= hosts then
        return nil
    end
    return { at[1], at[2], at[3], at[4], at[5], at[6] }
end
