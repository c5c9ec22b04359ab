-- Where the partition is, then the log time of each host's last sample, or empty.
-- ARGV: 1 window_ms, then each host
local at = place()
if not at then return {} end
local oldest = tonumber(at[6]) - tonumber(ARGV[1])
local found = { at }
for i = 2, #ARGV do
    local heard = redis.call('ZSCORE', KEYS[5], ARGV[i])
    found[#found + 1] = heard and tonumber(heard) >= oldest and heard or ''
end
return found
