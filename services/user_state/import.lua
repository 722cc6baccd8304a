-- Makes users of one bucket what the rows say; one who already is that is left alone.
-- KEYS[1]: the prefix of the bucket's records. ARGV[8], ARGV[9]: the rules and their version; then
-- the rows as rows.py packs them. Returns how many were written.
local steps, written = steps_of(ARGV[8], tonumber(ARGV[9])), 0

local function import(row)
  local has_level, source, level, points, protected_until, version, user_length, partner_length, at =
    struct.unpack('>BBI4I4I4I8I2I2', row)
  local member, partner = row:sub(at, at + user_length - 1), row:sub(at + user_length, at + user_length + partner_length - 1)
  local why = { partner = partner }
  if has_level == 0 then
    local step = step_for(steps, points)
    level, why = step.level, { rule = step.rule, rule_version = steps.version }
  end
  local key = record_key .. member
  local r = load(key)
  if r and r.level == level and r.points == points and r.source == source
    and r.protected_until == protected_until and r.partner == partner then
    return
  end
  if not r then
    r = { history = row:sub(at + user_length + partner_length) }
    -- A history that comes along leads to what the row says.
    if #r.history > 0 then r.was = { source = source, level = level, points = points, version = version } end
  end
  -- Versions rise across stores, too.
  local last = redis.call('GET', versions_key) or '0'
  if version > tonumber(last) then
    redis.call('SET', versions_key, string.format('%.0f', version))
    r.jumped_from = last
  end
  r.level, r.points, r.source, r.protected_until, r.partner = level, points, source, protected_until, partner
  save(key, member, r, IMPORTED, why)
  written = written + 1
end

for i = 10, #ARGV do import(ARGV[i]) end
return written
