// One member: the summary, the history, and the changes that can be made by hand.
import { confirm, done, newKey, run } from "../actions.js";
import { number, t, time } from "../language.js";
import { html, nothing } from "../lit.js";
import { api, update } from "../page.js";
import { checkView, forgetCheck } from "./member_check.js";

const model = { busy: false, id: "", member: null, isUnknown: false, rules: [], delta: "", key: "", level: "", partner: "" };

async function load([id = ""]) {
  if (id !== model.id) {
    Object.assign(model, { id, member: null, isUnknown: false, delta: "", key: "", level: "", partner: "" });
    forgetCheck();
  }
  if (id) await run(model, read, onUnknown);
}

async function read() {
  const [member, book] = await Promise.all([
    api.get(`/userlevel/summary/${encodeURIComponent(model.id)}`),
    api.get("/vipBiz/version"),
  ]);
  Object.assign(model, { member, rules: book.rules, isUnknown: false });
}

function onUnknown(error) {
  model.isUnknown = error.reason === "USER_NOT_FOUND";
  return model.isUnknown;
}

async function addPoints(event) {
  event.preventDefault();
  const delta = Number(model.delta);
  // The same key until the change is known to be made: a repetition after a lost answer adds nothing.
  model.key ||= newKey();
  const text = t("member.points.sure", { delta: number(delta), id: model.id, key: model.key });
  if (!(await confirm({ title: t("member.points"), text }))) return;
  await run(model, async () => {
    const path = `/userlevel/points/${encodeURIComponent(model.id)}`;
    const expectedVersion = model.member.version;
    const result = await api.post(path, { delta, billNo: model.key, expectedVersion });
    Object.assign(model, { delta: "", key: "" });
    await read();
    done(t("member.points.done", { points: number(result.points), level: result.level }));
  }, refreshIfChanged);
}

/** After a mismatch the new state is shown, so that the user can decide again. */
function refreshIfChanged(error) {
  if (error.reason === "VERSION_MISMATCH") {
    model.key = "";
    read().then(() => update(), () => {});
  }
  return false;
}

async function setLevel(event) {
  event.preventDefault();
  const text = t("member.level.sure", { id: model.id, level: model.level });
  if (!(await confirm({ title: t("member.level"), text }))) return;
  await run(model, async () => {
    const body = { vipLevel: Number(model.level), partnerId: model.partner.trim() };
    await api.post(`/userlevel/${encodeURIComponent(model.id)}`, body);
    await read();
    done(t("member.level.done", { level: model.level }));
  });
}

function summary(member) {
  const { current, demotion } = member;
  return html`
    <section class="card">
      <h2>${t("level.n", { level: current.level })} ${member.levelName}</h2>
      <p>${t("points.n", { points: number(current.points) })} · ${current.byHand ? t("by_hand") : t("earned")}
        ${member.protectedUntil ? html` · ${t("member.protected", { time: time(member.protectedUntil) })}` : nothing}</p>
      <p>${riskText(demotion)}</p>
      ${member.higherLevels.length ? html`
        <ul>${member.higherLevels.map((each) => html`
          <li>${t("member.missing", { points: number(each.pointsMissing), level: each.level, name: each.name })}</li>`)}</ul>` : nothing}
    </section>`;
}

function riskText(demotion) {
  if (demotion.isDue) return t("member.risk.due", { level: demotion.earnedLevel ?? "?" });
  if (demotion.margin === undefined) return t("member.risk.none");
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
      ${stars.length ? html`<p>${t("member.stars")}: ${stars.map((each) => `${each.gid} (${t(`device.${each.device}`)})`).join(", ")}</p>` : nothing}
      ${gameInfos.length ? html`<ul>${gameInfos.map((each) => html`
        <li>${[each.gameCode, each.areaId, each.platId, each.partitionId, each.roleName, each.gameCheckInfoId].filter((part) => part !== "").join(" / ")}:
          ${each.code ?? ""} ${each.number ?? ""}</li>`)}</ul>` : nothing}
    </section>`;
}

function edits() {
  if (!api.has("member:write")) return nothing;
  const typed = (name) => (event) => { model[name] = event.target.value; if (name === "delta") model.key = ""; };
  return html`
    <section class="card">
      <h2>${t("member.change")}</h2>
      <form @submit=${addPoints}>
        <label>${t("member.delta")} <input type="number" required step="1" min="-2147483648" max="2147483647" .value=${model.delta} @input=${typed("delta")}></label>
        <button ?disabled=${model.busy}>${t("member.points")}</button>
      </form>
      <form @submit=${setLevel}>
        <label>${t("level")} <select required @change=${typed("level")}>
          <option value="">${t("choose")}</option>
          ${model.rules.map((rule) => html`<option value=${rule.vipLevel} ?selected=${String(rule.vipLevel) === model.level}>${rule.vipLevel} ${rule.name}</option>`)}
        </select></label>
        <label>${t("member.partner")} <input required maxlength="128" .value=${model.partner} @input=${typed("partner")}></label>
        <button ?disabled=${model.busy}>${t("member.level")}</button>
      </form>
    </section>`;
}

function draw() {
  const title = html`<p><a href="#/members">${t("member.back")}</a></p><h1>${model.id}</h1>`;
  if (model.isUnknown) return html`${title}<p>${t("member.unknown")}</p>`;
  if (!model.member) return html`${title}<p aria-busy="true">${t("loading")}</p>`;
  return html`${title}${summary(model.member)}${checkView(model.id, model.rules)}${edits()}${changes(model.member)}${facts(model.member.facts)}`;
}

export const memberView = { name: "member", scopes: ["member:read"], isHidden: true, arrive: load, draw };
