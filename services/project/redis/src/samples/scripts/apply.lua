-- Writes a step. Values begin with their instant and the log time of their record, 13 digits each, so they compare as texts.
-- ARGV: 1 log, 2 from, 3 to, 4 state, 5 ended_ms or empty, 6 newest_ms, 7 window_ms, 8 how much may be removed, 9 how many series,
-- then each series and its value, then each host and its time
local at = place()
if not at or at[1] ~= ARGV[1] or at[2] ~= ARGV[2] then return 0 end
local newest = math.max(tonumber(at[6]), tonumber(ARGV[6]))
local oldest = math.max(newest - tonumber(ARGV[7]), 0)
local oldest_text = string.format('%013.0f', oldest)
local values, times, names, hosts = KEYS[2], KEYS[3], KEYS[4], KEYS[5]

local last = 9 + 2 * tonumber(ARGV[9])
for i = 10, last, 2 do
    local series, new = ARGV[i], ARGV[i + 1]
    local log_ms = string.sub(new, 14, 26)
    if log_ms >= oldest_text then
        local before = redis.call('HGET', values, series)
        if not before then redis.call('ZADD', names, 0, series) end
        if not before or string.sub(new, 1, 13) > string.sub(before, 1, 13) or string.sub(before, 14, 26) < oldest_text then
            redis.call('HSET', values, series, new)
            redis.call('ZADD', times, log_ms, series)
        end
    end
end
for i = last + 1, #ARGV, 2 do
    if tonumber(ARGV[i + 1]) >= oldest then redis.call('ZADD', hosts, 'GT', ARGV[i + 1], ARGV[i]) end
end

local old = redis.call('ZRANGEBYSCORE', times, '-inf', '(' .. string.format('%.0f', oldest), 'LIMIT', 0, ARGV[8])
if #old > 0 then
    redis.call('HDEL', values, unpack(old))
    redis.call('ZREM', times, unpack(old))
    redis.call('ZREM', names, unpack(old))
end
old = redis.call('ZRANGEBYSCORE', hosts, '-inf', '(' .. string.format('%.0f', oldest), 'LIMIT', 0, ARGV[8])
if #old > 0 then redis.call('ZREM', hosts, unpack(old)) end

redis.call('HSET', KEYS[1], 'position', ARGV[3], 'state', ARGV[4], 'newest_ms', string.format('%.0f', newest),
    'series', redis.call('HLEN', values), 'hosts', redis.call('ZCARD', hosts))
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'ended_ms', ARGV[5]) end
return 1
