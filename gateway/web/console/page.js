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
let load = () => {};
let isWaiting = false;

/** `drawn` draws the whole page, `loaded` lets the view of a new place load what it shows. */
export function start(drawn, loaded) {
  draw = drawn;
  load = loaded;
  addEventListener("hashchange", arrive);
  arrive();
}

/** Shows the place in the address. Sign-in calls it, too: only then a view can load anything. */
export function arrive() {
  update({ place: readPlace(), notice: null });
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

export function goTo(...place) {
  location.hash = `#/${place.map(encodeURIComponent).join("/")}`;
}

function readPlace() {
  const place = location.hash.replace(/^#\//, "").split("/").filter(Boolean);
  try {
    return place.map(decodeURIComponent);
  } catch {
    return [];
  }
}
