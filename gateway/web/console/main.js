// Starts the console: draws the frame around the views and follows the address.
import { html, nothing, render } from "./lit.js";
import { dialogView, openDialog } from "./dialog.js";
import { currentLanguage, languageName, otherLanguage, setLanguage, t } from "./language.js";
import { api, page, start, update } from "./page.js";
import { scrollBack } from "./scrolling.js";
import { signInView } from "./views/sign_in.js";
import { views } from "./views/all.js";

function allowed() {
  return views.filter((view) => view.scopes.every((scope) => api.has(scope)));
}

function currentView() {
  const found = allowed();
  return found.find((view) => view.name === page.place[0]) ?? found[0];
}

function switchLanguage() {
  setLanguage(otherLanguage());
  update();
}

function signOut() {
  api.signOut();
  // A new document, so that nothing of this session stays in memory.
  location.replace(location.pathname);
}

function header() {
  return html`
    <header>
      <a class="skip" href="#main" @click=${skip}>${t("skip")}</a>
      <strong>${t("title")}</strong>
      <span class="space"></span>
      <button type="button" lang=${otherLanguage()} @click=${switchLanguage}>${languageName(otherLanguage())}</button>
      ${api.isSignedIn ? html`<span class="who">${api.appid}</span>
        <button type="button" @click=${signOut}>${t("sign_out")}</button>` : nothing}
    </header>`;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function navigation(current) {
  return html`
    <nav aria-label=${t("navigation")}>
      ${allowed().filter((view) => !view.under).map((view) => html`
        <a href="#/${view.name}" aria-current=${view.name === (current.under ?? current.name) ? "page" : "false"}>${t(`view.${view.name}`)}</a>`)}
    </nav>`;
}

function notice() {
  // The element stays, because screen readers announce only what changes inside of it.
  return html`<div class="notices" role="status">${page.notice ? message(page.notice) : nothing}</div>`;
}

function message({ kind, text, detail }) {
  return html`
    <div class="notice ${kind}">
      <p>${text}${detail ? html` <small>${detail}</small>` : nothing}</p>
      <button type="button" aria-label=${t("close")} @click=${() => update({ notice: null })}>×</button>
    </div>`;
}

function body() {
  if (!api.isSignedIn) return signInView();
  const view = currentView();
  if (!view) return html`<p>${t("no_scope")}</p>`;
  return view.draw();
}

function draw() {
  const view = api.isSignedIn ? currentView() : undefined;
  document.documentElement.lang = currentLanguage() === "zh" ? "zh-CN" : "en";
  document.title = view ? `${t(`view.${view.name}`)} · ${t("title")}` : t("title");
  render(html`${header()}${view ? navigation(view) : nothing}
    <main id="main" tabindex="-1">${notice()}${body()}</main>${dialogView(page.dialog)}`,
  document.getElementById("app"));
  openDialog();
  if (page.isNew) showFromTheTop();
}

/** Keyboards and screen readers begin with the new view, as they do on a new page. */
function showFromTheTop() {
  page.isNew = false;
  if (api.isSignedIn) document.getElementById("main").focus({ preventScroll: true });
  scrollBack();
}

start(draw, (rest) => currentView()?.arrive?.(rest));
