// Placeholder.
import { html } from "../lit.js";
import { t } from "../language.js";

export const rulesView = {
  name: "rules",
  scopes: ["member:read"],
  draw: () => html`<h1>${t("view.rules")}</h1>`,
};
