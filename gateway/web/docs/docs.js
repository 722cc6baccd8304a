// The reference page: gets a token, and shows the OpenAPI document with Swagger UI.
import { failures, texts } from "./texts.js";

const DOCUMENTS = ["/openapi.json", "/openapi.zh.json"];
const FIRST = ["upbot", "CheckUserXYLevel"];
const LONGEST_WAIT = 15000;

// The token is only kept here: reloading the page forgets it.
const state = { language: navigator.language.startsWith("zh") ? 1 : 0, token: "", said: null, ui: null };

const find = (id) => document.getElementById(id);

function say(name, values = {}) {
  return texts[name][state.language].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

function tell(name, values, isError = false) {
  state.said = { name, values, isError };
  showSaid();
}

function showSaid() {
  if (!state.said) return;
  find("said").textContent = say(state.said.name, state.said.values);
  find("said").classList.toggle("error", state.said.isError);
}

function showTexts() {
  document.documentElement.lang = state.language ? "zh" : "en";
  document.title = say("title");
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = say(element.dataset.text);
  }
  find("language").textContent = say("other");
  find("language").lang = state.language ? "en" : "zh";
  find("curl").textContent = curl();
  find("rows").replaceChildren(...failures.map(row));
  showSaid();
}

function row([status, reasons, text]) {
  const line = document.createElement("tr");
  for (const content of [status, reasons, say(text)]) {
    line.append(Object.assign(document.createElement("td"), { textContent: content }));
  }
  return line;
}

function curl() {
  const address = location.origin;
  return [
    `curl -s -H "Content-Type: application/json" ${address}/upbot/api/auth/GetAccessToken \\`,
    `  -d '{"appid": "…", "app_secret": "…", "grant_type": "client_credentials"}'`,
    `TOKEN="…"  # ${say("curl.token")}`,
    `curl -s -H "Content-Type: application/json" -H "Authorization: $TOKEN" \\`,
    `  ${address}/upbot/api/CheckUserXYLevel -d '{"openid": "3dfg4df", "levels": [1, 3]}'`,
  ].join("\n");
}

function showCalls() {
  state.ui = window.SwaggerUIBundle({
    url: DOCUMENTS[state.language],
    domNode: find("swagger"),
    // The default asks a server of Swagger's.
    validatorUrl: null,
    docExpansion: "list",
    defaultModelsExpandDepth: -1,
    displayRequestDuration: true,
    onComplete: setToken,
  });
}

function setToken() {
  if (state.token) state.ui.preauthorizeApiKey("appToken", state.token);
}

async function getToken(appid, secret) {
  const answer = await fetch("/upbot/api/auth/GetAccessToken", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ appid, app_secret: secret, grant_type: "client_credentials" }),
    signal: AbortSignal.timeout(LONGEST_WAIT),
  });
  const reply = await answer.json();
  if (reply.ret === 0) return { token: reply.data.access_token, seconds: reply.data.expires_in };
  return { status: answer.status, reason: answer.headers.get("x-levelgate-reason") || answer.status };
}

async function signIn(event) {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  button.disabled = true;
  tell("said.wait");
  try {
    const found = await getToken(form.appid.value.trim(), form.app_secret.value.trim());
    if (found.token) {
      state.token = found.token;
      setToken();
      const until = new Date(Date.now() + found.seconds * 1000);
      tell("said.ok", { time: until.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) });
    } else if (found.status === 401) tell("said.wrong", {}, true);
    else if (found.status === 429) tell("said.many", {}, true);
    else tell("said.failed", { reason: found.reason }, true);
  } catch {
    tell("said.unreachable", {}, true);
  } finally {
    button.disabled = false;
  }
}

function openFirst() {
  state.ui.layoutActions.show(["operations", ...FIRST], true);
  find(`operations-${FIRST.join("-")}`)?.scrollIntoView();
}

function switchLanguage() {
  state.language = 1 - state.language;
  showTexts();
  showCalls();
}

find("sign-in").addEventListener("submit", signIn);
find("language").addEventListener("click", switchLanguage);
find("open").addEventListener("click", openFirst);
showTexts();
showCalls();
