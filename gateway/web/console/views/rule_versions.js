// Earlier versions of the rules: who changed them and when, what differs, and restoring one.
import { confirm, done, refresh, run } from "../actions.js";
import { differences, fromContract, sorted } from "../ladder.js";
import { number, t, time } from "../language.js";
import { html, nothing } from "../lit.js";
import { api } from "../page.js";
import { movesTable } from "./moves.js";

const model = {
  busy: false,
  versions: [],
  hasMore: false,
  /** The version that is shown: {version, rules, moves}. */
  shown: null,
};

export async function loadVersions() {
  await refresh(model, async () => {
    const { versions, hasMore } = await api.get("/vipBiz/versions");
    return { versions, hasMore, shown: null };
  });
}

async function loadMore() {
  await run(model, async () => {
    const found = await api.get("/vipBiz/versions", { before: model.versions.at(-1).version });
    model.versions.push(...found.versions);
    model.hasMore = found.hasMore;
  });
}

async function show(version) {
  await run(model, async () => {
    const book = await api.get("/vipBiz/version", { version });
    const rules = sorted(book.rules.map(fromContract));
    const proposed = book.rules.map(({ vipLevel, downPoint, upPoint }) => ({ vipLevel, downPoint, upPoint }));
    const moves = proposed.length ? (await api.post("/vipBiz/preview", { rules: proposed })).moves : null;
    model.shown = { version, rules, moves };
  });
}

/** If somebody else has changed the rules, nothing is restored, and theirs are shown. */
async function restore(current, restored) {
  const { version } = model.shown;
  const title = t("versions.restore", { version });
  if (!(await confirm(model, { title, text: t("versions.restore.sure"), action: title }))) return;
  const isDone = await run(model, async () => {
    await api.post("/vipBiz/restore", { version, expectedVersion: current.version });
    return true;
  });
  await restored();
  if (isDone) done(t("versions.restored", { version }));
}

export function versionsView({ current, canRestore, restored }) {
  return html`
    <section class="card">
      <h2>${t("versions")}</h2>
      <ul class="plain">${model.versions.map((each) => html`
        <li>
          <button type="button" aria-expanded=${model.shown?.version === each.version} aria-disabled=${model.busy} @click=${() => show(each.version)}>
            ${t("rules.version", { version: each.version })}</button>
          <span>${each.changed ? time(each.changed) : ""} · ${each.app || t("nobody")} · ${t("versions.rules", { rules: each.rules })}</span>
          ${model.shown?.version === each.version ? shownView(current, canRestore, restored) : nothing}
        </li>`)}</ul>
      ${model.hasMore ? html`<button type="button" aria-disabled=${model.busy} @click=${loadMore}>${t("more")}</button>` : nothing}
    </section>`;
}

function shownView(current, canRestore, restored) {
  const { version, rules, moves } = model.shown;
  if (version === current.version) return html`<p>${t("versions.is_current")}</p>`;
  return html`
    ${differenceTable(current.rules, rules, t("rules.current"), t("rules.version", { version }))}
    ${moves ? html`<h3>${t("rules.preview.title")}</h3>${movesTable(moves, t("versions.nobody_moves"))}` : nothing}
    ${canRestore && moves ? html`<button type="button" class="main" aria-disabled=${model.busy} @click=${() => restore(current, restored)}>${t("versions.restore", { version })}</button>` : nothing}`;
}

/** One row for each level that differs. */
export function differenceTable(before, after, nameBefore, nameAfter) {
  const found = differences(before, after);
  if (found.length === 0) return html`<p>${t("versions.same")}</p>`;
  return html`
    <div class="scroll" tabindex="0"><table>
      <thead><tr><th>${t("level")}</th><th>${nameBefore}</th><th>${nameAfter}</th></tr></thead>
      <tbody>${found.map((each) => html`
        <tr><td>${each.level}</td><td>${ruleText(each.before)}</td><td>${ruleText(each.after)}</td></tr>`)}</tbody>
    </table></div>`;
}

function ruleText(rule) {
  return rule ? `${rule.name} ${number(rule.from)}–${number(rule.to)} ${rule.icon}` : t("versions.no_rule");
}
