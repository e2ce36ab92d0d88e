-- Counts attempts of a key within a sliding span, on the server's clock.
-- KEYS: the times of the latest attempts, newest first.
-- ARGV: the action, the limit, the span in ms, how many attempts are under way.
-- Answers the ms until another attempt is welcome; 0 for now.
local made = KEYS[1]
local action = ARGV[1]
local limit, span_ms, running = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

if action == 'forget' then
  redis.call('DEL', made)
  return 0
end
if action == 'note' then
  redis.call('LPUSH', made, string.format('%d', now_ms))
  redis.call('LTRIM', made, 0, limit - 1)
  redis.call('PEXPIRE', made, span_ms)
  return 0
end
local count, oldest_ms = 0, now_ms
for _, text in ipairs(redis.call('LRANGE', made, 0, -1)) do
  local at_ms = tonumber(text)
  if at_ms > now_ms - span_ms then
    count, oldest_ms = count + 1, at_ms
  end
end
if count + running < limit then
  return 0
end
return count > 0 and oldest_ms + span_ms - now_ms or 1000
