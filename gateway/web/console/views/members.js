// Finding members: by id or its beginning, or all of a level by points.
import { run } from "../actions.js";
import { number, t } from "../language.js";
import { html, nothing, repeat } from "../lit.js";
import { api, update } from "../page.js";

const model = { busy: false, prefix: "", level: "", levels: [], found: null };

async function load() {
  await run(model, async () => {
    model.levels = (await api.get("/members/count")).levels;
  });
}

async function search(event) {
  event.preventDefault();
  await start("/members/search", { prefix: model.prefix, pageSize: 50 });
}

async function list(event) {
  event.preventDefault();
  await start("/members/list", { level: model.level, pageSize: 100 });
}

async function start(path, query) {
  model.found = { path, query, members: [], cursor: "", percent: 0, isEnd: false };
  await more();
}

/** A search visits the store part by part, so a page may be empty although more members follow. */
async function more() {
  const { found } = model;
  const before = found.members.length;
  await run(model, async () => {
    do {
      const answer = await api.get(found.path, { ...found.query, cursor: found.cursor });
      found.members.push(...answer.members);
      Object.assign(found, { cursor: answer.nextCursor, percent: answer.percent ?? 0, isEnd: answer.nextCursor === "" });
      update();
    } while (!found.isEnd && found.members.length === before && model.found === found);
  });
}

function results() {
  const { found } = model;
  if (!found) return nothing;
  return html`
    <section class="card" aria-live="polite">
      <p>${t("members.found", { members: number(found.members.length) })}
        ${found.isEnd ? "" : t("members.more")}</p>
      ${found.percent && !found.isEnd ? html`<progress max="100" value=${found.percent} aria-label=${t("members.searched")}></progress>` : nothing}
      <ul class="plain list">${repeat(found.members, (each) => each.userId, memberRow)}</ul>
      ${found.isEnd ? nothing : html`<button type="button" ?disabled=${model.busy} @click=${more}>${t("more")}</button>`}
    </section>`;
}

function memberRow(each) {
  return html`
    <li><a href="#/member/${encodeURIComponent(each.userId)}">${each.userId}</a>
      <span>${t("level.n", { level: each.level })}${each.byHand ? ` (${t("by_hand")})` : ""} · ${t("points.n", { points: number(each.points) })}</span></li>`;
}

function draw() {
  return html`
    <h1>${t("view.members")}</h1>
    <section class="card">
      <form @submit=${search}>
        <label>${t("members.prefix")}
          <input required maxlength="128" autocapitalize="none" autocomplete="off" .value=${model.prefix} @input=${(event) => { model.prefix = event.target.value; }}></label>
        <button class="main" ?disabled=${model.busy}>${t("members.search")}</button>
      </form>
      <form @submit=${list}>
        <label>${t("members.by_level")}
          <select required @change=${(event) => { model.level = event.target.value; }}>
            <option value="">${t("choose")}</option>
            ${model.levels.map((each) => html`<option value=${each.level} ?selected=${String(each.level) === model.level}>
              ${t("level.n", { level: each.level })} · ${number(each.members)}</option>`)}
          </select></label>
        <button ?disabled=${model.busy}>${t("members.list")}</button>
      </form>
    </section>
    ${results()}`;
}

export const membersView = { name: "members", scopes: ["member:read"], arrive: load, draw };
