-- Stands before every script of this folder that changes a user. KEYS: record, versions, manual,
-- feed. ARGV: the prefixes of the indexes by level (earned, by hand), the time in milliseconds, how
-- many changes to keep with the record, what to keep in the feed (Kept.feed_limits), the app that asks,
-- the user; then what the script takes, from ARGV[8] on. The index keys are built from a record's level, so they cannot be
-- declared; they carry the bucket's hash tag and so lie on the same slot.
local LAYOUT, FORMAT, EARNED, MANUAL, NOBODY = '>BBI4I4I4I8', 2, 0, 1, 255
local INITIALISED, POINTS_SET, POINTS_ADDED, SET_BY_HAND, DEMOTED, IMPORTED, DELETED = 1, 2, 3, 4, 5, 6, 7
local record_key, versions_key, manual_key, feed_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local level_prefix, hand_prefix, now, app, user = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[6], ARGV[7]
local history_length = tonumber(ARGV[4])

local version, settle

-- Ends the script with an error. What it changed before stays, so it is completed; versions that were reserved and not
-- used are given back, as a watch would take them for changes that it has missed.
local function refuse(number)
  if version then
    redis.call('SET', versions_key, string.format('%.0f', version))
    settle()
  end
  error({ err = 'NUMBER ' .. tostring(number) .. ' is too large' })
end

-- struct.pack wraps a number that is too large for its field: a protection of 100 years then ended in 1990.
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
  format, r.source, r.level, r.points, r.protected_until, r.version, rest = struct.unpack(LAYOUT, packed)
  if format == FORMAT then
    length, rest = struct.unpack('>I2', packed, rest)
    r.partner, r.history = packed:sub(rest, rest + length - 1), packed:sub(rest + length)
  elseif format == 1 then -- of before there was a history: the partner goes to the end
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

-- What changes in the indexes, by index and member: the new score, or false where it goes. It is
-- written at the end, all members of an index in one command: that is half the cost of a batch.
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
    note(manual_key, member, false)
    note(hand_prefix .. r.level, member, false)
  else
    note(level_prefix .. r.level, member, false)
  end
end

local function index(member, r)
  if r.source == MANUAL then
    note(manual_key, member, r.protected_until)
    note(hand_prefix .. r.level, member, r.points)
  else
    note(level_prefix .. r.level, member, r.points)
  end
end

local function time_in_feed(fields) -- in the entry of the history, after the state, its length and its kind
  local change, at, time, unit = fields[4], 13, 0, 1
  while true do
    local byte = change:byte(at)
    time, at = time + byte % 128 * unit, at + 1
    if byte < 128 then return time end
    unit = unit * 128
  end
end

-- The feed keeps each change for some time, because a watch may read late, and the last few for longer; but of
-- a busy bucket only so many. Each call removes at most FEED_STEP, which is more than a script adds, and takes some
-- microseconds: a feed that has grown shrinks without one long command.
local FEED_STEP = 64
local function trim_feed()
  local least, most, milliseconds = struct.unpack('>I4I4I8', ARGV[5])
  local length = redis.call('XLEN', feed_key)
  if length < least + FEED_STEP then return end
  local oldest = redis.call('XRANGE', feed_key, '-', '+', 'COUNT', 1)[1][1]
  -- Ids are versions, so no more than FEED_STEP changes are before this one.
  local start = string.format('%.0f-0', tonumber(oldest:match('^%d+')) + FEED_STEP)
  local kept = redis.call('XRANGE', feed_key, start, '+', 'COUNT', 1)[1]
  if length > most or time_in_feed(kept[2]) < now - milliseconds then
    redis.call('XTRIM', feed_key, 'MINID', kept[1])
  end
end

-- Ends a script that changed something.
function settle()
  for key, members in pairs(pending) do
    local added, gone = {}, {}
    for member, score in pairs(members) do
      if score then
        added[#added + 1], added[#added + 2] = score, member
      else
        gone[#gone + 1] = member
      end
    end
    if #gone > 0 then redis.call('ZREM', key, unpack(gone)) end
    if #added > 0 then redis.call('ZADD', key, unpack(added)) end
  end
  trim_feed()
end

-- Versions are taken from the bucket's counter before they are used, so that none comes twice.
local MAX_VERSION = 2 ^ 53 - 1 -- as record.py has it
local function reserve(count)
  local last = redis.call('INCRBY', versions_key, count)
  version = last - count
  if last > MAX_VERSION then refuse(last) end
end

-- Numbers of the history take a byte for each seven bits: most are small.
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

-- One entry of the history: what changed it, and what was before. What came of it is the state
-- before the next entry, or the record. history.py reads it. `why`: a partner, or the step of the
-- rules that gave the level.
local function entry(r, kind, why)
  local was, partner, rule = r.was or NOTHING, why.partner or '', why.rule or 0
  local body = varint(kind * 2 + was.source) .. NOW .. varint(was.level) .. varint(was.points) .. varint(was.version)
    .. varint(rule) .. varint(rule > 0 and why.rule_version or 0) .. APP .. varint(#partner) .. partner
  return pack('>I2', #body) .. body
end

local function newest(history, count)
  local at = 1
  for _ = 1, count do
    if at > #history then return history end
    at = at + 2 + struct.unpack('>I2', history, at)
  end
  return history:sub(1, at - 1)
end

-- The feed's ids are the bucket's versions, one for each change: whoever reads it sees a gap. An
-- import may leave versions out; then `p` tells the version before.
local function announce(member, source, r, change)
  local told = pack('>BI4I4', source, r.level, r.points) .. change
  version = version + 1
  local id = string.format('%.0f-0', version)
  if r.jumped_from then
    redis.call('XADD', feed_key, id, 'u', member, 'c', told, 'p', r.jumped_from)
  else
    redis.call('XADD', feed_key, id, 'u', member, 'c', told)
  end
end

-- Writes the record with its history, and adds the change to the feed, under a new version; returns the
-- packed record. `reserve` before, `settle` after. What can fail comes before the first write.
local function save(key, member, r, kind, why)
  local change = entry(r, kind, why)
  r.version = version + 1
  local packed = pack(LAYOUT .. 'I2', FORMAT, r.source, r.level, r.points, r.protected_until, r.version, #r.partner)
    .. r.partner .. newest(change .. r.history, history_length)
  announce(member, r.source, r, change)
  redis.call('SET', key, packed)
  if r.was and (r.was.source ~= r.source or r.was.level ~= r.level) then unindex(member, r.was) end
  index(member, r)
  return packed
end

-- The same for a script that changes one user.
local function save_one(r, kind, why)
  reserve(1)
  local packed = save(record_key, user, r, kind, why)
  settle()
  return packed
end

local function earn(r, level)
  r.level, r.source, r.protected_until, r.partner = level, EARNED, 0, ''
end

-- The rules as Steps.packed writes them, by rising level.
local function steps_of(packed, version)
  local steps = {}
  for at = 1, #packed, 12 do
    local level, floor, rule = struct.unpack('>I4I4I4', packed, at)
    steps[#steps + 1] = { level = level, floor = floor, rule = rule, rule_version = version }
  end
  return steps
end

-- The same rule as Ladder.level_for; a property test holds the two together.
local function step_for(steps, points)
  for i = #steps, 2, -1 do
    if steps[i].floor <= points then return steps[i] end
  end
  return steps[1]
end

-- Sets the total; the level only ever rises. Returns the packed record and whether it rose.
local function set_points(r, points, steps, kind)
  local step = step_for(steps, points)
  local rises = step ~= nil and step.level > r.level
  r.points = points
  if rises then earn(r, step.level) end
  return save_one(r, kind, rises and step or {}), rises and 1 or 0
end
