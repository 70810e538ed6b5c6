--[[
Takes the right to hydrate an account, and returns the holds whose lease has run out by now.

KEYS  1 nonce  2 holds
ARGV  1 nonce  2 how long the right lasts, ms

Returns {1, expired hold ids...}, or {0} where another worker is hydrating.
--]]
-- The right ends with this server process even if the key survives a restart: otherwise the next process would trust a
-- hydration that has not seen what this one granted after it began.
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local holder = redis.call('GET', KEYS[1])
if holder and string.sub(holder, 1, #run_id) == run_id then return { 0 } end
redis.call('SET', KEYS[1], run_id .. ' ' .. ARGV[1], 'PX', ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local answer = { 1 }
for _, hold in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do answer[#answer + 1] = hold end
return answer
