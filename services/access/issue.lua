-- Gives an app a pair of tokens, and supersedes the pair that it refreshes: all of it, or nothing.
-- Comes after is_active.lua. Returns 1, or 0 if the app or the refreshed pair has ended.
--
-- KEYS: the app, its live pairs, its superseded pairs. The keys of tokens, which are on the same
-- slot, are made from prefixes: which pairs are too many is known only here.
-- A pair is listed as "access refresh", the digests of its two tokens.
local live, superseded = KEYS[2], KEYS[3]
local generation, access_prefix, refresh_prefix = ARGV[1], ARGV[2], ARGV[3]
local new, access_fields, refresh_fields, refreshed = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local access_seconds, refresh_seconds = tonumber(ARGV[8]), tonumber(ARGV[9])
local superseded_seconds, most = tonumber(ARGV[10]), tonumber(ARGV[11])
-- The store's own clock, by which its keys expire, too.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function keys_of(pair)
  local access, refresh = pair:match('^(%S+) (%S+)$')
  return access_prefix .. access, refresh_prefix .. refresh
end

-- Lists a pair that ends in so many seconds. If the list has too many, those with the earliest end go:
-- first those that have ended by themselves.
local function list(pairs_of_app, pair, seconds)
  redis.call('ZADD', pairs_of_app, 'NX', now + seconds * 1000000, pair)
  redis.call('EXPIRE', pairs_of_app, seconds)
  for _, oldest in ipairs(redis.call('ZRANGE', pairs_of_app, 0, -1 - most)) do
    redis.call('DEL', keys_of(oldest))
    redis.call('ZREM', pairs_of_app, oldest)
  end
end

if not is_active(KEYS[1], generation) then return 0 end
if refreshed ~= '' then
  local access, refresh = keys_of(refreshed)
  if redis.call('EXISTS', refresh) == 0 then return 0 end
  -- LT: what a repeat finds superseded already does not live longer by it.
  redis.call('EXPIRE', access, superseded_seconds, 'LT')
  redis.call('EXPIRE', refresh, superseded_seconds, 'LT')
  redis.call('ZREM', live, refreshed)
  list(superseded, refreshed, superseded_seconds)
end
local access, refresh = keys_of(new)
redis.call('SET', access, access_fields, 'EX', access_seconds)
redis.call('SET', refresh, refresh_fields, 'EX', refresh_seconds)
list(live, new, refresh_seconds)
return 1
