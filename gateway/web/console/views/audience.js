// The audience: all users who satisfy a condition, counted, explained and downloaded.
import { done, patiently, report, run } from "../actions.js";
import { newPart, toContract } from "../condition.js";
import { number, t } from "../language.js";
import { html, nothing } from "../lit.js";
import { api, update } from "../page.js";
import { conditionForm } from "./condition_form.js";
import { verdict } from "./member_check.js";

const PAGE = 1_000;
const SAMPLE = 10;

const model = {
  busy: false,
  group: newPart("group"),
  count: null,
  sample: null,
  openid: "",
  checked: null,
  /** A search in progress or interrupted: see `newSearch`. */
  search: null,
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
    const found = await api.post("/upbot/api/CountUsers", { condition: asked, estimate });
    if (isStill(asked)) model.count = found;
  });
}

/** Whether the condition was not changed meanwhile. */
function isStill(asked) {
  return JSON.stringify(asked) === JSON.stringify(toContract(model.group));
}

function newSearch(asked, pageSize, isEnough, take, finish) {
  return { asked, pageSize, isEnough, take, finish, cursor: "", percent: 0, users: 0, isCancelled: false, isInterrupted: false };
}

/** Reads page by page. After a failure the search stays, so that it can continue where it was. */
async function proceed(search) {
  if (model.busy) return;
  Object.assign(search, { isInterrupted: false });
  model.search = search;
  await run(model, async () => {
    do await readPage(search); while (search.cursor && !search.isCancelled && !search.isEnough());
  }, (error) => {
    search.isInterrupted = true;
    report(error);
    return true;
  });
  if (search.isInterrupted) return;
  model.search = null;
  if (!search.isCancelled) search.finish(search);
  update();
}

async function readPage(search) {
  const body = { condition: search.asked, page_size: search.pageSize, cursor: search.cursor };
  const found = await patiently(() => api.post("/upbot/api/FindUsers", body));
  search.take(found.openids);
  Object.assign(search, { cursor: found.next_cursor, percent: found.percent, users: search.users + found.openids.length });
  update();
}

function cancel(search) {
  search.isCancelled = true;
  if (search.isInterrupted) model.search = null;
  update();
}

async function sample() {
  const asked = condition();
  if (!asked) return;
  const users = [];
  await proceed(newSearch(asked, SAMPLE, () => users.length >= SAMPLE, (found) => users.push(...found), () => {
    if (isStill(asked)) model.sample = users.slice(0, SAMPLE);
  }));
}

async function check(event) {
  event.preventDefault();
  const asked = condition();
  if (!asked) return;
  await run(model, async () => {
    const openid = model.openid.trim();
    const found = await api.post("/upbot/api/CheckEligibility", { openid, condition: asked, explain: true });
    if (isStill(asked)) model.checked = found;
  });
}

async function download(format) {
  const asked = condition();
  if (!asked) return;
  const parts = [format.head];
  await proceed(newSearch(asked, PAGE, () => false, (found) => parts.push(found.map(format.line).join("")), ({ users }) => {
    keep(new Blob(parts, { type: format.type }), `audience-${today()}.${format.name}`);
    done(t("audience.downloaded", { users: number(users) }));
  }));
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

/** The date where the user is, as 2026-01-31. */
function today() {
  const now = new Date();
  return [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

function countText({ users, estimated, error }) {
  if (!estimated) return t("audience.count", { users: number(users) });
  return t("audience.estimate", { users: number(users), error: number(error) });
}

function progress(search) {
  return html`
    <progress max="100" value=${search.percent} aria-label=${t("audience.searching")}></progress>
    <p>${search.percent} % · ${t("audience.so_far", { users: number(search.users) })}</p>
    <div class="buttons">
      ${search.isInterrupted ? html`<button type="button" class="main" @click=${() => proceed(search)}>${t("audience.continue")}</button>` : nothing}
      <button type="button" @click=${() => cancel(search)}>${t("cancel")}</button>
    </div>`;
}

function results() {
  return html`
    <div role="status">${model.count ? html`<p><strong>${countText(model.count)}</strong></p>` : nothing}</div>
    ${model.search ? progress(model.search) : nothing}
    ${model.sample ? html`
      <h2>${t("audience.sample")}</h2>
      ${model.sample.length ? html`<ul>${model.sample.map(user)}</ul>` : html`<p>${t("audience.nobody")}</p>`}` : nothing}`;
}

function user(id) {
  if (!api.has("member:read")) return html`<li><bdi>${id}</bdi></li>`;
  return html`<li><a href="#/member/${encodeURIComponent(id)}"><bdi>${id}</bdi></a></li>`;
}

function explanation() {
  if (!api.has("upbot:check")) return nothing;
  const typed = (event) => { Object.assign(model, { openid: event.target.value, checked: null }); update(); };
  return html`
    <section class="card">
      <h2>${t("audience.explain")}</h2>
      <form class="line" @submit=${check}>
        <label>${t("audience.openid")} <input required maxlength="128" autocapitalize="none" autocomplete="off" spellcheck="false" data-field="openid"
          .value=${model.openid} @input=${typed}></label>
        <button aria-disabled=${model.busy}>${t("check.run")}</button>
      </form>
      <div role="status">${model.checked ? verdict(model.checked) : nothing}</div>
    </section>`;
}

function draw() {
  const button = (text, action) => html`<button type="button" aria-disabled=${model.busy} @click=${action}>${text}</button>`;
  return html`
    <h1>${t("view.audience")}</h1>
    <section class="card">
      <form id="condition" @submit=${(event) => { event.preventDefault(); count(false); }}>
        ${conditionForm(model.group, changed)}
        <div class="buttons">
          <button class="main" aria-disabled=${model.busy}>${t("audience.count.exact")}</button>
          ${button(t("audience.count.estimate"), () => count(true))}
          ${button(t("audience.show_sample"), sample)}
          ${FORMATS.map((format) => button(t("audience.download", { format: format.name.toUpperCase() }), () => download(format)))}
        </div>
      </form>
      ${results()}
    </section>
    ${explanation()}`;
}

export const audienceView = { name: "audience", scopes: ["upbot:find"], draw };
