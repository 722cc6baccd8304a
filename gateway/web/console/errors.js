// Turns a failed call into a sentence that says what is wrong and what to do.
import { ApiError } from "./api.js";
import { hasText, t } from "./language.js";

/** {text, detail}; an error of the page itself is thrown again, because it is a bug. */
export function explain(error) {
  if (!(error instanceof ApiError)) throw error;
  const values = { field: error.field, message: error.message, seconds: error.retryAfter || 1 };
  const name = `error.${error.reason}`;
  const text = hasText(name) ? t(name, values) : t("error.other", { ...values, reason: error.reason });
  return { text, detail: error.requestId ? t("error.request", { id: error.requestId }) : "" };
}
