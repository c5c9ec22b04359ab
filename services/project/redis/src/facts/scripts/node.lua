-- What lies on a node: where it is true, the node's id, path and version, and unless that is known a fragment.
local version = call('HGET', OWN, id) or '0'
if ARGV[2] == at[5] .. ':' .. id .. ':' .. version then return { 'ok', at, id, place, version } end
return { 'ok', at, id, place, version, fragment(id) }
