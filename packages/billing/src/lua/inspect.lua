--[[
Reads an account atomically, for the audit.

KEYS  1 account  2 holds  3 sizes
Returns {run_id matches 0|1, granted, consumed, version, held, sum of sizes, hold ids...}; {} where there is no account.
--]]
local a = redis.call('HMGET', KEYS[1], 'run_id', 'granted', 'consumed', 'version', 'held')
if not a[1] then return {} end
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local sum = 0
for _, tokens in ipairs(redis.call('HVALS', KEYS[3])) do sum = sum + tokens end
local answer = { a[1] == run_id and 1 or 0, tonumber(a[2]), tonumber(a[3]), tonumber(a[4]), tonumber(a[5]), sum }
for _, hold in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do answer[#answer + 1] = hold end
return answer
