-- Acquires, renews or releases a lease in one step on the server's clock.
-- KEYS: the lease, its fence.  ARGV: the action, the owner, the time to live in ms.
-- Answers the fence, or 1, on success; 0 otherwise.
local lease, fence = KEYS[1], KEYS[2]
local action, owner, ttl_ms = ARGV[1], ARGV[2], ARGV[3]

if action == 'acquire' then
  if not redis.call('SET', lease, owner, 'NX', 'PX', ttl_ms) then
    return 0
  end
  local number = redis.call('INCR', fence)
  if number == 1 then
    -- A fence that starts anew, after a day of rest or a loss of the data, starts at the server's
    -- time in microseconds: above all it gave before, as long as that clock does not go back.
    local now = redis.call('TIME')
    redis.call('SET', fence, now[1] .. string.format('%06d', now[2]))
    number = redis.call('INCR', fence)
  end
  redis.call('EXPIRE', fence, 86400)
  return number
end

if redis.call('GET', lease) ~= owner then
  return 0
end
if action == 'renew' then
  redis.call('PEXPIRE', lease, ttl_ms)
else
  redis.call('DEL', lease)
end
return 1
