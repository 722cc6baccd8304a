// The apps that may call the suite: their scopes and their last use, without secrets.
import { run } from "../actions.js";
import { t, time } from "../language.js";
import { html, nothing } from "../lit.js";
import { api } from "../page.js";

const model = { busy: false, apps: [], hasMore: false };

async function load() {
  model.apps = [];
  await more();
}

async function more() {
  await run(model, async () => {
    const found = await api.post("/upbot/api/ListApps", { after: model.apps.at(-1)?.appid ?? "" });
    model.apps.push(...found.apps);
    model.hasMore = found.has_more;
  });
}

function draw() {
  return html`
    <h1>${t("view.apps")}</h1>
    <section class="card">
      <div class="scroll"><table>
        <thead><tr><th>${t("app")}</th><th>${t("apps.scopes")}</th><th>${t("apps.created")}</th><th>${t("apps.last_token")}</th></tr></thead>
        <tbody>${model.apps.map((app) => html`
          <tr><td>${app.appid}${app.revoked ? html` <small>${t("apps.revoked")}</small>` : nothing}</td><td>${app.scopes.join(" ")}</td>
            <td>${app.created ? time(app.created) : "–"}</td><td>${app.last_token ? time(app.last_token) : t("apps.never")}</td></tr>`)}</tbody>
      </table></div>
      ${model.hasMore ? html`<button type="button" ?disabled=${model.busy} @click=${more}>${t("more")}</button>` : nothing}
      <p class="soft">${t("apps.how")}</p>
    </section>`;
}

export const appsView = { name: "apps", scopes: ["apps:read"], arrive: load, draw };
