--[[
Assigns priorities to jobs about to be queued, so that every flow (an account's jobs of one task) gets an equal share:
start-time fair queueing. The queue's virtual clock is the priority served next and never goes back; a flow's next job
gets a priority above the flow's last one, and not below the clock. BullMQ serves low priorities first, equal ones FIFO.

KEYS  1 BullMQ's sorted set of prioritized jobs (score: priority * 2^32 + counter)   2 its sorted set of delayed jobs
      3 hash: flow -> priority of its last job; '' -> the clock
ARGV  1 now, ms   2 prefix of the job keys   3.. the flow of each job, in order

Returns the priorities, in order.
--]]
local prioritized, delayed, priorities = KEYS[1], KEYS[2], KEYS[3]
local LOWEST = 2097151 -- BullMQ's lowest priority
local RESET_ABOVE = 1000000
-- A stream of new flows would keep the clock from moving and starve waiting jobs, so new flows start later the longer
-- the first job has waited.
local LATER_EVERY_MS, LATER_AT_MOST = 4000, 16

local clock = tonumber(redis.call('HGET', priorities, '') or 1)
local start = clock
local head = redis.call('ZRANGE', prioritized, 0, 0, 'WITHSCORES')
if head[1] then
  local since = tonumber(redis.call('HGET', ARGV[2] .. head[1], 'timestamp') or ARGV[1])
  clock = math.max(clock, math.floor(head[2] / 4294967296))
  start = clock + math.min(LATER_AT_MOST, math.floor(math.max(0, ARGV[1] - since) / LATER_EVERY_MS))
elseif clock > RESET_ABOVE or redis.call('EXISTS', delayed) == 0 then
  -- The queue is empty, so all flows restart. Delayed jobs have waited already and get the first priority.
  for _, id in ipairs(redis.call('ZRANGE', delayed, 0, -1)) do redis.call('HSET', ARGV[2] .. id, 'priority', 1) end
  redis.call('DEL', priorities)
  clock, start = 1, 1
end
redis.call('HSET', priorities, '', clock)

local answer = {}
for i = 3, #ARGV do
  local last = tonumber(redis.call('HGET', priorities, ARGV[i]) or 0)
  local priority = math.min(LOWEST, math.max(start, last + 1))
  redis.call('HSET', priorities, ARGV[i], priority)
  answer[#answer + 1] = priority
end
return answer
