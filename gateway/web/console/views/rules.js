// The rules: a picture, a form, a preview of who moves, and the earlier versions.
import { confirm, done, run } from "../actions.js";
import { differences, fromContract, problems, sorted, toContract } from "../ladder.js";
import { t, number } from "../language.js";
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
  /** What a save would do: {text, moves, staying}; `text` is the draft that was previewed. */
  preview: null,
  /** The rules that another editor saved meanwhile: {version, rules}. */
  theirs: null,
};

async function readRules() {
  const book = await api.get("/vipBiz/version");
  return { version: book.version, rules: sorted(book.rules.map(fromContract)) };
}

async function load() {
  await run(model, async () => {
    const isDraftKept = model.base !== null && isChanged();
    const [current, counted] = await Promise.all([readRules(), api.get("/members/count")]);
    model.counts = counted.levels;
    if (!isDraftKept) startFrom(current);
    else if (current.version !== model.base.version) model.theirs = current;
  });
  await loadVersions();
}

function startFrom(current) {
  Object.assign(model, { base: current, draft: copy(current.rules), preview: null, theirs: null });
}

function copy(rules) {
  return rules.map((rule) => ({ ...rule }));
}

function isChanged() {
  return differences(model.base.rules, sorted(model.draft)).length > 0;
}

function draftText() {
  return JSON.stringify(sorted(model.draft));
}

function isPreviewed() {
  return model.preview?.text === draftText();
}

async function showPreview() {
  await run(model, async () => {
    const rules = sorted(model.draft).map(({ level, from, to }) => ({ vipLevel: level, downPoint: from, upPoint: to }));
    const text = draftText();
    const found = await api.post("/vipBiz/preview", { rules });
    if (found.ruleVersion !== model.base.version) model.theirs = await readRules();
    else model.preview = { text, moves: found.moves, staying: found.staying };
  });
}

async function save() {
  const moved = model.preview.moves.reduce((sum, each) => sum + each.members, 0);
  const text = t("rules.save.sure", { members: number(moved) });
  if (!(await confirm({ title: t("rules.save"), text, action: t("rules.save") }))) return;
  await run(model, async () => {
    const rules = sorted(model.draft).map(toContract);
    await api.post("/vipBiz/replace", { rules, expectedVersion: model.base.version });
    startFrom(await readRules());
    done(t("rules.saved", { version: model.base.version }));
  }, onMismatch);
  await loadVersions();
}

/** Nobody's change is overwritten: the draft stays, and both can be compared. */
function onMismatch(error) {
  if (error.reason !== "RULE_VERSION_MISMATCH") return false;
  run({}, async () => { model.theirs = await readRules(); });
  return false;
}

function keepDraft() {
  Object.assign(model, { base: model.theirs, theirs: null, preview: null });
  update({ notice: null });
}

async function discard() {
  if (!(await confirm({ title: t("rules.discard"), text: t("rules.discard.sure") }))) return;
  startFrom(model.theirs ?? model.base);
  update({ notice: null });
}

function conflictView() {
  if (!model.theirs) return nothing;
  return html`
    <section class="card problem-card" aria-labelledby="theirs">
      <h2 id="theirs">${t("rules.theirs", { version: model.theirs.version })}</h2>
      <p>${t("rules.theirs.why")}</p>
      ${differenceTable(model.theirs.rules, sorted(model.draft), t("rules.current"), t("rules.draft"))}
      <div class="buttons">
        <button type="button" @click=${keepDraft}>${t("rules.keep_draft")}</button>
        <button type="button" @click=${discard}>${t("rules.discard")}</button>
      </div>
    </section>`;
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
  return html`
    <div class="buttons">
      <button type="button" ?disabled=${!isDraft || found.length > 0 || model.busy} @click=${showPreview}>${t("rules.preview")}</button>
      <button type="button" class="main" ?disabled=${!isDraft || !isPreviewed() || model.theirs || model.busy} @click=${save}>${t("rules.save")}</button>
      ${isDraft ? html`<button type="button" ?disabled=${model.busy} @click=${discard}>${t("rules.discard")}</button>` : nothing}
    </div>
    ${isDraft && !isPreviewed() ? html`<p class="soft">${t("rules.preview.first")}</p>` : nothing}`;
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
