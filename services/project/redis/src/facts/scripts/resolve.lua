-- ARGV: 2 what is known already, then `id` and the id, or `path` and its names
if call('GET', KEYS[1]) ~= ARGV[1] then return { 'moved' } end
local at = mark()
if not at then return { 'empty' } end

-- The path of a node; nothing while an ancestor is missing, or they go in a circle.
local function path(id)
    local names = {}
    for _ = 1, STEPS_MAX do
        local edge = call('HGET', EDGES, id)
        if not edge then return nil end
        local parent, name = string.match(edge, '^(.-)/(.*)$')
        table.insert(names, 1, name)
        if parent == '' then return '/' .. table.concat(names, '/') end
        id = parent
    end
    return nil
end

-- The node that is meant, empty for `/`; nothing when there is none.
local function resolve()
    if ARGV[3] == 'id' then return call('HEXISTS', EDGES, ARGV[4]) == 1 and ARGV[4] or nil end
    local id = ''
    for i = 4, #ARGV do
        local edge = id .. '/' .. ARGV[i]
        local first = call('ZRANGEBYLEX', CHILDREN, '[' .. edge .. '/', '(' .. edge .. '0', 'LIMIT', 0, 1)[1]
        if not first then return nil end
        id = string.sub(first, -16)
    end
    return id
end

local id = resolve()
if not id then return { 'ok', at } end
local place = id == '' and '/' or path(id) or ''
