// The audience: all users who satisfy a condition, counted, explained and downloaded.
import { done, run } from "../actions.js";
import { newPart, toContract } from "../condition.js";
import { number, t } from "../language.js";
import { html, nothing } from "../lit.js";
import { api, update } from "../page.js";
import { conditionForm } from "./condition_form.js";
import { explained } from "./member_check.js";

const PAGE = 1_000;

const model = {
  busy: false,
  group: { ...newPart("group"), parts: [newPart("level_at_least")] },
  count: null,
  sample: null,
  openid: "",
  checked: null,
  /** A download: {percent, users, isCancelled}. */
  download: null,
};

function changed() {
  Object.assign(model, { count: null, sample: null, checked: null });
}

/** The browser shows which field of the condition is wrong. */
function condition() {
  return document.getElementById("condition").reportValidity() ? toContract(model.group) : null;
}

async function count(estimate) {
  const asked = condition();
  if (!asked) return;
  await run(model, async () => {
    model.count = await api.post("/upbot/api/CountUsers", { condition: asked, estimate });
  });
}

async function sample() {
  const asked = condition();
  if (!asked) return;
  await run(model, async () => {
    let found = { openids: [], next_cursor: "" };
    do {
      found = await api.post("/upbot/api/FindUsers", { condition: asked, page_size: 10, cursor: found.next_cursor });
    } while (found.openids.length === 0 && found.next_cursor);
    model.sample = found.openids;
  });
}

async function check(event) {
  event.preventDefault();
  const asked = condition();
  if (!asked) return;
  await run(model, async () => {
    const openid = model.openid.trim();
    model.checked = await api.post("/upbot/api/CheckEligibility", { openid, condition: asked, explain: true });
  });
}

async function download(format) {
  const asked = condition();
  if (!asked) return;
  const progress = { percent: 0, users: 0, isCancelled: false };
  model.download = progress;
  const parts = [format.head];
  const isWhole = await run(model, async () => {
    let cursor = "";
    do {
      const found = await api.post("/upbot/api/FindUsers", { condition: asked, page_size: PAGE, cursor });
      parts.push(found.openids.map(format.line).join(""));
      cursor = found.next_cursor;
      progress.percent = found.percent;
      progress.users += found.openids.length;
      update();
    } while (cursor && !progress.isCancelled);
    return !progress.isCancelled;
  });
  model.download = null;
  update();
  if (!isWhole) return;
  keep(new Blob(parts, { type: format.type }), `audience.${format.name}`);
  done(t("audience.downloaded", { users: number(progress.users) }));
}

const FORMATS = [
  { name: "csv", type: "text/csv;charset=utf-8", head: "user_id\r\n", line: (id) => `"${id.replaceAll('"', '""')}"\r\n` },
  { name: "ndjson", type: "application/x-ndjson", head: "", line: (id) => `${JSON.stringify({ user_id: id })}\n` },
];

function keep(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function countText({ users, estimated, error }) {
  if (!estimated) return t("audience.count", { users: number(users) });
  return t("audience.estimate", { users: number(users), error: number(error) });
}

function results() {
  return html`
    <div aria-live="polite">
      ${model.count ? html`<p><strong>${countText(model.count)}</strong></p>` : nothing}
      ${model.sample ? html`
        <h2>${t("audience.sample")}</h2>
        ${model.sample.length ? html`<ul>${model.sample.map((id) => html`<li><a href="#/member/${encodeURIComponent(id)}">${id}</a></li>`)}</ul>` : html`<p>${t("audience.nobody")}</p>`}` : nothing}
      ${model.download ? html`
        <progress max="100" value=${model.download.percent} aria-label=${t("audience.downloading")}></progress>
        <p>${model.download.percent} % · ${number(model.download.users)}
          <button type="button" @click=${() => { model.download.isCancelled = true; }}>${t("cancel")}</button></p>` : nothing}
    </div>`;
}

function explanation() {
  if (!api.has("upbot:check")) return nothing;
  return html`
    <section class="card">
      <h2>${t("audience.explain")}</h2>
      <form @submit=${check}>
        <label>${t("audience.openid")} <input required maxlength="128" autocapitalize="none" autocomplete="off" .value=${model.openid} @input=${(event) => { model.openid = event.target.value; }}></label>
        <button ?disabled=${model.busy}>${t("check.run")}</button>
      </form>
      <div aria-live="polite">${model.checked ? html`<p><strong>${model.checked.ok ? t("check.yes") : t("check.no")}</strong></p>
        ${model.checked.explanation ? html`<ul>${model.checked.explanation.unmet.map((each) => html`<li>${explained(each)}</li>`)}</ul>` : nothing}` : nothing}</div>
    </section>`;
}

function draw() {
  return html`
    <h1>${t("view.audience")}</h1>
    <section class="card">
      <form id="condition" @submit=${(event) => { event.preventDefault(); count(false); }}>
        ${conditionForm(model.group, changed)}
        <div class="buttons">
          <button class="main" ?disabled=${model.busy}>${t("audience.count.exact")}</button>
          <button type="button" ?disabled=${model.busy} @click=${() => count(true)}>${t("audience.count.estimate")}</button>
          <button type="button" ?disabled=${model.busy} @click=${sample}>${t("audience.show_sample")}</button>
          ${FORMATS.map((format) => html`<button type="button" ?disabled=${model.busy} @click=${() => download(format)}>${t("audience.download", { format: format.name.toUpperCase() })}</button>`)}
        </div>
      </form>
      ${results()}
    </section>
    ${explanation()}`;
}

export const audienceView = { name: "audience", scopes: ["upbot:find"], draw };
