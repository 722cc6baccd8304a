-- Makes users of one bucket equal to the rows (rows.py); a user who already is equal stays unchanged. Each user is
-- in one row only. Returns how many users were written.
local levels, changed, highest = read_thresholds(thresholds, rules_version), {}, 0

local function is(r, row)
  return r.level == row.level and r.points == row.points and r.source == row.source
    and r.protected_until == row.protected_until and r.partner == row.partner
end

local function unpack_row(packed)
  local row = {}
  local has_level, user_length, partner_length, at
  has_level, row.source, row.level, row.points, row.protected_until, row.version, user_length, partner_length, at =
    struct.unpack(ROW, packed)
  local partner_at = at + user_length
  row.member, row.partner = packed:sub(at, partner_at - 1), packed:sub(partner_at, partner_at + partner_length - 1)
  row.history, row.why = packed:sub(partner_at + partner_length), { partner = row.partner }
  if has_level == 0 then
    row.why = earned_level(levels, row.points)
    row.level = row.why.level
  end
  return row
end

local rows, record_keys = {}, {}
for _, packed in ipairs(packed_rows) do
  local row = unpack_row(packed)
  rows[#rows + 1], record_keys[#record_keys + 1] = row, record_key .. row.member
end
for i, packed in ipairs(redis.call('MGET', unpack(record_keys))) do
  local row, r = rows[i], packed and read(packed)
  if not (r and is(r, row)) then
    changed[#changed + 1] = row
    highest = math.max(highest, row.version)
    if r then
      row.history, row.was = r.history, r.was
    elseif #row.history > 0 then -- an imported history leads to the row's state
      row.was = { source = row.source, level = row.level, points = row.points, version = row.version }
    end
  end
end
if #changed == 0 then return 0 end

-- Users who come from another store keep rising versions.
local last = redis.call('GET', versions_key) or '0'
if highest > tonumber(last) then
  redis.call('SET', versions_key, string.format('%.0f', highest))
  changed[1].jumped_from = last
end
reserve(#changed)
for _, row in ipairs(changed) do save(record_key .. row.member, row.member, row, IMPORTED, row.why) end
settle()
return #changed
