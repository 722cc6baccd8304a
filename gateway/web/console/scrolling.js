// Where each place in the history was scrolled to: a link begins at the top, and Back returns to where
// the user was. The browser cannot do that here, because a view is drawn after it has moved.

const offsets = new Map();
let entry = 0;
let lastEntry = 0;

export function rememberScrolling() {
  history.scrollRestoration = "manual";
  addEventListener("scroll", () => offsets.set(entry, scrollY), { passive: true });
  enter();
}

/** Notes the entry of the history that is shown now. Only a new one has no state yet. */
export function enter() {
  if (history.state === null) history.replaceState((lastEntry += 1), "");
  entry = history.state;
  lastEntry = Math.max(lastEntry, entry);
}

export function scrollBack() {
  scrollTo(0, offsets.get(entry) ?? 0);
}
