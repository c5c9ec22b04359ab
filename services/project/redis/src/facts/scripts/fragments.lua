-- What lies on nodes, as many of them as there are until so many mounts were looked at.
-- ARGV: 2 mounts, then the nodes
if call('GET', KEYS[1]) ~= ARGV[1] then return { 'moved' } end
local at = mark()
if not at then return { 'empty' } end
local found, looked = { 'ok', at }, 0
for i = 3, #ARGV do
    local some = fragment(ARGV[i])
    found[#found + 1] = some
    looked = looked + #some / 2
    if looked > tonumber(ARGV[2]) then break end
end
return found
