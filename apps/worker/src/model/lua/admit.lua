--[[
Says whether a call to the provider may be made now. Asked only while the provider is not known to be open.

KEYS  1 state   hash   mode paced | blocked (none: open), epoch; paced: rate (calls/s), until, next, refused_at, ceiling;
                       blocked: interval, probe_at, probe_until, reason; return_at: when the next who waits comes back
      2 turns   zset   job id -> the time of its turn
ARGV  1 job id   2 how long after a probe the next one is made, where that was not answered, ms

Returns {'OPEN'} | {'GO', epoch} | {'PACED', wait ms} | {'BLOCKED', wait ms}
--]]
local state, turns = KEYS[1], KEYS[2]
local HORIZON_MS, LATE_MS, RETURNS_A_SECOND, REOPEN_AFTER_MS = 10000, 5000, 200, 60000
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local s = redis.call('HMGET', state, 'mode', 'epoch', 'rate', 'until', 'next', 'refused_at', 'probe_at', 'probe_until', 'return_at')
local mode, epoch = s[1], tonumber(s[2] or 0)
if not mode then return { 'OPEN' } end

-- Who waits comes back one after the other, however many there are.
local function come_back(after)
  local at = math.max(tonumber(s[9] or 0), now + after) + 1000 / RETURNS_A_SECOND
  redis.call('HSET', state, 'return_at', at)
  return math.ceil(at - now)
end

if mode == 'blocked' then
  if now >= tonumber(s[7]) and now >= tonumber(s[8]) then
    redis.call('HSET', state, 'probe_until', now + ARGV[2])
    return { 'GO', epoch }
  end
  return { 'BLOCKED', come_back(1000) }
end

local next, until_at, rate = tonumber(s[5]), tonumber(s[4]), tonumber(s[3])
redis.call('ZREMRANGEBYSCORE', turns, '-inf', now - LATE_MS)
local mine = tonumber(redis.call('ZSCORE', turns, ARGV[1]) or nil)
if mine and now >= mine and now >= until_at then
  redis.call('ZREM', turns, ARGV[1])
  return { 'GO', epoch }
end
if mine then return { 'PACED', math.ceil(math.max(mine, until_at) - now) } end
if now - tonumber(s[6]) > REOPEN_AFTER_MS and next <= now then
  redis.call('DEL', state, turns)
  return { 'OPEN' }
end
local turn = math.max(next, until_at, now)
if turn - now > HORIZON_MS then return { 'PACED', come_back(HORIZON_MS / 2) } end
redis.call('HSET', state, 'next', turn + 1000 / rate)
if turn <= now then return { 'GO', epoch } end
redis.call('ZADD', turns, turn, ARGV[1])
return { 'PACED', math.ceil(turn - now) }
