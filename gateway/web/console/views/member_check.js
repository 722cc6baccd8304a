// A check of one member against a level, explained in words.
import { run } from "../actions.js";
import { number, t } from "../language.js";
import { html, nothing } from "../lit.js";
import { api } from "../page.js";

const model = { busy: false, level: "", result: null };

export function forgetCheck() {
  Object.assign(model, { level: "", result: null });
}

async function check(event, openid) {
  event.preventDefault();
  await run(model, async () => {
    const condition = { level_at_least: Number(model.level) };
    model.result = await api.post("/upbot/api/CheckEligibility", { openid, condition, explain: true });
  });
}

export function checkView(openid, rules) {
  if (!api.has("upbot:check")) return nothing;
  return html`
    <section class="card">
      <h2>${t("check.title")}</h2>
      <form @submit=${(event) => check(event, openid)}>
        <label>${t("check.level")} <select required @change=${(event) => { model.level = event.target.value; model.result = null; }}>
          <option value="">${t("choose")}</option>
          ${rules.map((rule) => html`<option value=${rule.vipLevel} ?selected=${String(rule.vipLevel) === model.level}>${rule.vipLevel} ${rule.name}</option>`)}
        </select></label>
        <button ?disabled=${model.busy}>${t("check.run")}</button>
      </form>
      <div aria-live="polite">${model.result ? html`<p><strong>${model.result.ok ? t("check.yes") : t("check.no")}</strong></p>
        ${model.result.explanation ? html`<ul>${model.result.explanation.unmet.map((each) => html`<li>${explained(each)}</li>`)}</ul>` : nothing}` : nothing}</div>
    </section>`;
}

/** One unmet condition in words; audience.js uses it, too. */
export function explained({ asked, has, points_missing: missing }) {
  const level = asked.level_at_least ?? asked.level_in?.levels?.join(", ");
  const state = has.level === undefined ? t("check.unknown") : t("check.has", { level: has.level, points: number(has.points) });
  if (level === undefined) return `${state} ${t("check.unmet", { condition: JSON.stringify(asked) })}`;
  if (missing === undefined) return `${state} ${t("check.no_points", { level })}`;
  return `${state} ${t("check.missing", { points: number(missing), level })}`;
}
