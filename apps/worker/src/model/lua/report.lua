--[[
Takes what became of a call to the provider, and moves the state that all workers share. See admit.lua.

KEYS  1 state   2 turns   3 failing  hash   first_at, and the jobs whose calls failed since the last answer
ARGV  1 outcome: answered | rate_limited | operator | failed | unreachable | unused (no call was made)   2 job id   3 epoch of the call's admission
      4 retry after, ms (-1: not said)   5 reason, for operators   6 how long the state is kept, ms

Returns {mode after ('open' where there is none), 1 where it changed, wait ms for the caller}
--]]
local state, turns, failing = KEYS[1], KEYS[2], KEYS[3]
local outcome, job, called, retry_after, reason, keep = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6]
local FIRST_RATE, LEAST_RATE, LONGEST_INTERVAL_MS = 10, 0.5, 30000
local OUTAGE_AFTER_MS, OUTAGE_JOBS, OUTAGE_CALLS = 5000, 3, 3
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local s = redis.call('HMGET', state, 'mode', 'epoch', 'rate', 'until', 'ceiling', 'interval', 'streak')
local mode, epoch = s[1], tonumber(s[2] or 0)

local function set(...)
  redis.call('HSET', state, ...)
  redis.call('PEXPIRE', state, keep)
end
local function open()
  redis.call('DEL', state, turns)
  return { 'open', mode and 1 or 0, 0 }
end
local function block(why)
  -- Calls that were made before the last refusal say nothing new, and lengthen no wait.
  if mode == 'blocked' and called < epoch then return { 'blocked', 0, 1000 } end
  local interval = mode == 'blocked' and math.min(LONGEST_INTERVAL_MS, tonumber(s[6]) * 2) or 1000
  -- Not all installations on one provider at the same instant.
  local probe_at = now + math.floor(interval * (0.75 + math.random() / 2))
  redis.call('DEL', turns)
  set('mode', 'blocked', 'epoch', epoch + 1, 'interval', interval, 'probe_at', probe_at, 'probe_until', 0, 'reason', why)
  return { 'blocked', mode == 'blocked' and 0 or 1, 1000 }
end

if outcome == 'unused' then
  if mode == 'blocked' then set('probe_until', 0) end
  return { mode or 'open', 0, 0 }
end

if outcome == 'answered' then
  redis.call('DEL', failing)
  if mode == 'blocked' then return open() end
  if mode == 'paced' then
    local rate, ceiling = tonumber(s[3]), tonumber(s[5])
    -- Soon up to where it last refused, slowly around that, and beyond it the faster, the longer nothing was refused.
    local streak = tonumber(s[7]) + 1
    local step = 1.04 + math.min(streak, 20) / 100
    if rate < ceiling * 1.1 and ceiling < 1000000 and streak < 30 then step = rate < ceiling * 0.9 and 1.05 or 1.01 end
    set('rate', rate * step, 'streak', streak)
  end
  return { mode or 'open', 0, 0 }
end

if outcome == 'rate_limited' then
  redis.call('DEL', failing)
  local wait = retry_after >= 0 and retry_after or 1000
  if mode ~= 'paced' then
    redis.call('DEL', turns)
    set('mode', 'paced', 'epoch', epoch + 1, 'rate', FIRST_RATE, 'ceiling', 1000000, 'until', now + wait, 'next', now + wait, 'refused_at', now,
      'streak', 0)
    return { 'paced', 1, wait }
  end
  local until_at = math.max(tonumber(s[4]), now + wait)
  -- Calls that were let through before the last refusal say nothing new.
  if called < epoch then
    set('until', until_at, 'refused_at', now, 'streak', 0)
  else
    local rate = tonumber(s[3])
    -- Far too fast, where hardly anything was answered since the last refusal.
    local share = tonumber(s[7]) < 3 and 0.6 or 0.85
    -- Turns were given out at the old pace: who comes back for one gets another.
    redis.call('DEL', turns)
    set('epoch', epoch + 1, 'rate', math.max(LEAST_RATE, rate * share), 'ceiling', rate, 'until', until_at, 'next', until_at,
      'refused_at', now, 'streak', 0)
  end
  return { 'paced', 0, until_at - now }
end

if outcome == 'operator' then return block(reason) end

-- The provider's own failing, or a prompt that it can't take: only when nothing else is answered either is it an outage.
if mode == 'blocked' then return block(reason) end
redis.call('HSETNX', failing, 'first_at', now)
redis.call('HINCRBY', failing, 'calls', 1)
redis.call('HSET', failing, 'job ' .. job, 1)
redis.call('PEXPIRE', failing, 60000)
local since = now - tonumber(redis.call('HGET', failing, 'first_at'))
local calls = tonumber(redis.call('HGET', failing, 'calls'))
local jobs = redis.call('HLEN', failing) - 2
local isOutage = since >= OUTAGE_AFTER_MS and calls >= OUTAGE_CALLS and (jobs >= OUTAGE_JOBS or outcome == 'unreachable')
if not isOutage then return { mode or 'open', calls == 1 and 1 or 0, 0 } end
redis.call('DEL', failing)
return block(reason)
