-- How far the generation is.
if call('GET', KEYS[1]) ~= ARGV[1] then return { 'moved' } end
local at = mark()
if not at then return { 'empty' } end
return { 'ok', at }
