-- Stands before every script of this folder. KEYS: record, versions, manual. ARGV: the prefix of
-- the level indexes, the user, then what the script takes. The index keys are built from a record's
-- level, so they cannot be declared; they carry the bucket's hash tag and so lie on the same slot.
local LAYOUT, FORMAT, EARNED, MANUAL = '>BBI4I4I4I8', 1, 0, 1
local record_key, versions_key, manual_key = KEYS[1], KEYS[2], KEYS[3]
local level_prefix, user = ARGV[1], ARGV[2]

local function load(key)
  local packed = redis.call('GET', key)
  if not packed then return nil end
  if packed:byte(1) ~= FORMAT then error({ err = 'FORMAT ' .. packed:byte(1) .. ' is not known' }) end
  local r = {}
  local _, rest
  _, r.source, r.level, r.points, r.protected_until, r.version, rest = struct.unpack(LAYOUT, packed)
  r.partner = packed:sub(rest)
  return r
end

local function unindex(member, r)
  if r.source == MANUAL then
    redis.call('ZREM', manual_key, member)
  else
    redis.call('ZREM', level_prefix .. r.level, member)
  end
end

-- Writes the record and its index entry under a version of its own; returns the packed record.
local function save(key, member, r)
  r.version = redis.call('INCR', versions_key)
  local packed = struct.pack(LAYOUT, FORMAT, r.source, r.level, r.points, r.protected_until, r.version)
    .. r.partner
  redis.call('SET', key, packed)
  if r.source == MANUAL then
    redis.call('ZADD', manual_key, r.protected_until, member)
  else
    redis.call('ZADD', level_prefix .. r.level, r.points, member)
  end
  return packed
end

local function earn(r, level)
  r.level, r.source, r.protected_until, r.partner = level, EARNED, 0, ''
end
