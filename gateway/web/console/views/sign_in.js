// Sign-in with an app's id and secret, which stay in this page's memory.
import { html } from "../lit.js";
import { run } from "../actions.js";
import { t } from "../language.js";
import { api, arrive, update } from "../page.js";

const model = { busy: false, isSecretShown: false };

function showSecret() {
  model.isSecretShown = !model.isSecretShown;
  update();
}

async function signIn(event) {
  event.preventDefault();
  const form = event.target;
  await run(model, () => api.signIn(form.appid.value.trim(), form.secret.value));
  if (api.isSignedIn) {
    form.reset();
    model.isSecretShown = false;
    arrive();
  }
}

export function signInView() {
  return html`
    <form class="card narrow" @submit=${signIn}>
      <h1>${t("sign_in")}</h1>
      <p>${t("sign_in.why")}</p>
      <label>${t("appid")} <input name="appid" required maxlength="128" autocomplete="off" autocapitalize="none"></label>
      <div class="line">
        <label>${t("secret")} <input name="secret" type=${model.isSecretShown ? "text" : "password"} required maxlength="128"
          autocomplete="off" autocapitalize="none" spellcheck="false"></label>
        <button type="button" aria-label=${t("sign_in.show_secret")} aria-pressed=${model.isSecretShown} @click=${showSecret}>${t("sign_in.show")}</button>
      </div>
      <button class="main" aria-disabled=${model.busy}>${t("sign_in")}</button>
    </form>`;
}
