// Composes a condition by clicking.
import { changeKind, COMPARISONS, KINDS, newPart } from "../condition.js";
import { t } from "../language.js";
import { html, live, nothing } from "../lit.js";
import { update } from "../page.js";

// The contract allows 8; the group of the form itself is one of them.
const DEEPEST_GROUP = 6;

/** `changed` is called after each change. */
export function conditionForm(group, changed, depth = 0) {
  const change = (work) => () => { work(); changed(); update(); };
  return html`
    <fieldset class="group">
      <legend>${depth === 0 ? t("audience.users") : t("condition.group")}</legend>
      <label>${t("condition.join")}
        <select @change=${(event) => { group.isAny = event.target.value === "any"; changed(); update(); }}>
          <option value="all" ?selected=${!group.isAny}>${t("condition.all")}</option>
          <option value="any" ?selected=${group.isAny}>${t("condition.any")}</option>
        </select></label>
      ${group.parts.map((part, index) => partForm(part, change(() => group.parts.splice(index, 1)), changed, depth))}
      <button type="button" @click=${change(() => group.parts.push(newPart("level_at_least")))}>${t("condition.add")}</button>
    </fieldset>`;
}

function partForm(part, remove, changed, depth) {
  const kinds = depth < DEEPEST_GROUP ? KINDS : KINDS.filter((kind) => kind !== "group");
  const set = (name, value) => { part[name] = value; changed(); update(); };
  return html`
    <div class="part">
      <label>${t("condition.kind")}
        <select @change=${(event) => { changeKind(part, event.target.value); changed(); update(); }}>
          ${kinds.map((kind) => html`<option value=${kind} ?selected=${part.kind === kind}>${t(`condition.${kind}`)}</option>`)}
        </select></label>
      <label class="inline"><input type="checkbox" .checked=${live(part.isNegated)} @change=${(event) => set("isNegated", event.target.checked)}> ${t("condition.not")}</label>
      ${FORMS[part.kind](part, set, changed, depth)}
      <button type="button" @click=${remove}>${t("condition.remove")}</button>
    </div>`;
}

function field(part, name, set, attributes = {}) {
  const { type = "text", isRequired = true, pattern } = attributes;
  return html`
    <label>${t(`condition.field.${name}`)}
      <input type=${type} ?required=${isRequired} pattern=${pattern ?? nothing} maxlength="2000" autocapitalize="none" autocomplete="off"
        .value=${live(part[name])} @input=${(event) => set(name, event.target.value)}></label>`;
}

const NUMBERS = "\\s*\\d+([\\s,，]+\\d+)*\\s*";

const FORMS = {
  level_at_least: (part, set) => field(part, "level", set, { type: "number" }),
  level_in: (part, set) => field(part, "levels", set, { pattern: NUMBERS }),
  points: (part, set) => comparisonForm(part, set, true),
  star: (part, set) => html`
    ${field(part, "gids", set, { pattern: NUMBERS })}
    <label>${t("condition.field.device")}
      <select @change=${(event) => set("device", event.target.value)}>
        ${["", "1", "2"].map((device) => html`<option value=${device} ?selected=${part.device === device}>${t(`device.${device || "any"}`)}</option>`)}
      </select></label>`,
  game_info: (part, set) => html`
    ${["game_code", "area_id", "plat_id"].map((name) => field(part, name, set))}
    ${["partition_id", "role_name"].map((name) => field(part, name, set, { isRequired: false }))}
    ${field(part, "game_check_info_id", set, { type: "number" })}
    ${field(part, "codes", set, { isRequired: !part.comparison })}
    ${comparisonForm(part, set, false)}`,
  group: (part, set, changed, depth) => conditionForm(part, changed, depth + 1),
};

function comparisonForm(part, set, isRequired) {
  const choices = [...(isRequired ? [] : [["", t("condition.no_comparison")]]), ...Object.entries(COMPARISONS)];
  return html`
    <label>${t("condition.field.comparison")}
      <select @change=${(event) => set("comparison", event.target.value)}>
        ${choices.map(([value, text]) => html`<option value=${value} ?selected=${part.comparison === value}>${value === "6" ? t("condition.between") : text}</option>`)}
      </select></label>
    ${part.comparison ? field(part, "value", set, { type: "number" }) : nothing}
    ${part.comparison === "6" ? field(part, "upper", set, { type: "number" }) : nothing}`;
}
