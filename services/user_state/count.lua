-- Counts on the indexes of one bucket. KEYS[1]: the hand-set levels by their protection. ARGV: the prefixes of the
-- indexes by level (earned, by hand), the end of protections that counts as past; then, for each
-- count, "earned" or "hand", the level, the least points, and the points before which it ends.
-- Returns the hand-set levels past their protection, then the counts.
local counts = { redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[3]) }
for i = 4, #ARGV, 4 do
  local prefix = ARGV[i] == 'hand' and ARGV[2] or ARGV[1]
  counts[#counts + 1] = redis.call('ZCOUNT', prefix .. ARGV[i + 1], ARGV[i + 2], '(' .. ARGV[i + 3])
end
return counts
