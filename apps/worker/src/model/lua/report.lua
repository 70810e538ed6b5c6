--[[
Records the outcome of a call to the provider and updates the state that all workers share. See admit.lua.

KEYS  1 state   2 turns   3 accounts
      4 failing   hash   first_at, calls, and the jobs whose calls failed since the last answer
      5 refusals  hash   kind -> count, for metrics
ARGV  1 outcome: answered | rate_limited | operator | denied | failed | unreachable | unused (no call was made)   2 job id   3 epoch of the call's admission
      4 retry after, ms (-1: not given)   5 reason, for operators   6 expiry of the state, ms   7 account id

Returns {mode afterwards ('open' if there is no state), 1 if it changed or 2 if answers must now be reported, wait ms}
--]]
local state, turns, accounts, failing, refusals = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local outcome, job, called, retry_after, reason, keep, account =
  ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]
local FIRST_RATE, LEAST_RATE, MOST_RATE, LONGEST_WAIT_MS, LONGEST_INTERVAL_MS = 10, 0.05, 10000, 60000, 10000
-- STEP is added to the rate (calls/s) for each answer: the rate doubles in 3 s, but grows by only 3 % a second near the
-- rate that was refused recently.
local STEP, NEAR_STEP, FALL, FALL_AGAIN, RETURN, NEAR_MS = 0.25, 0.03, 0.8, 0.5, 0.5, 5000
-- Twice HORIZON_MS of admit.lua: only an account's preferred job has a turn beyond that horizon.
local KEPT_MS = 10000
local OUTAGE_AFTER_MS, OUTAGE_JOBS, OUTAGE_CALLS, FAILING_MS, DENIED_AGAIN_MS = 5000, 3, 3, 600000, 1000
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local s = redis.call('HMGET', state, 'mode', 'epoch', 'rate', 'until', 'ceiling', 'interval', 'answered', 'since', 'before', 'refused_at')
local mode, epoch = s[1], tonumber(s[2] or 0)
-- Based on the clock, so that a state created after the last one expired does not reuse its epochs.
local next_epoch = math.max(epoch + 1, now)

local function set(...)
  redis.call('HSET', state, ...)
  redis.call('PEXPIRE', state, keep)
end
local function enter(next_mode, ...)
  redis.call('DEL', state, turns, accounts)
  set('mode', next_mode, 'epoch', next_epoch, ...)
end
local function block(suspect)
  -- Calls made before the last refusal carry no new information and must not lengthen the wait.
  if mode == 'blocked' and called < epoch then return { 'blocked', 0, 1000 } end
  local interval = mode == 'blocked' and math.min(LONGEST_INTERVAL_MS, tonumber(s[6]) * 2) or 1000
  -- Jitter, so that installations that share a provider do not probe at the same instant.
  local probe_at = now + math.floor(interval * (0.75 + math.random() / 2))
  if mode ~= 'blocked' then enter('blocked', 'since', next_epoch) else set('epoch', next_epoch) end
  set('interval', interval, 'probe_at', probe_at, 'probe_until', 0, 'reason', reason, 'suspect', suspect or '')
  return { 'blocked', mode == 'blocked' and 0 or 1, 1000 }
end

if outcome == 'unused' then
  if mode == 'blocked' and called == epoch then set('probe_until', 0) end
  if mode == 'paced' and called == epoch then redis.call('HINCRBYFLOAT', state, 'next', -1000 / tonumber(s[3])) end
  return { mode or 'open', 0, 0 }
end

if outcome == 'answered' then
  redis.call('DEL', failing)
  -- Ignore an answer to a call made before the refusal. A slow probe's answer counts, even if another probe has failed
  -- since.
  if not mode or called < tonumber(mode == 'blocked' and s[8] or epoch) then return { mode or 'open', 0, 0 } end
  if mode == 'blocked' then
    redis.call('DEL', state, turns, accounts)
    return { 'open', 1, 0 }
  end
  if not s[7] then
    -- While no call was answered, the rate fell although it was not the cause: restore part of it.
    s[3] = math.max(tonumber(s[3]), tonumber(s[9] or 0) * RETURN)
    set('answered', 1, 'rate', s[3])
  end
  -- An answer is evidence for a higher rate only while calls are waiting.
  if redis.call('EXISTS', turns) == 1 then
    local rate, ceiling = tonumber(s[3]), tonumber(s[5])
    local is_near = rate > ceiling * 0.75 and rate < ceiling * 1.1 and now - tonumber(s[10]) < NEAR_MS
    set('rate', math.min(MOST_RATE, rate + (is_near and NEAR_STEP or STEP)))
  end
  return { mode, 0, 0 }
end

redis.call('HINCRBY', refusals, outcome, 1)
redis.call('PEXPIRE', refusals, keep)

if outcome == 'rate_limited' then
  redis.call('DEL', failing)
  local wait = math.min(LONGEST_WAIT_MS, retry_after >= 0 and retry_after or 1000)
  if mode ~= 'paced' then
    enter('paced', 'rate', FIRST_RATE, 'ceiling', MOST_RATE, 'before', FIRST_RATE, 'until', now + wait, 'next', now + wait, 'refused_at', now)
    return { 'paced', 1, wait }
  end
  local until_at = math.max(tonumber(s[4]), now + wait)
  set('until', until_at, 'refused_at', now)
  -- Calls admitted before the last refusal carry no new information.
  if called >= epoch then
    local rate = tonumber(s[3])
    local fallen = math.max(LEAST_RATE, rate * (s[7] and FALL or FALL_AGAIN))
    set('epoch', next_epoch, 'rate', fallen, 'next', until_at)
    if s[7] then set('ceiling', rate, 'before', fallen) end
    redis.call('HDEL', state, 'answered')
  end
  -- Turns were assigned at the old rate: keep those that fit into KEPT_MS, in order, starting after the wait.
  local interval = 1000 / tonumber(redis.call('HGET', state, 'rate'))
  redis.call('ZREMRANGEBYRANK', turns, math.floor(KEPT_MS / interval), -1)
  for i, waiting in ipairs(redis.call('ZRANGE', turns, 0, -1)) do
    redis.call('ZADD', turns, until_at + (i - 1) * interval, waiting)
  end
  return { 'paced', 0, until_at - now }
end

if outcome == 'operator' then return block() end

-- The provider failed or denied the request: block only if no other call is answered either.
local suspect = (outcome == 'failed' or outcome == 'denied') and account or nil
if mode == 'blocked' then return block(suspect) end
redis.call('HSETNX', failing, 'first_at', now)
local calls = redis.call('HINCRBY', failing, 'calls', 1)
redis.call('HSET', failing, 'job ' .. job, 1)
redis.call('PEXPIRE', failing, FAILING_MS)
local since = now - tonumber(redis.call('HGET', failing, 'first_at'))
local jobs = redis.call('HLEN', failing) - 2
local is_outage = since >= OUTAGE_AFTER_MS and calls >= OUTAGE_CALLS and (jobs >= OUTAGE_JOBS or outcome == 'unreachable')
if outcome == 'denied' then is_outage = jobs >= OUTAGE_JOBS or (calls >= 2 and since >= DENIED_AGAIN_MS) end
-- 2 on the first failure: from now on, other workers must report their answers, which clear it.
if not is_outage then return { mode or 'open', calls == 1 and 2 or 0, 0 } end
redis.call('DEL', failing)
return block(suspect)
