-- Records that an app got a token now. The generation distinguishes apps that have had the same name, so the hash has
-- one entry for each name and never grows beyond the list of apps.
local function note_token(key, appid, generation)
  redis.call('HSET', key, appid, generation .. ' ' .. redis.call('TIME')[1])
end
