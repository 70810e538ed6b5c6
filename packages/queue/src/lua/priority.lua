--[[
Ranks jobs that are about to be queued, so that every flow (an account's jobs of one task) gets an equal share:
start-time fair queueing. The queue's own clock is the rank that it serves next, and never goes back; a flow's next job
comes after the flow's last one, and never before that clock. BullMQ serves low ranks first, equal ones in their order.

KEYS  1 BullMQ's sorted set of prioritized jobs (score: rank * 2^32 + counter)   2 its sorted set of delayed jobs
      3 hash: flow -> rank of its last job; '' -> the clock
ARGV  1 now, ms   2 prefix of the job keys   3.. the flow of each job, in order

Returns the ranks, in order.
--]]
local prioritized, delayed, ranks = KEYS[1], KEYS[2], KEYS[3]
local WORST = 2097151 -- BullMQ's lowest priority
local RESET_ABOVE = 1000000
-- While newcomers keep the clock from moving, what waits behind it still gets its turn: they start a little later.
local LATER_EVERY_MS, LATER_AT_MOST = 4000, 16

local clock = tonumber(redis.call('HGET', ranks, '') or 1)
local start = clock
local head = redis.call('ZRANGE', prioritized, 0, 0, 'WITHSCORES')
if head[1] then
  local since = tonumber(redis.call('HGET', ARGV[2] .. head[1], 'timestamp') or ARGV[1])
  clock = math.max(clock, math.floor(head[2] / 4294967296))
  start = clock + math.min(LATER_AT_MOST, math.floor(math.max(0, ARGV[1] - since) / LATER_EVERY_MS))
elseif clock > RESET_ABOVE or redis.call('EXISTS', delayed) == 0 then
  -- Nothing waits: all begin anew. Who comes back later has waited already.
  for _, id in ipairs(redis.call('ZRANGE', delayed, 0, -1)) do redis.call('HSET', ARGV[2] .. id, 'priority', 1) end
  redis.call('DEL', ranks)
  clock, start = 1, 1
end
redis.call('HSET', ranks, '', clock)

local answer = {}
for i = 3, #ARGV do
  local last = tonumber(redis.call('HGET', ranks, ARGV[i]) or 0)
  local rank = math.min(WORST, math.max(start, last + 1))
  redis.call('HSET', ranks, ARGV[i], rank)
  answer[#answer + 1] = rank
end
return answer
