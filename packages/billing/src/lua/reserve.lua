--[[
Reserves tokens for one model call, or returns why not. Decides every race for a subscription's tokens.

KEYS  1 account  hash   granted, consumed, version, held, run_id; the oldest waiter's ticket
      2 holds    zset   hold id -> when its lease runs out, ms of this server's clock
      3 sizes    hash   hold id -> tokens
ARGV  1 hold id ('' only queries: nothing is recorded but a ticket)   2 want   3 min   4 lease ms
      5 granted  6 consumed  7 version of the caller's snapshot (version 0: no snapshot)
      8 job id ('' for a caller that does not retry: it leaves no ticket and takes what is free from min up)
      9 age of the job, ms

Returns {'GRANTED', tokens} | {'WAIT', 0} | {'EXHAUSTED', remaining} | {'HYDRATE', 0}
--]]
local account, holds, sizes = KEYS[1], KEYS[2], KEYS[3]
local hold, want, min, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local job, age = ARGV[8], tonumber(ARGV[9])
local TICKET_TTL_MS, IMPATIENT_AFTER_MS = 10000, 5000

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')

local a = redis.call('HMGET', account, 'run_id', 'granted', 'consumed', 'version', 'held',
  'ticket_job', 'ticket_min', 'ticket_born', 'ticket_since', 'ticket_until')
-- Absent, or written under another server process: writes may have been lost with that process.
if a[1] ~= run_id then return { 'HYDRATE', 0 } end

local granted, consumed, held = tonumber(a[2]), tonumber(a[3]), tonumber(a[5])
if tonumber(ARGV[7]) > tonumber(a[4]) then
  granted, consumed = tonumber(ARGV[5]), tonumber(ARGV[6])
  redis.call('HSET', account, 'granted', granted, 'consumed', consumed, 'version', ARGV[7])
end
if redis.call('ZRANGEBYSCORE', holds, '-inf', now, 'LIMIT', 0, 1)[1] then return { 'HYDRATE', 0 } end

local remaining = granted - consumed
local born = now - age
local ticket = a[6] and tonumber(a[10]) > now and { job = a[6], min = tonumber(a[7]), born = tonumber(a[8]), since = tonumber(a[9]) }
local mine = ticket and ticket.job == job
if remaining < min then
  if mine then redis.call('HDEL', account, 'ticket_job') end
  return { 'EXHAUSTED', remaining }
end

-- A hydration may already have read this hold from Postgres; its own tokens must not count against it.
local own = hold ~= '' and tonumber(redis.call('HGET', sizes, hold)) or 0
local free = remaining - (held - own)
local target = math.min(want, remaining)
local kept = ticket and not mine and ticket.born <= born and ticket.min or 0
local tokens = nil
if free - kept >= target then
  tokens = target
elseif mine and now - ticket.since >= IMPATIENT_AFTER_MS and free >= min then
  tokens = math.min(target, free)
elseif job == '' and free - kept >= min then
  tokens = math.min(target, free - kept)
end

if tokens then
  if hold ~= '' then
    redis.call('HSET', sizes, hold, tokens)
    redis.call('ZADD', holds, now + lease, hold)
    redis.call('HINCRBY', account, 'held', tokens - own)
    if mine then redis.call('HDEL', account, 'ticket_job') end
  end
  return { 'GRANTED', tokens }
end

if job ~= '' and (not ticket or mine or born < ticket.born) then
  redis.call('HSET', account, 'ticket_job', job, 'ticket_min', min, 'ticket_born', born,
    'ticket_since', mine and ticket.since or now, 'ticket_until', now + TICKET_TTL_MS)
end
return { 'WAIT', 0 }
