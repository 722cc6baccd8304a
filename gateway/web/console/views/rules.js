// The rules: a picture, a form, a preview of who moves, and the earlier versions.
import { confirm, done, refresh, run } from "../actions.js";
import { differences, fromContract, problems, sorted, toContract } from "../ladder.js";
import { number, recent, t } from "../language.js";
import { html, nothing } from "../lit.js";
import { api, update } from "../page.js";
import { picture } from "./rule_picture.js";
import { ruleForm } from "./rule_form.js";
import { movesTable } from "./moves.js";
import { differenceTable, versionsView, loadVersions } from "./rule_versions.js";

const model = {
  busy: false,
  /** The rules that the draft is based on: {version, rules}. */
  base: null,
  draft: [],
  counts: [],
  /** What a save would do: {text, rules, moves, staying}; `rules` is the draft that was previewed. */
  preview: null,
  /** The rules that another editor saved meanwhile: {version, rules, app, changed}. */
  theirs: null,
};

async function readRules() {
  const book = await api.get("/vipBiz/version");
  const { version, app, changed } = book;
  return { version, app, changed, rules: sorted(book.rules.map(fromContract)) };
}

async function load() {
  await Promise.all([loadVersions(), refresh(model, async () => {
    const [current, counted] = await Promise.all([readRules(), api.get("/members/count")]);
    return { counts: counted.levels, ...accepted(current) };
  })]);
}

/** What the current rules change. A draft is kept, also one that was begun while they were read. */
function accepted(current) {
  const isNeeded = model.base !== null && isChanged() && differences(current.rules, model.draft).length > 0;
  if (!isNeeded) return fresh(current);
  return current.version === model.base.version ? {} : { theirs: current };
}

function fresh(current) {
  return { base: current, draft: copy(current.rules), preview: null, theirs: null };
}

function copy(rules) {
  return rules.map((rule) => ({ ...rule }));
}

function isChanged() {
  return differences(model.base.rules, sorted(model.draft)).length > 0;
}

function draftText(rules) {
  return JSON.stringify(sorted(rules));
}

function isPreviewed() {
  return model.preview?.text === draftText(model.draft);
}

async function showPreview() {
  await run(model, async () => {
    const rules = sorted(copy(model.draft));
    const proposed = rules.map(({ level, from, to }) => ({ vipLevel: level, downPoint: from, upPoint: to }));
    const found = await api.post("/vipBiz/preview", { rules: proposed });
    if (found.ruleVersion === model.base.version) model.preview = { text: draftText(rules), rules, moves: found.moves, staying: found.staying };
    else model.theirs = await readRules();
  });
  if (model.theirs) await loadVersions();
}

/** Saves exactly the rules that were previewed. */
async function save() {
  const { rules, moves } = model.preview;
  const moved = moves.reduce((sum, each) => sum + each.members, 0);
  const text = moved === 0 ? t("moves.none") : t("rules.save.sure", { members: number(moved) });
  if (!(await confirm(model, { title: t("rules.save"), text, action: t("rules.save") }))) return;
  await run(model, async () => {
    const { base } = model;
    const hadIcon = (rule) => base.rules.some((each) => each.level === rule.level && each.hasIcon);
    const sent = rules.map((rule) => toContract(rule, hadIcon(rule)));
    await api.post("/vipBiz/replace", { rules: sent, expectedVersion: base.version });
    Object.assign(model, fresh(await readRules()));
    done(t("rules.saved", { version: model.base.version }));
  }, onMismatch);
  await loadVersions();
}

/** Nobody's change is overwritten: the draft stays, and both can be compared. */
function onMismatch(error) {
  if (error.reason === "RULE_VERSION_MISMATCH") refresh(model, async () => accepted(await readRules()));
  return false;
}

function keepDraft() {
  Object.assign(model, { base: model.theirs, theirs: null, preview: null });
  update({ notice: null });
}

async function discard() {
  const title = t("rules.discard");
  if (!(await confirm(model, { title, text: t("rules.discard.sure"), action: title }))) return;
  Object.assign(model, fresh(model.theirs ?? model.base));
  update({ notice: null });
  await loadVersions();
}

function conflictView() {
  if (!model.theirs) return nothing;
  return html`
    <section class="card problem-card" aria-labelledby="theirs">
      <h2 id="theirs">${theirsText(model.theirs)}</h2>
      <p>${t("rules.theirs.why")}</p>
      ${differenceTable(model.theirs.rules, sorted(model.draft), t("rules.current"), t("rules.draft"))}
      <div class="buttons">
        <button type="button" @click=${keepDraft}>${t("rules.keep_draft")}</button>
        <button type="button" @click=${discard}>${t("rules.discard")}</button>
      </div>
    </section>`;
}

function theirsText({ version, app, changed }) {
  if (!app || !changed) return t("rules.theirs", { version });
  return t("rules.theirs.by", { app, version, time: recent(changed) });
}

function previewView() {
  if (!isPreviewed()) return nothing;
  return html`
    <section aria-live="polite">
      <h2>${t("rules.preview.title")}</h2>
      ${movesTable(model.preview.moves)}
      <p>${t("rules.preview.staying", { members: number(model.preview.staying) })}</p>
    </section>`;
}

function buttons(found) {
  if (!api.has("rules:write")) return html`<p class="soft">${t("rules.read_only")}</p>`;
  const isDraft = isChanged();
  const canPreview = isDraft && found.length === 0 && model.draft.length > 0 && model.theirs === null;
  return html`
    <div class="buttons">
      ${button(t("rules.preview"), showPreview, !canPreview)}
      ${button(t("rules.save"), save, !isPreviewed() || model.theirs !== null, "main")}
      ${isDraft ? button(t("rules.discard"), discard) : nothing}
    </div>
    <p class="soft">${hint(found, isDraft)}</p>`;
}

/** It stays focusable, so that the keyboard does not lose its place when it cannot be used. */
function button(text, action, isOff = false, style = "") {
  const click = () => { if (!isOff) action(); };
  return html`<button type="button" class=${style} aria-disabled=${isOff || model.busy} @click=${click}>${text}</button>`;
}

function hint(found, isDraft) {
  if (model.theirs) return t("rules.theirs.first");
  if (found.length > 0) return t("rules.problem.first", { problems: found.length });
  if (!isDraft) return t("rules.how");
  return isPreviewed() ? "" : t("rules.preview.first");
}

function draw() {
  if (!model.base) return html`<h1>${t("view.rules")}</h1><p aria-busy="true">${t("loading")}</p>`;
  const found = problems(model.draft);
  return html`
    <h1>${t("view.rules")} <small>${t("rules.version", { version: model.base.version })}</small></h1>
    ${conflictView()}
    <section class="card">
      ${picture(model.draft, model.counts, found, api.has("rules:write"))}
      ${buttons(found)}
      ${previewView()}
      ${ruleForm(model.draft, found, api.has("rules:write"))}
    </section>
    ${versionsView({ current: model.base, canRestore: api.has("rules:write") && !isChanged(), restored: load })}`;
}

export const rulesView = { name: "rules", scopes: ["member:read"], arrive: load, draw };
