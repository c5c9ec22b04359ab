-- KEYS: 1 which generation it should be, then that generation: 2 at, 3 node, 4 server, 5 mount, 6 others, 7 edges, 8 children, 9 mounts,
-- 10 places, 11 own, 12 under. ARGV: 1 its number
local call = redis.call
local NODE, SERVER, MOUNT, OTHERS, EDGES, CHILDREN, MOUNTS, PLACES, OWN, UNDER =
    KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]

-- No path is longer, nor any walk: compacted facts may pass through circles.
local STEPS_MAX = 64

local function count()
    return call('HLEN', NODE) + call('HLEN', SERVER) + call('HLEN', MOUNT) + call('HLEN', OTHERS)
end

-- What the generation says of itself: log, position, state, ended_ms, filled, asked. Nothing when it does not hold what it says, or its indexes
-- do not fit: then somebody else has deleted part of it.
local function mark()
    local at = call('HMGET', KEYS[2], 'log', 'position', 'state', 'ended_ms', 'filled', 'asked', 'entities', 'version')
    if not at[1] or count() ~= tonumber(at[7]) then return nil end
    local nodes, mounts = call('HLEN', NODE), call('HLEN', MOUNT)
    if call('HLEN', EDGES) ~= nodes or call('ZCARD', CHILDREN) ~= nodes or call('HLEN', OWN) ~= nodes
        or call('HLEN', UNDER) < nodes or call('ZCARD', MOUNTS) ~= mounts or call('ZCARD', PLACES) ~= mounts then
        return nil
    end
    return { at[1], at[2], at[3], at[4], at[5], at[6] or '' }, tonumber(at[8])
end
