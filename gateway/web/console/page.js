// The state of the page. Views read it and change it with `update`, which draws the page again.
import { Api } from "./api.js";

export const api = new Api();

export const page = {
  /** The name of the view and what follows it in the address: "#/member/aaa" is ["member", "aaa"]. */
  place: [],
  /** A message above the view: {kind: "done" | "error", text, action}. */
  notice: null,
  /** An open dialog: see dialog.js. */
  dialog: null,
};

let draw = () => {};
let isWaiting = false;

/** `drawn` draws the whole page; it is called at most once per frame. */
export function onChange(drawn) {
  draw = drawn;
}

export function update(changes = {}) {
  Object.assign(page, changes);
  if (isWaiting) return;
  isWaiting = true;
  queueMicrotask(() => {
    isWaiting = false;
    draw();
  });
}

export function goTo(...place) {
  location.hash = `#/${place.map(encodeURIComponent).join("/")}`;
}

export function readPlace() {
  const place = location.hash.replace(/^#\//, "").split("/").filter(Boolean);
  try {
    return place.map(decodeURIComponent);
  } catch {
    return [];
  }
}
