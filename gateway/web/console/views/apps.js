// The apps that may call the suite: their scopes and their last use, without secrets.
import { refresh } from "../actions.js";
import { t, time } from "../language.js";
import { html, nothing } from "../lit.js";
import { api } from "../page.js";

const model = { apps: [], hasMore: false };

async function load() {
  await read([]);
}

async function more() {
  await read(model.apps);
}

async function read(before) {
  await refresh(model, async () => {
    const found = await api.post("/upbot/api/ListApps", { after: before.at(-1)?.appid ?? "" });
    return { apps: [...before, ...found.apps], hasMore: found.has_more };
  });
}

function appItem(app) {
  return html`
    <li><b><bdi>${app.appid}</bdi></b>${app.revoked ? html` <small>${t("apps.revoked")}</small>` : nothing}
      <ul class="chips" aria-label=${t("apps.scopes")}>${app.scopes.map((scope) => html`<li>${scope}</li>`)}</ul>
      <small>${t("apps.created")}: ${app.created ? time(app.created) : "–"} · ${t("apps.last_token")}: ${app.last_token ? time(app.last_token) : t("apps.never")}</small></li>`;
}

function draw() {
  return html`
    <h1>${t("view.apps")}</h1>
    <section class="card">
      <ul class="plain">${model.apps.map(appItem)}</ul>
      ${model.hasMore ? html`<button type="button" @click=${more}>${t("more")}</button>` : nothing}
      <p class="soft">${t("apps.how")}</p>
    </section>`;
}

export const appsView = { name: "apps", scopes: ["apps:read"], arrive: load, draw };
