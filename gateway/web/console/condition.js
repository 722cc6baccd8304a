// Pure functions on a condition that is being composed. A part is {kind, isNegated, ...values}; a group
// has `parts`. `toContract` makes what protos/levelgate/upbot/v1/eligibility.proto accepts.

export const KINDS = ["level_at_least", "level_in", "points", "star", "game_info", "group"];
// The numbers of CompareType.
export const COMPARISONS = { 1: "=", 2: "<", 3: "≤", 4: ">", 5: "≥", 6: "…" };

const FRESH = {
  level_at_least: { level: "" },
  level_in: { levels: "" },
  points: { comparison: "5", value: "", upper: "" },
  star: { gids: "", device: "" },
  game_info: { game_code: "", area_id: "", plat_id: "", partition_id: "", role_name: "", game_check_info_id: "", codes: "", comparison: "", value: "", upper: "" },
  group: { isAny: false, parts: [] },
};

/** A new group has a part already, because an empty one is not accepted. */
export function newPart(kind) {
  const part = { kind, isNegated: false, ...structuredClone(FRESH[kind]) };
  if (kind === "group") part.parts.push(newPart("level_at_least"));
  return part;
}

export function changeKind(part, kind) {
  for (const name of Object.keys(part)) delete part[name];
  Object.assign(part, newPart(kind));
}

export function toContract(part) {
  const inner = MAKERS[part.kind](part);
  return part.isNegated ? { not: inner } : inner;
}

const MAKERS = {
  level_at_least: (part) => ({ level_at_least: Number(part.level) }),
  level_in: (part) => ({ level_in: { levels: numbers(part.levels) } }),
  points: (part) => ({ points: comparison(part) }),
  star: (part) => ({ star: { gids: numbers(part.gids), ...(part.device && { device: Number(part.device) }) } }),
  game_info: gameInfo,
  group: (part) => ({ [part.isAny ? "any" : "all"]: { conditions: part.parts.map(toContract) } }),
};

function gameInfo(part) {
  const { game_code, area_id, plat_id, partition_id, role_name } = part;
  return {
    game_info: {
      game_code, area_id, plat_id, role_name,
      ...(partition_id && { partition_id }),
      game_check_info_id: Number(part.game_check_info_id),
      ...(part.codes.trim() && { xinyue_codes: words(part.codes) }),
      ...(part.comparison && { compare_info: comparison(part) }),
    },
  };
}

function comparison(part) {
  const compared = { compare_type: Number(part.comparison), value: part.value };
  return part.comparison === "6" ? { ...compared, rvalue: part.upper } : compared;
}

function words(text) {
  return text.split(/[\s,，]+/).filter(Boolean);
}

function numbers(text) {
  return words(text).map(Number);
}
