-- Begins every script that changes users. The constants, keys and arguments that it uses are declared in scripts.py.

local version, settle

-- Ends the script with an error. Redis does not roll back, so the earlier changes of the script are completed here.
-- Reserved versions that were not used are given back: a watch would take them for changes that it missed.
local function refuse(number)
  if version then
    redis.call('SET', versions_key, string.format('%.0f', version))
    settle()
  end
  error({ err = 'NUMBER ' .. tostring(number) .. ' is too large' })
end

-- struct.pack wraps a number that is too large for its field, so a protection of 100 years once ended in 1990. This
-- function refuses the number instead.
local function pack(format, ...)
  local packed = struct.pack(format, ...)
  local written = { struct.unpack(format, packed) }
  for i = 1, select('#', ...) do
    if written[i] ~= select(i, ...) then refuse(select(i, ...)) end
  end
  return packed
end

local function read(packed)
  local r = {}
  local format, rest, length
  format, r.source, r.level, r.points, r.protected_until, r.version, rest = struct.unpack(RECORD_HEAD, packed)
  if format == FORMAT then
    length, rest = struct.unpack(PARTNER_LENGTH, packed, rest)
    r.partner, r.history = packed:sub(rest, rest + length - 1), packed:sub(rest + length)
  elseif format == 1 then -- without a history: the partner is the rest of the record
    r.partner, r.history = packed:sub(rest), ''
  else
    error({ err = 'FORMAT ' .. format .. ' is not known' })
  end
  r.was = { source = r.source, level = r.level, points = r.points, version = r.version }
  return r
end

local function load(key)
  local packed = redis.call('GET', key)
  return packed and read(packed)
end

-- Changes of the indexes, by index and member: the new score, or false to remove the member. They are written at the
-- end, all members of an index in one command, which halves the cost of a batch.
local pending = {}

local function note(index, member, score)
  local members = pending[index]
  if not members then
    members = {}
    pending[index] = members
  end
  members[member] = score
end

local function unindex(member, r)
  if r.source == MANUAL then
    note(protections_key, member, false)
    note(manual_prefix .. r.level, member, false)
  else
    note(level_prefix .. r.level, member, false)
  end
end

local function index(member, r)
  if r.source == MANUAL then
    note(protections_key, member, r.protected_until)
    note(manual_prefix .. r.level, member, r.points)
  else
    note(level_prefix .. r.level, member, r.points)
  end
end

-- The time of a change in the feed: it comes after the state, the entry's length (2 bytes) and its kind (1 byte).
local function time_in_feed(fields)
  local change, at, time, unit = fields[4], STATE_BYTES + 4, 0, 1
  while true do
    local byte = change:byte(at)
    time, at = time + byte % 128 * unit, at + 1
    if byte < 128 then return time end
    unit = unit * 128
  end
end

-- The feed retains each change for some time, because a watch may read late, and the last few changes for longer. The
-- feed of a busy bucket has an upper limit. Each call removes at most FEED_STEP changes, which is more than a script
-- adds and takes some microseconds, so a feed that has grown shrinks without one long command.
local FEED_STEP = 64
local function trim_feed()
  local least, most, milliseconds = struct.unpack(FEED_LIMITS, feed_limits)
  local length = redis.call('XLEN', feed_key)
  if length < least + FEED_STEP then return end
  local oldest = redis.call('XRANGE', feed_key, '-', '+', 'COUNT', 1)[1][1]
  -- Ids are versions, so at most FEED_STEP changes come before `next_change`.
  local start = string.format('%.0f-0', tonumber(oldest:match('^%d+')) + FEED_STEP)
  local next_change = redis.call('XRANGE', feed_key, start, '+', 'COUNT', 1)[1]
  if length > most or time_in_feed(next_change[2]) < now - milliseconds then
    redis.call('XTRIM', feed_key, 'MINID', next_change[1])
  end
end

-- Writes what is pending. Every script that changed something ends with this.
function settle()
  for key, members in pairs(pending) do
    local added, removed = {}, {}
    for member, score in pairs(members) do
      if score then
        added[#added + 1], added[#added + 2] = score, member
      else
        removed[#removed + 1] = member
      end
    end
    if #removed > 0 then redis.call('ZREM', key, unpack(removed)) end
    if #added > 0 then redis.call('ZADD', key, unpack(added)) end
  end
  trim_feed()
end

-- Takes versions from the bucket's counter before they are used, so that none is given twice.
local function reserve(count)
  local last = redis.call('INCRBY', versions_key, count)
  version = last - count
  if last > MAX_VERSION then refuse(last) end
end

-- Numbers of the history take one byte for each seven bits, because most are small.
local function varint(n)
  local bytes = ''
  while n >= 128 do
    bytes = bytes .. string.char(n % 128 + 128)
    n = math.floor(n / 128)
  end
  return bytes .. string.char(n)
end

local NOW, APP = varint(now), varint(#app) .. app
local NOTHING = { source = EARNED, level = 0, points = 0, version = 0 }

-- One entry of the history, which history.py reads: the kind of the change and the state before it. The state after
-- it is in the next entry, or in the record. `why` holds the partner, or the rule that gave the level.
local function entry(r, kind, why)
  local was, partner, rule = r.was or NOTHING, why.partner or '', why.rule or 0
  local body = varint(kind * 2 + was.source) .. NOW .. varint(was.level) .. varint(was.points) .. varint(was.version)
    .. varint(rule) .. varint(rule > 0 and why.rules_version or 0) .. APP .. varint(#partner) .. partner
  return pack(ENTRY_LENGTH, #body) .. body
end

-- The first `count` entries of a history, which are the newest ones.
local function newest(history, count)
  local at = 1
  for _ = 1, count do
    if at > #history then return history end
    at = at + 2 + struct.unpack(ENTRY_LENGTH, history, at)
  end
  return history:sub(1, at - 1)
end

-- Adds the change to the feed. The ids are the bucket's versions, one for each change, so a reader detects a gap. An
-- import may skip versions; then `p` holds the version before the skipped ones.
local function announce(member, source, r, change)
  local state_and_change = pack(STATE, source, r.level, r.points) .. change
  version = version + 1
  local id = string.format('%.0f-0', version)
  if r.jumped_from then
    redis.call('XADD', feed_key, id, 'u', member, 'c', state_and_change, 'p', r.jumped_from)
  else
    redis.call('XADD', feed_key, id, 'u', member, 'c', state_and_change)
  end
end

-- Writes the record with its history and adds the change to the feed, under a new version; returns the packed record.
-- Needs `reserve` before and `settle` after. Everything that can fail comes before the first write.
local function save(key, member, r, kind, why)
  local change = entry(r, kind, why)
  r.version = version + 1
  local packed = pack(RECORD, FORMAT, r.source, r.level, r.points, r.protected_until, r.version, #r.partner)
    .. r.partner .. newest(change .. r.history, history_length)
  announce(member, r.source, r, change)
  redis.call('SET', key, packed)
  if r.was and (r.was.source ~= r.source or r.was.level ~= r.level) then unindex(member, r.was) end
  index(member, r)
  return packed
end

-- `save` with `reserve` and `settle`, for a script that changes one user.
local function save_one(r, kind, why)
  reserve(1)
  local packed = save(record_key, user, r, kind, why)
  settle()
  return packed
end

local function set_earned(r, level)
  r.level, r.source, r.protected_until, r.partner = level, EARNED, 0, ''
end

-- The rules as LevelThresholds packs them, by rising level.
local function read_thresholds(packed, rules_version)
  local levels, at = {}, 1
  while at <= #packed do
    local level, down_point, rule
    level, down_point, rule, at = struct.unpack(THRESHOLD, packed, at)
    levels[#levels + 1] = { level = level, down_point = down_point, rule = rule, rules_version = rules_version }
  end
  return levels
end

-- The level that points earn. This is the same rule as Ladder.level_for; a property test compares the two.
local function earned_level(levels, points)
  for i = #levels, 2, -1 do
    if levels[i].down_point <= points then return levels[i] end
  end
  return levels[1]
end

-- Changes the total points; the level only ever rises. Returns the packed record and whether the level rose.
local function change_points(r, points, levels, kind)
  local earned = earned_level(levels, points)
  local rises = earned ~= nil and earned.level > r.level
  r.points = points
  if rises then set_earned(r, earned.level) end
  return save_one(r, kind, rises and earned or {}), rises and 1 or 0
end
