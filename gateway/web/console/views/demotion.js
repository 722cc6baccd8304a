// Demotion: a plan by level, a run at a chosen rate, its progress, and past runs.
import { confirm, done, refresh, run } from "../actions.js";
import { number, t, time } from "../language.js";
import { html, nothing } from "../lit.js";
import { api, page, update } from "../page.js";
import { movesTable } from "./moves.js";

const RUNNING = "STATE_RUNNING";
const POLL_MS = 1_000;

const model = { busy: false, plan: null, rate: "", runs: null };
let timer = 0;

async function load() {
  await refresh(model, readRuns);
  follow();
}

async function readRuns() {
  const { runs } = await api.get("/leveldown/runs");
  const isPlanUsed = runs.some((each) => each.runId === model.plan?.planId);
  return isPlanUsed ? { runs, plan: null } : { runs };
}

function running() {
  return model.runs?.find((each) => each.state === RUNNING);
}

/** Reads the progress again every second for as long as a run is in progress and this view is shown. */
function follow() {
  clearTimeout(timer);
  if (running() && isShown()) timer = setTimeout(() => { if (isShown()) load(); }, POLL_MS);
}

function isShown() {
  return page.place[0] === demotionView.name && api.isSignedIn;
}

async function makePlan() {
  await run(model, async () => {
    model.plan = await api.post("/leveldown/plan", { sampleSize: 10 });
  });
}

async function start(event) {
  event.preventDefault();
  const { planId, members } = model.plan;
  const text = t("demotion.start.sure", { members: number(members) });
  if (!(await confirm(model, { title: t("demotion.start"), text, action: t("demotion.start") }))) return;
  await run(model, async () => {
    const rate = model.rate === "" ? undefined : Number(model.rate);
    await api.post("/leveldown/run", { planId, rate });
    done(t("demotion.is_started"));
  }, (error) => {
    if (error.reason === "PLAN_STALE" || error.reason === "PLAN_NOT_FOUND") model.plan = null;
    return false;
  });
  await load();
}

async function stop(runId) {
  const text = t("demotion.stop.sure");
  if (!(await confirm(model, { title: t("demotion.stop"), text, action: t("demotion.stop") }))) return;
  await run(model, async () => {
    await api.post("/leveldown/stop", { runId });
    done(t("demotion.stopping"));
  });
  await load();
}

function planView() {
  if (!api.has("member:demote")) return html`<p class="soft">${t("demotion.read_only")}</p>`;
  return html`
    <section class="card">
      <h2>${t("demotion.plan")}</h2>
      <p>${t("demotion.plan.why")}</p>
      <button type="button" aria-disabled=${model.busy} @click=${makePlan}>${t("demotion.plan.make")}</button>
      ${model.plan ? planned(model.plan) : nothing}
    </section>`;
}

function planned(plan) {
  return html`
    <h3>${t("demotion.planned", { members: number(plan.members) })}</h3>
    ${movesTable(plan.moves)}
    ${plan.protectionEnded ? html`<p>${t("demotion.protection_ended", { members: number(plan.protectionEnded) })}</p>` : nothing}
    ${plan.sample.length ? html`
      <details><summary>${t("demotion.sample")}</summary>
        <ul>${plan.sample.map((each) => html`
          <li><a href="#/member/${encodeURIComponent(each.userId)}">${each.userId}</a>:
            ${t("points.n", { points: number(each.points) })}, ${each.fromLevel} → ${each.toLevel}</li>`)}</ul>
      </details>` : nothing}
    <form @submit=${start}>
      <label>${t("demotion.rate")}
        <input type="number" min="1" max="100000" data-field="rate" .value=${model.rate} placeholder=${t("demotion.rate.none")}
          @input=${(event) => { model.rate = event.target.value; update(); }}></label>
      <button class="main" aria-disabled=${model.busy} ?disabled=${plan.members === 0 || running() !== undefined}>${t("demotion.start")}</button>
    </form>`;
}

function progressView() {
  const current = running();
  if (!current) return nothing;
  return html`
    <section class="card">
      <h2>${t("demotion.running")}</h2>
      <progress max="100" value=${current.percent} aria-label=${t("demotion.running")}></progress>
      <p>${current.percent} % · ${t("demotion.done", { members: number(current.members) })}</p>
      ${api.has("member:demote") ? html`<button type="button" class="danger" aria-disabled=${model.busy} @click=${() => stop(current.runId)}>${t("demotion.stop")}</button>` : nothing}
    </section>`;
}

function pastRuns() {
  const past = model.runs.filter((each) => each.state !== RUNNING);
  if (past.length === 0) return html`<p>${t("demotion.no_runs")}</p>`;
  return html`
    <div class="scroll" tabindex="0"><table>
      <thead><tr><th>${t("demotion.started")}</th><th>${t("demotion.ended")}</th><th>${t("demotion.state")}</th>
        <th>${t("app")}</th><th class="number">${t("members")}</th></tr></thead>
      <tbody>${past.map((each) => html`
        <tr><td class="when">${each.started ? time(each.started) : "–"}</td><td class="when">${each.ended ? time(each.ended) : "–"}</td>
          <td>${stateText(each)}</td><td>${each.app || t("demotion.scheduled")}</td>
          <td class="number">${number(each.members)}</td></tr>`)}</tbody>
    </table></div>`;
}

function stateText(each) {
  if (each.state === "STATE_DONE") return t("demotion.state.done");
  return each.stoppedBy === undefined ? t("demotion.state.rules") : t("demotion.state.stopped", { app: each.stoppedBy });
}

function draw() {
  return html`
    <h1>${t("view.demotion")}</h1>
    ${progressView()}${planView()}
    <section class="card">
      <h2>${t("demotion.past")}</h2>
      ${model.runs ? pastRuns() : html`<p aria-busy="true">${t("loading")}</p>`}
    </section>`;
}

export const demotionView = { name: "demotion", scopes: ["member:read"], arrive: load, draw };
