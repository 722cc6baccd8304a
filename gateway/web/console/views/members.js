// Finding members: by id or its beginning, or all of a level by points.
import { patiently, refresh } from "../actions.js";
import { number, t } from "../language.js";
import { html, nothing, repeat } from "../lit.js";
import { api, page, update } from "../page.js";

const model = { prefix: "", level: "", levels: [], found: null, isStale: false };

/** A member was changed, so what was found is read again when this view is shown. */
export function membersChanged() {
  model.isStale = true;
}

async function load() {
  await Promise.all([
    refresh(model, async () => ({ levels: (await api.get("/members/count")).levels })),
    readAgain(model.found),
  ]);
}

/** What was found stays until as many members are read again, so that Back returns to its place. */
async function readAgain(old) {
  if (!model.isStale || !old) return;
  model.isStale = false;
  const found = newSearch(old.path, old.query);
  const isHere = () => model.found === old && isShown();
  const isRead = await refresh(found, async () => {
    do await readPage(found); while (!found.isEnd && found.members.length < old.members.length && isHere());
  });
  if (isRead && isHere()) model.found = found;
  else model.isStale = true;
  update();
}

async function search(event) {
  event.preventDefault();
  await start("/members/search", { prefix: model.prefix, pageSize: 50 });
}

async function list(event) {
  event.preventDefault();
  await start("/members/list", { level: model.level, pageSize: 100 });
}

/** A new search replaces the one in progress. */
async function start(path, query) {
  Object.assign(model, { found: newSearch(path, query), isStale: false });
  await more(model.found);
}

function newSearch(path, query) {
  return { path, query, members: [], cursor: "", percent: 0, isEnd: false, isSearching: false };
}

/** A search visits the store part by part, so an answer may have few members although more follow. */
async function more(found) {
  if (found.isSearching) return;
  found.isSearching = true;
  update();
  const wanted = found.members.length + found.query.pageSize;
  await refresh(found, async () => {
    while (!found.isEnd && found.members.length < wanted && isWanted(found)) await readPage(found);
  });
  found.isSearching = false;
  update();
}

async function readPage(found) {
  const { path, query, cursor } = found;
  const answer = await patiently(() => api.get(path, { ...query, cursor }));
  found.members.push(...answer.members);
  Object.assign(found, { cursor: answer.nextCursor, percent: answer.percent ?? 0, isEnd: answer.nextCursor === "" });
  update();
}

function isWanted(found) {
  return model.found === found && isShown();
}

function isShown() {
  return page.place[0] === membersView.name && api.isSignedIn;
}

function results(found) {
  return html`
    <section class="card">
      <p role="status">${t("members.found", { members: number(found.members.length) })}
        ${found.isEnd ? "" : t(found.isSearching ? "members.searching" : "members.more")}</p>
      ${found.isSearching ? html`<progress max="100" value=${found.percent} aria-label=${t("members.searched")}></progress>` : nothing}
      <ul class="plain list">${repeat(found.members, (each) => each.userId, memberRow)}</ul>
      ${found.isEnd ? nothing : html`<button type="button" aria-disabled=${found.isSearching} @click=${() => more(found)}>${t("more")}</button>`}
    </section>`;
}

function memberRow(each) {
  return html`
    <li><a href="#/member/${encodeURIComponent(each.userId)}"><bdi>${each.userId}</bdi></a>
      <span>${t("level.n", { level: each.level })}${each.byHand ? ` (${t("by_hand")})` : ""} · ${t("points.n", { points: number(each.points) })}</span></li>`;
}

function draw() {
  return html`
    <h1>${t("view.members")}</h1>
    <section class="card finders">
      <form class="line" @submit=${search}>
        <label>${t("members.prefix")}
          <input type="search" required maxlength="128" autocapitalize="none" autocomplete="off" spellcheck="false" data-field="prefix"
            .value=${model.prefix} @input=${(event) => { model.prefix = event.target.value; }}></label>
        <button class="main">${t("members.search")}</button>
      </form>
      <form class="line" @submit=${list}>
        <label>${t("members.by_level")}
          <select required data-field="level" @change=${(event) => { model.level = event.target.value; }}>
            <option value="">${t("choose")}</option>
            ${model.levels.map((each) => html`<option value=${each.level} ?selected=${String(each.level) === model.level}>
              ${t("level.n", { level: each.level })} · ${t("members.n", { members: number(each.members) })}</option>`)}
          </select></label>
        <button>${t("members.list")}</button>
      </form>
    </section>
    ${model.found ? results(model.found) : nothing}`;
}

export const membersView = { name: "members", scopes: ["member:read"], arrive: load, draw };
