-- Asks for the generation to be filled anew.
if call('GET', KEYS[1]) ~= ARGV[1] then return 2 end
if call('EXISTS', KEYS[2]) == 0 then return 0 end
call('HSET', KEYS[2], 'asked', '1')
return 1
