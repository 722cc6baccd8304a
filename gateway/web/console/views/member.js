// One member: the summary, the history, and the changes that can be made by hand.
import { confirm, done, newKey, refresh, run } from "../actions.js";
import { number, t, time } from "../language.js";
import { html, live, nothing } from "../lit.js";
import { api } from "../page.js";
import { checkView, forget, newCheck } from "./member_check.js";
import { membersChanged } from "./members.js";

const MOST_KEPT = 20;

// By id: what was typed for a member, and above all the key of a change whose answer was lost, must
// not be lost or used for another member when the user looks at another one meanwhile.
const kept = new Map();
let model = newModel("");

function newModel(id) {
  return { busy: false, id, member: null, isUnknown: false, rules: [], delta: "", key: "", level: "", partner: "", check: newCheck() };
}

async function load([id = ""]) {
  model = kept.get(id) ?? newModel(id);
  kept.delete(id);
  kept.set(id, model);
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  await read(model);
}

async function read(mine) {
  await refresh(mine, async () => {
    const [member, book] = await Promise.all([
      api.get(`/userlevel/summary/${encodeURIComponent(mine.id)}`),
      api.get("/vipBiz/version"),
    ]);
    forget(mine.check);
    return { member, rules: book.rules, isUnknown: false };
  }, (error) => {
    mine.isUnknown = error.reason === "USER_NOT_FOUND";
    return mine.isUnknown;
  });
}

/** Called before a change, because its answer may be lost, and after it. */
function mayChange(mine) {
  forget(mine.check);
  membersChanged();
}

async function addPoints(event) {
  event.preventDefault();
  const mine = model;
  const { id, member } = mine;
  const delta = Number(mine.delta);
  // The same key until the change is known to be made: a repetition after a lost answer adds nothing.
  mine.key ||= newKey();
  const points = number(Math.abs(delta));
  const text = delta < 0 ? t("member.points.remove.sure", { points, id }) : t("member.points.sure", { points, id });
  const title = delta < 0 ? t("member.points.remove") : t("member.points");
  if (!(await confirm(mine, { title, text, action: title }))) return;
  mayChange(mine);
  const result = await run(mine, () => api.post(`/userlevel/points/${encodeURIComponent(id)}`, {
    delta, billNo: mine.key, expectedVersion: member.version,
  }), (error) => {
    // Then nothing was added, and the new state is shown, so that the user can decide again.
    if (error.reason === "VERSION_MISMATCH") read(mine);
    return false;
  });
  if (!result) return;
  mayChange(mine);
  Object.assign(mine, { delta: "", key: "" });
  done(t("member.points.done", { id, points: number(result.points), level: result.level }));
  await read(mine);
}

async function setLevel(event) {
  event.preventDefault();
  const mine = model;
  const { id, level } = mine;
  const text = t("member.level.sure", { id, level });
  if (!(await confirm(mine, { title: t("member.level"), text, action: t("member.level") }))) return;
  mayChange(mine);
  const body = { vipLevel: Number(level), partnerId: mine.partner.trim() };
  const isDone = await run(mine, async () => {
    await api.post(`/userlevel/${encodeURIComponent(id)}`, body);
    return true;
  });
  if (!isDone) return;
  mayChange(mine);
  Object.assign(mine, { level: "", partner: "" });
  done(t("member.level.done", { id, level }));
  await read(mine);
}

function summary(member) {
  const { current } = member;
  return html`
    <section class="card">
      <h2>${t("level.n", { level: current.level })} ${member.levelName}</h2>
      <p>${t("points.n", { points: number(current.points) })} · ${current.byHand ? t("by_hand") : t("earned")}
        ${member.protectedUntil ? html` · ${t("member.protected", { time: time(member.protectedUntil) })}` : nothing}</p>
      <p>${riskText(member, model.rules)}</p>
      ${member.higherLevels.length ? html`
        <ul>${member.higherLevels.map((each) => html`
          <li>${t("member.missing", { points: number(each.pointsMissing), level: each.level, name: each.name })}</li>`)}</ul>` : nothing}
    </section>`;
}

function riskText({ current, demotion }, rules) {
  if (demotion.isDue) return t("member.risk.due", { level: demotion.earnedLevel ?? "?" });
  if (demotion.margin === undefined) return t("member.risk.none");
  if (current.level <= Math.min(...rules.map((rule) => rule.vipLevel))) return t("member.risk.lowest");
  return t("member.risk.margin", { points: number(demotion.margin) });
}

function changes(member) {
  return html`
    <section class="card">
      <h2>${t("member.history")}</h2>
      <ol class="timeline">${member.changes.map((each) => html`
        <li><time datetime=${each.time}>${time(each.time)}</time>
          <b>${t(`kind.${each.kind}`)}</b>
          <span>${stateText(each.from)} → ${stateText(each.to)}</span>
          <small>${each.app || t("nobody")}${each.partnerId ? ` · ${each.partnerId}` : ""}</small></li>`)}</ol>
      ${member.complete ? nothing : html`<p class="soft">${t("member.history.incomplete")}</p>`}
    </section>`;
}

function stateText(state) {
  if (!state) return "–";
  return `${t("level.n", { level: state.level })}, ${t("points.n", { points: number(state.points) })}`;
}

function facts({ stars, gameInfos, total }) {
  return html`
    <section class="card">
      <h2>${t("member.facts", { total: number(total) })}</h2>
      ${total === 0 ? html`<p>${t("member.facts.none")}</p>` : nothing}
      ${stars.length ? html`<p>${t("member.stars")}: ${stars.map((each) => `${each.gid} (${t(`device.${each.device}`)})`).join(", ")}</p>` : nothing}
      ${gameInfos.length ? html`<ul>${gameInfos.map((each) => html`
        <li>${[each.gameCode, each.areaId, each.platId, each.partitionId, each.roleName, each.gameCheckInfoId].filter((part) => part !== "").join(" / ")}:
          ${each.code ?? ""} ${each.number ?? ""}</li>`)}</ul>` : nothing}
    </section>`;
}

function edits() {
  if (!api.has("member:write")) return nothing;
  const mine = model;
  const typed = (name) => (event) => { mine[name] = event.target.value; if (name === "delta") mine.key = ""; };
  return html`
    <section class="card">
      <h2>${t("member.change")}</h2>
      <form class="line" @submit=${addPoints}>
        <label>${t("member.delta")} <input type="number" required step="1" min="-2147483647" max="2147483647" data-field="delta" .value=${model.delta} @input=${typed("delta")}></label>
        <button aria-disabled=${model.busy}>${t("member.points")}</button>
      </form>
      <form class="line" @submit=${setLevel}>
        <label>${t("level")} <select required data-field="vipLevel" @change=${typed("level")}>
          <option value="" .selected=${live(model.level === "")}>${t("choose")}</option>
          ${model.rules.map((rule) => html`<option value=${rule.vipLevel} .selected=${live(String(rule.vipLevel) === model.level)}>${rule.vipLevel} ${rule.name}</option>`)}
        </select></label>
        <label>${t("member.partner")} <input required maxlength="128" autocapitalize="none" autocomplete="off" data-field="partnerId" aria-describedby="partner-why" .value=${model.partner} @input=${typed("partner")}></label>
        <button aria-disabled=${model.busy}>${t("member.level")}</button>
      </form>
      <p class="soft" id="partner-why">${t("member.partner.why")}</p>
    </section>`;
}

function draw() {
  const title = html`<p><a href="#/members">${t("member.back")}</a></p><h1><bdi>${model.id}</bdi></h1>`;
  if (model.isUnknown) return html`${title}<p>${t("member.unknown")}</p>`;
  if (!model.member) return html`${title}<p aria-busy="true">${t("loading")}</p>`;
  return html`${title}${summary(model.member)}${checkView(model.check, model.id, model.rules)}${edits()}${changes(model.member)}${facts(model.member.facts)}`;
}

export const memberView = { name: "member", scopes: ["member:read"], under: "members", arrive: load, draw };
