-- Makes users of one bucket what the rows say; one who already is that is left alone. No user stands
-- in two rows. KEYS[1]: the prefix of the bucket's records. ARGV[8], ARGV[9]: the rules and their
-- version; then the rows as rows.py packs them. Returns how many were written.
local steps, changed, highest = steps_of(ARGV[8], tonumber(ARGV[9])), {}, 0

local function is(r, row)
  return r.level == row.level and r.points == row.points and r.source == row.source
    and r.protected_until == row.protected_until and r.partner == row.partner
end

local function unpack_row(packed)
  local row = {}
  local has_level, user_length, partner_length, at
  has_level, row.source, row.level, row.points, row.protected_until, row.version, user_length, partner_length, at =
    struct.unpack('>BBI4I4I4I8I2I2', packed)
  local partner_at = at + user_length
  row.member, row.partner = packed:sub(at, partner_at - 1), packed:sub(partner_at, partner_at + partner_length - 1)
  row.history, row.why = packed:sub(partner_at + partner_length), { partner = row.partner }
  if has_level == 0 then
    row.why = step_for(steps, row.points)
    row.level = row.why.level
  end
  return row
end

local rows, record_keys = {}, {}
for i = 10, #ARGV do
  local row = unpack_row(ARGV[i])
  rows[#rows + 1], record_keys[#record_keys + 1] = row, record_key .. row.member
end
for i, packed in ipairs(redis.call('MGET', unpack(record_keys))) do
  local row, r = rows[i], packed and read(packed)
  if not (r and is(r, row)) then
    changed[#changed + 1] = row
    highest = math.max(highest, row.version)
    if r then
      row.history, row.was = r.history, r.was
    elseif #row.history > 0 then -- a history that comes along leads to what the row says
      row.was = { source = row.source, level = row.level, points = row.points, version = row.version }
    end
  end
end
if #changed == 0 then return 0 end

-- Versions rise across stores, too.
local last = redis.call('GET', versions_key) or '0'
if highest > tonumber(last) then
  redis.call('SET', versions_key, string.format('%.0f', highest))
  changed[1].jumped_from = last
end
reserve(#changed)
for _, row in ipairs(changed) do save(record_key .. row.member, row.member, row, IMPORTED, row.why) end
settle()
return #changed
