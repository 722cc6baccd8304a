// The dialog that asks for confirmation; the browser keeps the focus inside it.
import { html, nothing } from "./lit.js";
import { t } from "./language.js";

export function dialogView(dialog) {
  if (!dialog) return nothing;
  return html`
    <dialog aria-labelledby="dialog-title" @cancel=${(event) => { event.preventDefault(); dialog.close(false); }}
      @close=${() => dialog.close(false)}>
      <h2 id="dialog-title">${dialog.title}</h2>
      <div>${dialog.text}</div>
      <div class="buttons">
        <button type="button" @click=${() => dialog.close(false)}>${t("cancel")}</button>
        <button type="button" class="main" @click=${() => dialog.close(true)}>${dialog.action}</button>
      </div>
    </dialog>`;
}

/** A dialog is modal only once it has been opened by this call. */
export function openDialog() {
  const dialog = document.querySelector("dialog");
  if (dialog && !dialog.open) dialog.showModal();
}
