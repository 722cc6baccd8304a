// The rules as a form: one row for each level, with what is wrong beside the field.
import { MAX_POINTS, MOST_RULES, sorted } from "../ladder.js";
import { t } from "../language.js";
import { html, live, nothing, repeat } from "../lit.js";
import { update } from "../page.js";

const keys = new WeakMap();
let lastKey = 0;

const CONTRACT = { level: "vipLevel", name: "name", from: "downPoint", to: "upPoint", icon: "picUrl" };

export function ruleForm(rules, problems, canEdit) {
  return html`
    <div class="rules">
      ${repeat(rules, keyOf, (rule) => row(rule, rules, problems, canEdit))}
      ${canEdit && rules.length < MOST_RULES ? html`<button type="button" @click=${() => add(rules)}>${t("rules.add")}</button>` : nothing}
    </div>`;
}

/** The identity of a row while its level is being changed. */
function keyOf(rule) {
  if (!keys.has(rule)) keys.set(rule, (lastKey += 1));
  return keys.get(rule);
}

function row(rule, rules, problems, canEdit) {
  const place = sorted(rules).indexOf(rule);
  const field = (name, type) => input(rule, place, name, type, problems, canEdit);
  return html`
    <fieldset ?disabled=${!canEdit}>
      <legend>${t("level.n", { level: rule.level ?? "?" })} ${rule.name}</legend>
      ${field("level", "number")}${field("name", "text")}${field("from", "number")}${field("to", "number")}${field("icon", "text")}
      ${canEdit ? html`<button type="button" class="remove" aria-label=${t("rules.remove.level", { level: rule.level ?? "?" })} @click=${() => remove(rules, rule)}>${t("rules.remove")}</button>` : nothing}
    </fieldset>`;
}

function input(rule, place, name, type, problems, canEdit) {
  const found = problems.filter((each) => each.rule === rule && each.field === name);
  const id = `rule-${keyOf(rule)}-${name}`;
  return html`
    <div class="field ${name}">
      <label for=${id}>${t(`rules.${name}`)}</label>
      <input id=${id} type=${type} .value=${live(String(rule[name] ?? ""))} ?disabled=${!canEdit}
        inputmode=${type === "number" ? "numeric" : "text"} data-field="rules[${place}].${CONTRACT[name]}"
        min="0" max=${MAX_POINTS} maxlength=${name === "icon" ? 2048 : 128}
        aria-invalid=${found.length > 0} aria-describedby=${found.length ? `${id}-problem` : nothing}
        @input=${(event) => change(rule, name, type, event.target.value)}>
      ${found.length ? html`<span class="problem" id="${id}-problem">${t(found[0].problem)}</span>` : nothing}
    </div>`;
}

function change(rule, name, type, value) {
  if (type === "number") rule[name] = value.trim() === "" ? null : Number(value);
  else rule[name] = value;
  update();
}

function add(rules) {
  const top = sorted(rules).at(-1);
  const from = top?.to ?? 0;
  rules.push({ level: (top?.level ?? -1) + 1, name: "", from, to: Math.min(from + 1_000, MAX_POINTS), icon: "" });
  update();
}

function remove(rules, rule) {
  rules.splice(rules.indexOf(rule), 1);
  update();
}
