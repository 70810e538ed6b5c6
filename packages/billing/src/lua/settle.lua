#!lua flags=allow-oom
--[[
Removes holds and applies a newer balance. Allowed while Redis is out of memory, because it frees memory.
Serves settling and releasing alike: a released hold comes with no newer balance.

KEYS  1 account  2 holds  3 sizes   (see reserve.lua)
ARGV  1 granted  2 consumed  3 version (0: no balance)   4.. hold ids

Returns the number of holds removed.
--]]
local account, holds, sizes = KEYS[1], KEYS[2], KEYS[3]
local removed, freed = 0, 0
for i = 4, #ARGV do
  local tokens = redis.call('HGET', sizes, ARGV[i])
  if tokens then
    redis.call('HDEL', sizes, ARGV[i])
    redis.call('ZREM', holds, ARGV[i])
    removed, freed = removed + 1, freed + tokens
  end
end
local version = tonumber(redis.call('HGET', account, 'version'))
-- No account: the next reserve must hydrate it, so none is created here.
if not version then return removed end
if freed > 0 then redis.call('HINCRBY', account, 'held', -freed) end
-- Set all three: otherwise a grant included in this version would never reach Redis.
if tonumber(ARGV[3]) > version then
  redis.call('HSET', account, 'granted', ARGV[1], 'consumed', ARGV[2], 'version', ARGV[3])
end
return removed
