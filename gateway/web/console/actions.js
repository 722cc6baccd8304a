// Runs calls for the views: shows that something is going on, and explains what fails.
import { explain } from "./errors.js";
import { t } from "./language.js";
import { api, page, update } from "./page.js";

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

function report(error) {
  const { text, detail } = explain(error);
  if (error.reason === "SESSION_ENDED" || error.reason === "TOKEN_MISSING") {
    // The views keep what was typed: signing in again continues where the session ended.
    api.signOut();
  }
  update({ notice: { kind: "error", text, detail } });
}

export function done(text) {
  update({ notice: { kind: "done", text } });
}

/** A key that makes a repeated request harmless. */
export function newKey() {
  return `console-${crypto.randomUUID()}`;
}

/** Asks before something is changed. Resolves to true if the user confirms. */
export function confirm({ title, text, action = t("confirm") }) {
  const opener = document.activeElement;
  return new Promise((resolve) => {
    const close = (answer) => {
      update({ dialog: null });
      queueMicrotask(() => opener?.focus?.());
      resolve(answer);
    };
    update({ dialog: { title, text, action, close } });
  });
}

export function isBusy(model) {
  return Boolean(model.busy || page.dialog);
}
