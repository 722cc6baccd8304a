// Composes a condition by clicking.
import { changeKind, COMPARISONS, KINDS, newPart } from "../condition.js";
import { t } from "../language.js";
import { html, live, nothing } from "../lit.js";
import { update } from "../page.js";

// The contract allows 8; the group of the form itself is one of them.
const DEEPEST_GROUP = 6;

/** `changed` is called after each change. `path` is how the service names the group in an error. */
export function conditionForm(group, changed, path = "condition", depth = 0) {
  const list = `${path}.${group.isAny ? "any" : "all"}`;
  const change = (work) => () => { work(); changed(); update(); };
  return html`
    <fieldset class="group">
      <legend>${depth === 0 ? t("audience.users") : t("condition.group")}</legend>
      <label>${t("condition.join")}
        <select @change=${(event) => { group.isAny = event.target.value === "any"; changed(); update(); }}>
          <option value="all" ?selected=${!group.isAny}>${t("condition.all")}</option>
          <option value="any" ?selected=${group.isAny}>${t("condition.any")}</option>
        </select></label>
      ${group.parts.map((part, index) => partForm({
        part, changed, depth, path: `${list}.conditions[${index}]`,
        remove: group.parts.length > 1 ? change(() => group.parts.splice(index, 1)) : null,
      }))}
      <button type="button" @click=${change(() => group.parts.push(newPart("level_at_least")))}>${t("condition.add")}</button>
    </fieldset>`;
}

function partForm({ part, changed, depth, path, remove }) {
  const inner = part.isNegated ? `${path}.not` : path;
  const kinds = depth < DEEPEST_GROUP ? KINDS : KINDS.filter((kind) => kind !== "group");
  const set = (name, value) => { part[name] = value; changed(); update(); };
  return html`
    <div class="part" role="group" aria-label=${t(`condition.${part.kind}`)}>
      <label>${t("condition.kind")}
        <select @change=${(event) => { changeKind(part, event.target.value); changed(); update(); }}>
          ${kinds.map((kind) => html`<option value=${kind} ?selected=${part.kind === kind}>${t(`condition.${kind}`)}</option>`)}
        </select></label>
      <label class="inline"><input type="checkbox" .checked=${live(part.isNegated)} @change=${(event) => set("isNegated", event.target.checked)}> ${t("condition.not")}</label>
      ${FORMS[part.kind](part, set, inner, changed, depth)}
      ${remove ? html`<button type="button" @click=${remove}>${t("condition.remove")}</button>` : nothing}
    </div>`;
}

function field(part, name, set, { path, type = "text", isRequired = true, pattern, least, most } = {}) {
  return html`
    <label>${t(`condition.field.${name}`)}
      <input type=${type} ?required=${isRequired} pattern=${pattern ?? nothing} min=${least ?? nothing} max=${most ?? nothing}
        maxlength="2000" autocapitalize="none" autocomplete="off" spellcheck="false" data-field=${path}
        .value=${live(part[name])} @input=${(event) => set(name, event.target.value)}></label>`;
}

const NUMBERS = "\\s*\\d{1,10}([\\s,，]+\\d{1,10})*\\s*";
const INT32 = { type: "number", least: 0, most: 2 ** 31 - 1 };

const FORMS = {
  level_at_least: (part, set, path) => field(part, "level", set, { ...INT32, path: `${path}.level_at_least` }),
  level_in: (part, set, path) => field(part, "levels", set, { pattern: NUMBERS, path: `${path}.level_in.levels` }),
  points: (part, set, path) => comparisonForm(part, set, `${path}.points`, true),
  star: (part, set, path) => html`
    ${field(part, "gids", set, { pattern: NUMBERS, path: `${path}.star.gids` })}
    <label>${t("condition.field.device")}
      <select @change=${(event) => set("device", event.target.value)}>
        ${["", "1", "2"].map((device) => html`<option value=${device} ?selected=${part.device === device}>${t(`device.${device || "any"}`)}</option>`)}
      </select></label>`,
  game_info: gameInfoForm,
  group: (part, set, path, changed, depth) => conditionForm(part, changed, path, depth + 1),
};

function gameInfoForm(part, set, path) {
  const own = (name, rest) => field(part, name, set, { path: `${path}.game_info.${name === "codes" ? "xinyue_codes" : name}`, ...rest });
  return html`
    ${["game_code", "area_id", "plat_id"].map((name) => own(name))}
    ${["partition_id", "role_name"].map((name) => own(name, { isRequired: false }))}
    ${own("game_check_info_id", INT32)}
    ${own("codes", { isRequired: !part.comparison })}
    ${comparisonForm(part, set, `${path}.game_info.compare_info`, false)}`;
}

function comparisonForm(part, set, path, isRequired) {
  const choices = [...(isRequired ? [] : [["", t("condition.no_comparison")]]), ...Object.entries(COMPARISONS)];
  return html`
    <label>${t("condition.field.comparison")}
      <select @change=${(event) => set("comparison", event.target.value)}>
        ${choices.map(([value, text]) => html`<option value=${value} ?selected=${part.comparison === value}>${value === "6" ? t("condition.between") : text}</option>`)}
      </select></label>
    ${part.comparison ? field(part, "value", set, { type: "number", path: `${path}.value` }) : nothing}
    ${part.comparison === "6" ? field(part, "upper", set, { type: "number", path: `${path}.rvalue` }) : nothing}`;
}
