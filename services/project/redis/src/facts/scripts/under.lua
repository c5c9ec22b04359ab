-- The nodes under a node: where it is true, the node's id, path and version, and unless that is known the nodes, itself first: of each the id, the
-- parent's, the name and the version of what lies on it.
local NODES_MAX = 20000
local version = call('HGET', UNDER, id) or '0'
if ARGV[2] == at[5] .. ':' .. id .. ':' .. version then return { 'ok', at, id, place, version } end
local nodes = {}
local function add(node, parent, name)
    local own = call('HGET', OWN, node) or '0'
    nodes[#nodes + 1] = node
    nodes[#nodes + 1] = parent
    nodes[#nodes + 1] = name
    nodes[#nodes + 1] = own
end
if id ~= '' then add(id, '', '') end
local level, depth = { id }, 0
while #level > 0 and depth < STEPS_MAX and place ~= '' do
    local below = {}
    for _, parent in ipairs(level) do
        for _, child in ipairs(call('ZRANGEBYLEX', CHILDREN, '[' .. parent .. '/', '(' .. parent .. '0')) do
            local node = string.sub(child, -16)
            add(node, parent, string.sub(child, #parent + 2, -18))
            below[#below + 1] = node
        end
        if #nodes > 4 * NODES_MAX then return { 'large' } end
    end
    level, depth = below, depth + 1
end
return { 'ok', at, id, place, version, nodes }
