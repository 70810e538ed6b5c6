--[[
Takes the right to hydrate an account, and notes which leases have run out as of now.

KEYS  1 nonce  2 holds
ARGV  1 nonce  2 how long the right lasts, ms

Returns {1, expired hold ids...}, or {0} where somebody else hydrates.
--]]
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return { 0 } end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local answer = { 1 }
for _, hold in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do answer[#answer + 1] = hold end
return answer
