--[[
Ranks jobs that are about to be queued, so that every flow (an account's jobs of one task) gets an equal share:
start-time fair queueing. The queue's own clock is the rank that it serves next; a flow's next job comes after the
flow's last one, and never before that clock. BullMQ serves low ranks first, and equal ones in their order.

KEYS  1 BullMQ's sorted set of prioritized jobs (score: rank * 2^32 + counter)   2 hash: flow -> rank of its last job
ARGV  1 now, ms   2 prefix of the job keys   3.. the flow of each job, in order

Returns the ranks, in order.
--]]
local WORST = 2097151 -- BullMQ's lowest priority
-- While newcomers keep the clock from moving, what waits behind it still gets its turn: they start a little later.
local LATER_EVERY_MS, LATER_AT_MOST = 4000, 16

local clock = 1
local head = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if head[1] then
  local since = tonumber(redis.call('HGET', ARGV[2] .. head[1], 'timestamp') or ARGV[1])
  local later = math.min(LATER_AT_MOST, math.floor(math.max(0, ARGV[1] - since) / LATER_EVERY_MS))
  clock = math.floor(head[2] / 4294967296) + later
else
  -- Nothing waits: all begin anew.
  redis.call('DEL', KEYS[2])
end

local ranks = {}
for i = 3, #ARGV do
  local last = tonumber(redis.call('HGET', KEYS[2], ARGV[i]) or 0)
  local rank = math.min(WORST, math.max(clock, last + 1))
  redis.call('HSET', KEYS[2], ARGV[i], rank)
  ranks[#ranks + 1] = rank
end
return ranks
