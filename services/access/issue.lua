-- Gives an app a pair of tokens and supersedes the pair that it refreshes: all of it, or nothing.
-- Comes after is_active.lua and note_token.lua. Returns 1, or 0 if the app or the refreshed pair has ended.
--
-- A pair is written as "access refresh", the digests of its two tokens. `refreshed` is '' for a new
-- pair. The keys of tokens are on the same slot and made from prefixes, because only this script
-- knows which pairs exceed `most_pairs`.

-- The store's clock, by which its keys expire.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function keys_of(pair)
  local access, refresh = pair:match('^(%S+) (%S+)$')
  return access_prefix .. access, refresh_prefix .. refresh
end

-- Lists a pair that ends after `seconds`. If the list has too many pairs, those with the earliest
-- end are deleted, which are first those that have already expired.
local function list(list_key, pair, seconds)
  redis.call('ZADD', list_key, 'NX', now + seconds * 1000000, pair)
  redis.call('EXPIRE', list_key, seconds)
  for _, oldest in ipairs(redis.call('ZRANGE', list_key, 0, -1 - most_pairs)) do
    redis.call('DEL', keys_of(oldest))
    redis.call('ZREM', list_key, oldest)
  end
end

if not is_active(app_key, generation) then return 0 end
if refreshed ~= '' then
  local access, refresh = keys_of(refreshed)
  if redis.call('EXISTS', refresh) == 0 then return 0 end
  -- LT: a repeated refresh does not extend the life of a pair that is superseded already.
  redis.call('EXPIRE', access, superseded_seconds, 'LT')
  redis.call('EXPIRE', refresh, superseded_seconds, 'LT')
  redis.call('ZREM', live_key, refreshed)
  list(superseded_key, refreshed, superseded_seconds)
end
local access, refresh = keys_of(new_pair)
redis.call('SET', access, access_fields, 'EX', access_seconds)
redis.call('SET', refresh, refresh_fields, 'EX', refresh_seconds)
list(live_key, new_pair, refresh_seconds)
note_token(last_key, appid, generation)
return 1
