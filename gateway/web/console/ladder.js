// Pure functions on a set of rules. A rule is {level, name, from, to, icon}: points from <= p < to. In a
// draft, `level`, `from` and `to` may be null while a field is empty. services/rules/ladder.py decides.

export const MAX_POINTS = 2 ** 31 - 1;
export const MOST_RULES = 100;

export function fromContract(rule) {
  const { vipLevel: level, name, downPoint: from, upPoint: to, picUrl } = rule;
  return { level, name, from, to, icon: picUrl ?? "", hasIcon: picUrl !== undefined };
}

/** `hasIcon` is whether the level has one now: a rule without an icon would keep it. */
export function toContract(rule, hasIcon = false) {
  // An icon that was never set stays absent; one that was removed is sent as empty.
  const picUrl = rule.icon || rule.hasIcon || hasIcon ? rule.icon : undefined;
  return { vipLevel: rule.level, name: rule.name, downPoint: rule.from, upPoint: rule.to, picUrl };
}

export function sorted(rules) {
  return [...rules].sort((a, b) => (a.level ?? Infinity) - (b.level ?? Infinity));
}

/** What is wrong: [{rule, field, problem}], where `problem` is the name of a text. */
export function problems(rules) {
  const found = [];
  const add = (rule, field, problem) => found.push({ rule, field, problem });
  for (const rule of rules) {
    if (!isWhole(rule.level)) add(rule, "level", "rules.problem.level");
    else if (rules.some((other) => other !== rule && other.level === rule.level)) add(rule, "level", "rules.problem.twice");
    if (!rule.name.trim()) add(rule, "name", "rules.problem.name");
    if (!isWhole(rule.from)) add(rule, "from", "rules.problem.points");
    if (!isWhole(rule.to)) add(rule, "to", "rules.problem.points");
    else if (isWhole(rule.from) && rule.from >= rule.to) add(rule, "to", "rules.problem.empty");
  }
  const ordered = sorted(rules);
  ordered.slice(1).forEach((rule, index) => {
    const lower = ordered[index];
    if (isWhole(rule.from) && isWhole(lower.to) && rule.from < lower.to) add(rule, "from", "rules.problem.overlap");
  });
  return found;
}

function isWhole(value) {
  return Number.isInteger(value) && value >= 0 && value <= MAX_POINTS;
}

/**
 * Bands and gaps in the order of points: [{from, to, rule}], where a gap has no rule. The last gap has
 * no end; as much of it is shown as makes room to move the end of the highest band.
 */
export function segments(rules) {
  const found = [];
  let end = 0;
  for (const rule of sorted(rules)) {
    if (rule.from > end) found.push({ from: end, to: rule.from, rule: null });
    found.push({ from: rule.from, to: rule.to, rule });
    end = rule.to;
  }
  if (end < MAX_POINTS) found.push({ from: end, to: Math.min(MAX_POINTS, Math.ceil(end * 1.5)), rule: null, isOpen: true });
  return found;
}

/**
 * A scale from points to 0..1 and back, on which each segment is wide enough to be seen: the widths
 * follow the square root of the points, because upper levels often span a hundred times more.
 */
export function scale(parts) {
  const weights = parts.map((part) => Math.sqrt(part.to - part.from));
  const least = Math.max(...weights) / 8;
  const widths = weights.map((weight) => Math.max(weight, least));
  const total = widths.reduce((sum, width) => sum + width, 0);
  const ends = [];
  widths.reduce((sum, width, index) => (ends[index] = sum + width / total), 0);
  const starts = ends.map((end, index) => (index ? ends[index - 1] : 0));
  return {
    place(points) {
      const found = parts.findIndex((part) => points <= part.to);
      const index = found < 0 ? parts.length - 1 : found;
      const { from, to } = parts[index];
      const place = starts[index] + ((points - from) / (to - from)) * (ends[index] - starts[index]);
      return Math.min(1, Math.max(0, place));
    },
    points(place) {
      const found = ends.findIndex((end) => place <= end);
      const index = found < 0 ? parts.length - 1 : found;
      const { from, to } = parts[index];
      return Math.round(from + ((place - starts[index]) / (ends[index] - starts[index])) * (to - from));
    },
  };
}

/** The boundaries that can be moved: the end of a band, the start of one, or both where they meet. */
export function boundaries(rules) {
  const ordered = sorted(rules);
  return ordered.flatMap((rule, index) => {
    const next = ordered[index + 1];
    const lowest = rule.from + 1;
    if (next && next.from === rule.to) return [{ lower: rule, upper: next, points: rule.to, least: lowest, most: next.to - 1 }];
    const end = { lower: rule, upper: null, points: rule.to, least: lowest, most: next ? next.from : MAX_POINTS };
    return next ? [end, { lower: null, upper: next, points: next.from, least: rule.to, most: next.to - 1 }] : [end];
  });
}

export function move(boundary, points) {
  const kept = Math.min(Math.max(Math.round(points), boundary.least), boundary.most);
  if (boundary.lower) boundary.lower.to = kept;
  if (boundary.upper) boundary.upper.from = kept;
  boundary.points = kept;
}

/** How `after` differs from `before`: [{level, before, after}], one for each level that differs. */
export function differences(before, after) {
  const levels = new Set([...before, ...after].map((rule) => rule.level));
  return [...levels].sort((a, b) => a - b).flatMap((level) => {
    const [one, other] = [before, after].map((rules) => rules.find((rule) => rule.level === level) ?? null);
    return isSame(one, other) ? [] : [{ level, before: one, after: other }];
  });
}

function isSame(one, other) {
  return Boolean(one && other) && ["name", "from", "to", "icon"].every((field) => one[field] === other[field]);
}
