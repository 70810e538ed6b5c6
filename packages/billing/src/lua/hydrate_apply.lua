--[[
Applies a snapshot from Postgres to an account, if the caller still has the right to hydrate it.

KEYS  1 account  2 holds  3 sizes  4 nonce
ARGV  1 nonce  2 granted  3 consumed  4 version
      5 JSON array of the hold ids whose lease had run out in hydrate_begin
      6 JSON array of the live holds in Postgres: [id, tokens, remaining lease ms]

Returns 1, or 0 where the right was lost and the caller must start over.
--]]
local account, holds, sizes, nonce = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if redis.call('GET', nonce) ~= run_id .. ' ' .. ARGV[1] then return 0 end
redis.call('DEL', nonce)

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local live = cjson.decode(ARGV[6])
local known = redis.call('HMGET', account, 'run_id', 'version')

if known[1] ~= run_id then
  redis.call('DEL', account, holds, sizes)
  local held = 0
  for _, hold in ipairs(live) do
    redis.call('HSET', sizes, hold[1], hold[2])
    redis.call('ZADD', holds, now + hold[3], hold[1])
    held = held + hold[2]
  end
  redis.call('HSET', account, 'run_id', run_id, 'granted', ARGV[2], 'consumed', ARGV[3], 'version', ARGV[4], 'held', held)
  return 1
end

if tonumber(ARGV[4]) > tonumber(known[2]) then
  redis.call('HSET', account, 'granted', ARGV[2], 'consumed', ARGV[3], 'version', ARGV[4])
end
-- Postgres decides about expiry, and only for the holds whose lease had run out before it was read.
local lease_of = {}
for _, hold in ipairs(live) do lease_of[hold[1]] = hold[3] end
for _, id in ipairs(cjson.decode(ARGV[5])) do
  local tokens = redis.call('HGET', sizes, id)
  if tokens and lease_of[id] then
    redis.call('ZADD', holds, now + lease_of[id], id)
  elseif tokens then
    redis.call('HDEL', sizes, id)
    redis.call('ZREM', holds, id)
    redis.call('HINCRBY', account, 'held', -tokens)
  end
end
return 1
