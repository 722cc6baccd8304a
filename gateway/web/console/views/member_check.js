// A check of one member against a level, explained in words.
import { run } from "../actions.js";
import { t } from "../language.js";
import { html, nothing } from "../lit.js";
import { api, update } from "../page.js";
import { explained } from "./condition_words.js";

export function newCheck() {
  return { busy: false, level: "", result: null, asked: null };
}

/** The result is no longer true, nor is the one that is on its way. */
export function forget(model) {
  return Object.assign(model, { result: null, asked: Symbol("asked") }).asked;
}

async function check(event, model, openid) {
  event.preventDefault();
  const asked = forget(model);
  await run(model, async () => {
    const condition = { level_at_least: Number(model.level) };
    const result = await api.post("/upbot/api/CheckEligibility", { openid, condition, explain: true });
    if (model.asked === asked) model.result = result;
  });
}

export function checkView(model, openid, rules) {
  if (!api.has("upbot:check")) return nothing;
  const choose = (event) => { model.level = event.target.value; forget(model); update(); };
  return html`
    <section class="card">
      <h2>${t("check.title")}</h2>
      <form class="line" @submit=${(event) => check(event, model, openid)}>
        <label>${t("check.level")} <select required @change=${choose}>
          <option value="">${t("choose")}</option>
          ${rules.map((rule) => html`<option value=${rule.vipLevel} ?selected=${String(rule.vipLevel) === model.level}>${rule.vipLevel} ${rule.name}</option>`)}
        </select></label>
        <button aria-disabled=${model.busy}>${t("check.run")}</button>
      </form>
      <div role="status">${model.result ? verdict(model.result) : nothing}</div>
    </section>`;
}

/** The answer to a check, with what is missing; audience.js uses it, too. */
export function verdict({ ok, explanation }) {
  return html`
    <p><strong>${ok ? t("check.yes") : t("check.no")}</strong></p>
    ${explanation?.unmet.length ? html`<ul>${explanation.unmet.map((each) => html`<li>${explained(each)}</li>`)}</ul>` : nothing}`;
}
