-- Writes a batch of whole commands.
-- ARGV: 1 generation, 2 log, 3 from, 4 to, 5 state, 6 ended_ms or empty, 7 `1` when it gives up, then the changes: a letter and its fields
if call('GET', KEYS[1]) ~= ARGV[1] then return 2 end
local at, version = mark()
if not at or at[1] ~= ARGV[2] or at[2] ~= ARGV[3] then return 0 end
if at[6] ~= '' and ARGV[7] ~= '1' then return 0 end
version = string.format('%.0f', version + 1)

-- A new version for what is under a node and everything above it; below nodes that have it already nothing is to be done, until one is moved.
local touched = {}
local function touch_under(id)
    for _ = 1, STEPS_MAX do
        if touched[id] then return end
        local edge = call('HGET', EDGES, id)
        if not edge then break end
        touched[id] = true
        call('HSET', UNDER, id, version)
        id = string.match(edge, '^(.-)/')
        if id == '' then break end
    end
    call('HSET', UNDER, '', version)
end

-- The same, and for what lies on the node itself. One that does not exist has no version: nobody keeps an answer about it.
local function touch(id)
    if call('HEXISTS', EDGES, id) == 1 then call('HSET', OWN, id, version) end
    touch_under(id)
end

local function touch_server(id)
    for _, place in ipairs(call('ZRANGEBYLEX', PLACES, '[' .. id .. '.', '(' .. id .. '/')) do touch(string.sub(place, -16)) end
end

local i = 8
local function field()
    i = i + 1
    return ARGV[i - 1]
end

local change = {
    N = function()
        local id, edge, json = field(), field(), field()
        local before = call('HGET', EDGES, id)
        if before ~= edge then
            -- the old place changes as well as the new one
            if before then
                touch_under(id)
                call('ZREM', CHILDREN, before .. '/' .. id)
            end
            touched = {}
            call('HSET', EDGES, id, edge)
            call('ZADD', CHILDREN, 0, edge .. '/' .. id)
        end
        call('HSET', NODE, id, json)
        touch(id)
    end,
    n = function()
        local id = field()
        local before = call('HGET', EDGES, id)
        if not before then return end
        touch_under(id)
        touched = {}
        call('ZREM', CHILDREN, before .. '/' .. id)
        for _, key in ipairs({ EDGES, NODE, OWN, UNDER }) do call('HDEL', key, id) end
    end,
    S = function()
        local id, json = field(), field()
        call('HSET', SERVER, id, json)
        touch_server(id)
    end,
    s = function()
        local id = field()
        call('HDEL', SERVER, id)
        touch_server(id)
    end,
    M = function()
        local node, server, json = field(), field(), field()
        call('HSET', MOUNT, node .. '.' .. server, json)
        call('ZADD', MOUNTS, 0, node .. '.' .. server)
        call('ZADD', PLACES, 0, server .. '.' .. node)
        touch(node)
    end,
    m = function()
        local node, server = field(), field()
        call('HDEL', MOUNT, node .. '.' .. server)
        call('ZREM', MOUNTS, node .. '.' .. server)
        call('ZREM', PLACES, server .. '.' .. node)
        touch(node)
    end,
    X = function()
        local key, json = field(), field()
        call('HSET', OTHERS, key, json)
    end,
    x = function() call('HDEL', OTHERS, field()) end,
}
while i <= #ARGV do change[field()]() end

call('HSET', KEYS[2], 'position', ARGV[4], 'state', ARGV[5], 'entities', count(), 'version', version)
if ARGV[6] ~= '' then call('HSET', KEYS[2], 'ended_ms', ARGV[6]) end
if at[6] ~= '' then call('HDEL', KEYS[2], 'asked') end
return 1
