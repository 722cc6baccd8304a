// Conditions as sentences.
import { COMPARISONS } from "../condition.js";
import { number, t } from "../language.js";

/** One unmet condition: what the user has, and what is missing. */
export function explained({ asked, has, points_missing: missing }) {
  const level = asked.level_at_least;
  if (has.level === undefined && level !== undefined) return t("check.unknown");
  const state = has.level === undefined ? t("check.unknown") : t("check.has", { level: has.level, points: number(has.points) });
  if (level !== undefined && missing !== undefined) return `${state} ${t("check.missing", { points: number(missing), level })}`;
  if (level !== undefined) return `${state} ${t("check.no_points", { level })}`;
  return `${state} ${t("check.unmet", { condition: inWords(asked) })}`;
}

/** A condition as protos/levelgate/upbot/v1/eligibility.proto has it. */
export function inWords(condition) {
  const [kind] = Object.keys(condition);
  return WORDS[kind](condition[kind]);
}

const WORDS = {
  not: (inner) => t("words.not", { condition: inWords(inner) }),
  all: ({ conditions }) => joined("condition.all", conditions),
  any: ({ conditions }) => joined("condition.any", conditions),
  level_at_least: (level) => `${t("condition.level_at_least")} ${level}`,
  level_in: ({ levels }) => `${t("condition.level_in")} ${levels.join(", ")}`,
  points: (compared) => `${t("condition.points")} ${comparison(compared)}`,
  star: ({ gids, device }) => `${t("condition.star")} ${gids.join(", ")} (${t(`device.${device || "any"}`)})`,
  game_info: ({ game_code, area_id, plat_id, game_check_info_id, xinyue_codes: codes, compare_info: compared }) => [
    t("condition.game_info"), [game_code, area_id, plat_id, game_check_info_id].join(" / "),
    codes?.length ? codes.join(", ") : "", compared ? comparison(compared) : "",
  ].filter(Boolean).join(" "),
};

function joined(name, conditions) {
  return `${t(name)} (${conditions.map(inWords).join("; ")})`;
}

function comparison({ compare_type: type, value, rvalue }) {
  return rvalue === undefined ? `${COMPARISONS[type] ?? type} ${value}` : `${value}–${rvalue}`;
}
