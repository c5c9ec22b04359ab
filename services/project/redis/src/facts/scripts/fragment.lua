-- What lies on a node: its id and version, then each mount and its server, which may not be there.
local AT_ONCE = 1000
local function fragment(id)
    local found = { id, call('HGET', OWN, id) or '0' }
    local mounts = call('ZRANGEBYLEX', MOUNTS, '[' .. id .. '.', '(' .. id .. '/')
    for first = 1, #mounts, AT_ONCE do
        local last = math.min(first + AT_ONCE - 1, #mounts)
        local servers = {}
        for i = first, last do servers[#servers + 1] = string.sub(mounts[i], -16) end
        local jsons = call('HMGET', MOUNT, unpack(mounts, first, last))
        local of_servers = call('HMGET', SERVER, unpack(servers))
        for i = 1, #servers do
            found[#found + 1] = jsons[i] or ''
            found[#found + 1] = of_servers[i] or ''
        end
    end
    return found
end
