// Turns a failed call into a sentence that says what is wrong and what to do.
import { ApiError } from "./api.js";
import { hasText, t } from "./language.js";

// For reasons without a sentence of their own.
const BY_STATUS = { 429: "error.RATE_LIMITED", 503: "error.STORE_UNAVAILABLE", 504: "error.DEADLINE_EXCEEDED" };

/**
 * {text, detail}; an error of the page itself is thrown again, because it is a bug.
 * `label` is that of the input for the wrong field, if there is one.
 */
export function explain(error, label) {
  if (!(error instanceof ApiError)) throw error;
  const { reason, message, status, requestId } = error;
  const values = { field: label ?? error.field, message, reason, seconds: error.retryAfter || 1 };
  const own = `error.${reason}`;
  const text = t(hasText(own) ? own : BY_STATUS[status] ?? "error.other", values);
  return { text, detail: requestId ? t("error.request", { id: requestId }) : "" };
}
