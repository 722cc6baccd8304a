// Runs calls for the views: shows that something is going on, and explains what fails.
import { explain } from "./errors.js";
import { t } from "./language.js";
import { api, page, update } from "./page.js";

const MOST_ATTEMPTS = 5;
const LONGEST_WAIT_SECONDS = 30;

/**
 * Runs `work` and returns its result, or undefined if a call failed, which is then shown.
 * `model.busy` is true meanwhile, and a second start in that time does nothing.
 * `onFailure` may handle an error itself: if it returns true, nothing is shown.
 */
export async function run(model, work, onFailure = () => false) {
  if (model.busy) return undefined;
  model.busy = true;
  update({ notice: null });
  try {
    return await work();
  } catch (error) {
    if (!onFailure(error)) report(error);
    return undefined;
  } finally {
    model.busy = false;
    update();
  }
}

/**
 * Reads what a view shows: `read` returns what changes in the model. If the same is read again
 * meanwhile, only the newest answer counts, whichever arrives first. Returns whether it did.
 */
export async function refresh(model, read, onFailure = () => false) {
  const reading = Symbol("reading");
  model.reading = reading;
  try {
    const changes = await read();
    if (model.reading === reading) Object.assign(model, changes);
  } catch (error) {
    if (model.reading === reading && !onFailure(error)) report(error);
    return false;
  } finally {
    update();
  }
  return model.reading === reading;
}

/** Repeats a call of a long search when the gateway asks to wait, so that the search goes on. */
export async function patiently(call) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      if (!(error.retryAfter > 0) || attempt === MOST_ATTEMPTS) throw error;
      await pause(Math.min(error.retryAfter, LONGEST_WAIT_SECONDS) * 1_000);
    }
  }
}

export function pause(milliseconds) {
  return new Promise((resolve) => { setTimeout(resolve, milliseconds); });
}

export function report(error) {
  const input = error.field ? inputOf(error.field) : null;
  const { text, detail } = explain(error, input ? labelOf(input) : undefined);
  if (error.reason === "SESSION_ENDED" || error.reason === "TOKEN_MISSING") {
    // The views keep what was typed: signing in again continues where the session ended.
    api.signOut();
    page.dialog?.close(false);
  }
  update({ notice: { kind: "error", text, detail } });
  input?.focus();
}

/** The input for a field that the service names, if this view has one. */
function inputOf(field) {
  return document.querySelector(`main [data-field="${CSS.escape(field)}"]`);
}

/** Without the options of a list, which is inside of its label. */
function labelOf(input) {
  const texts = [...input.labels[0].childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
  return texts.map((node) => node.textContent).join("").trim();
}

export function done(text) {
  update({ notice: { kind: "done", text } });
}

/** A key that makes a repeated request harmless. */
export function newKey() {
  return `console-${randomText()}`;
}

// crypto.randomUUID exists only on pages with HTTPS and on localhost.
function randomText() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Asks before something is changed. True if the user confirms; false at once if `model` is busy. */
export async function confirm(model, { title, text, action = t("confirm") }) {
  if (model.busy || page.dialog) return false;
  const opener = document.activeElement;
  return new Promise((resolve) => {
    const close = (answer) => {
      if (page.dialog?.close !== close) return;
      update({ dialog: null });
      queueMicrotask(() => opener?.focus?.());
      resolve(answer);
    };
    update({ dialog: { title, text, action, close } });
  });
}
