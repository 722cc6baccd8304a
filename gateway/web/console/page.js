// The state of the page. Views read it and change it with `update`, which draws the page again.
import { Api } from "./api.js";
import { enter, rememberScrolling } from "./scrolling.js";

export const api = new Api();

export const page = {
  /** The name of the view and what follows it in the address: "#/member/aaa" is ["member", "aaa"]. */
  place: [],
  /** Whether the place is drawn for the first time. */
  isNew: true,
  /** A message above the view: {kind: "done" | "error", text, detail}. */
  notice: null,
  /** An open dialog: see dialog.js. */
  dialog: null,
};

let draw = () => {};
let load = () => {};
let isWaiting = false;

/** `drawn` draws the whole page, `loaded` lets the view of a new place load what it shows. */
export function start(drawn, loaded) {
  draw = drawn;
  load = loaded;
  rememberScrolling();
  addEventListener("hashchange", () => {
    enter();
    arrive();
  });
  arrive();
}

/** Shows the place in the address. Sign-in calls it, too: only then a view can load anything. */
export function arrive() {
  page.dialog?.close(false);
  update({ place: readPlace(), isNew: true, notice: null });
  if (api.isSignedIn) load(page.place.slice(1));
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

function readPlace() {
  const place = location.hash.replace(/^#\//, "").split("/").filter(Boolean);
  try {
    return place.map(decodeURIComponent);
  } catch {
    return [];
  }
}
