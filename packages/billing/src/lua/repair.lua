#!lua flags=allow-oom
--[[
Deletes an account; the next reserve hydrates it from Postgres. The nonce is deleted too, because a hydration in progress
may have read Postgres before the difference was found.

KEYS  1 account  2 nonce
Returns the number of keys deleted.
--]]
return redis.call('DEL', KEYS[1], KEYS[2])
