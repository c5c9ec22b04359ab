-- Values of series by name: where the partition is, the last series that was looked at or nothing, then each series and its value.
-- ARGV: 1 from and 2 to where, as `ZRANGEBYLEX` has it, 3 how many are looked at, 4 window_ms, 5 where in a series its tags begin, then each tag
-- as it is found among commas
local at = place()
if not at then return {} end
local oldest = string.format('%013.0f', math.max(tonumber(at[6]) - tonumber(ARGV[4]), 0))
local names = redis.call('ZRANGEBYLEX', KEYS[4], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
local found = { at, #names == tonumber(ARGV[3]) and names[#names] or '' }
for _, series in ipairs(names) do
    local tags = ',' .. string.sub(series, tonumber(ARGV[5]), -2) .. ','
    local fits = true
    for i = 6, #ARGV do
        if not string.find(tags, ARGV[i], 1, true) then
            fits = false
            break
        end
    end
    if fits then
        local value = redis.call('HGET', KEYS[2], series)
        if value and string.sub(value, 14, 26) >= oldest then
            found[#found + 1] = series
            found[#found + 1] = value
        end
    end
end
return found
