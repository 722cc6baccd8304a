-- Whether this key holds the app of this generation and the app was not revoked.
local function is_active(key, generation)
  local packed = redis.call('GET', key)
  local app = packed and cjson.decode(packed)
  return app and app.generation == generation and not app.revoked
end
