--[[
Decides whether a call to the provider may be made now. Called only while the provider is not known to be open.

KEYS  1 state     hash   mode paced | blocked (none: open), epoch;
                         paced: rate (calls/s), ceiling (the last rate that was refused while other calls were answered),
                         before (the rate after that refusal), answered (1 if a call was answered since the last
                         refusal), until (no call before this time), next (time of the next call), refused_at;
                         blocked: interval, probe_at, probe_until, reason, suspect (the account whose probe met an
                         error that its own prompt may have caused), since (the epoch of the first refusal);
                         return_at, first_return_at: the last time assigned to a waiting job in each lane
      2 turns     zset   job id -> time of its turn
      3 accounts  zset   account id -> when its preferred job asks again
ARGV  1 job id   2 time after an unanswered probe until the next one, ms   3 account id

Returns {'OPEN'} | {'GO', epoch} | {'PACED', wait ms} | {'BLOCKED', wait ms}
--]]
local state, turns, accounts = KEYS[1], KEYS[2], KEYS[3]
local job, probe_ms, account = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local HORIZON_MS, LONGEST_TURN_MS, LATE_MS, EARLY_MS = 5000, 60000, 5000, 250
local RETURNS_A_SECOND, REOPEN_AFTER_MS, SUSPECT_MS = 200, 60000, 3000
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local s = redis.call('HMGET', state, 'mode', 'epoch', 'rate', 'until', 'next', 'refused_at', 'probe_at', 'probe_until', 'suspect')
local mode, epoch = s[1], tonumber(s[2] or 0)
if not mode then return { 'OPEN' } end

-- One account's backlog must not starve the others: one job of each account asks again in a lane of its own.
local is_first = tonumber(redis.call('ZSCORE', accounts, account) or 0) <= now
local function reserve_return(at)
  if not is_first then return end
  redis.call('ZREMRANGEBYSCORE', accounts, '-inf', now)
  redis.call('ZADD', accounts, at, account)
  redis.call('PEXPIRE', accounts, 2 * LONGEST_TURN_MS)
end

-- Spreads the returns of waiting jobs over time, at most RETURNS_A_SECOND per lane.
local function schedule_return(after)
  local lane = is_first and 'first_return_at' or 'return_at'
  local at = math.max(tonumber(redis.call('HGET', state, lane) or 0), now + after) + 1000 / RETURNS_A_SECOND
  redis.call('HSET', state, lane, at)
  reserve_return(at)
  return math.ceil(at - now)
end

if mode == 'blocked' then
  local probe_at = tonumber(s[7])
  -- A prompt that always fails must not be used for every probe.
  local allowed_at = account == s[9] and probe_at + SUSPECT_MS or probe_at
  if now >= allowed_at and now >= tonumber(s[8]) then
    redis.call('HSET', state, 'probe_until', now + probe_ms)
    return { 'GO', epoch }
  end
  return { 'BLOCKED', schedule_return(1000) }
end

local interval, until_at, due_at = 1000 / tonumber(s[3]), tonumber(s[4]), tonumber(s[5])
-- Calls up to EARLY_MS early are admitted: late calls make up for them.
local slot = math.max(due_at, now - EARLY_MS)
local is_free = now >= until_at and now >= due_at - EARLY_MS
local function go()
  redis.call('ZREM', turns, job)
  redis.call('HSET', state, 'next', slot + interval)
  return { 'GO', epoch }
end

redis.call('ZREMRANGEBYSCORE', turns, '-inf', now - LATE_MS)
local mine = tonumber(redis.call('ZSCORE', turns, job) or nil)
if mine then
  if now < mine then return { 'PACED', math.ceil(mine - now) } end
  if is_free then return go() end
  local ahead = redis.call('ZCOUNT', turns, '-inf', '(' .. mine)
  return { 'PACED', math.ceil(math.max(until_at, due_at, now) + ahead * interval - now) }
end

local first = tonumber(redis.call('ZRANGE', turns, 0, 0, 'WITHSCORES')[2] or nil)
if is_free and not first and now - tonumber(s[6]) > REOPEN_AFTER_MS then
  redis.call('DEL', state, turns, accounts)
  return { 'OPEN' }
end
-- A slot that no turn needs goes to the caller, so that a rising rate is used at once.
if is_free and (not first or slot + interval <= first) then return go() end
local last = tonumber(redis.call('ZRANGE', turns, -1, -1, 'WITHSCORES')[2] or nil)
local turn = math.max(until_at, due_at, now, last and last + interval or 0)
if turn - now > (is_first and LONGEST_TURN_MS or HORIZON_MS) then return { 'PACED', schedule_return(math.max(HORIZON_MS / 2, until_at - now)) } end
redis.call('ZADD', turns, turn, job)
redis.call('PEXPIRE', turns, 2 * LONGEST_TURN_MS)
reserve_return(turn)
return { 'PACED', math.ceil(turn - now) }
