-- Puts the shadow in the main generation's place.
-- KEYS: 1 to 12 the shadow, 13 main, then the main generation as it was seen, its `at` first.
-- ARGV: 1 the shadow's number, 2 main as it was seen, empty for none, 3 log, 4 position, 5 ended_ms, 6 the time, which counts fillings
if call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if (call('GET', KEYS[13]) or '') ~= ARGV[2] then return 2 end
local at = mark()
if not at or at[1] ~= ARGV[3] or at[2] ~= ARGV[4] then return 0 end
local filled = tonumber(ARGV[6])
if #KEYS > 13 then
    filled = math.max(filled, tonumber(call('HGET', KEYS[14], 'filled') or 0) + 1)
    call('UNLINK', unpack(KEYS, 14))
end
call('HSET', KEYS[2], 'state', 'live', 'ended_ms', ARGV[5], 'filled', string.format('%.0f', filled))
call('SET', KEYS[13], ARGV[1])
call('DEL', KEYS[1])
return 1
