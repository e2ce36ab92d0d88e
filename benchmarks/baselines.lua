-- One redemption in Redis: answer a known order, else check the limit, count, remember the order
-- and append to the stream.
-- KEYS: voucher, order, stream. ARGV: limit, value, order id, request, response.
local known = redis.call('GET', KEYS[2])
if known then return known end
local count = redis.call('HINCRBY', KEYS[1], 'count', 1)
if count > tonumber(ARGV[1]) then
  redis.call('HINCRBY', KEYS[1], 'count', -1)
  return false
end
redis.call('HINCRBY', KEYS[1], 'amount', ARGV[2])
redis.call('SET', KEYS[2], ARGV[5])
redis.call('XADD', KEYS[3], '*', 'v', KEYS[1], 'o', ARGV[3], 'q', ARGV[4], 'r', ARGV[5])
return ARGV[5]
