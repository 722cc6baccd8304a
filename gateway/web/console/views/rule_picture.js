// The rules as a picture: bands of points with gaps, members per level, and boundaries to drag.
import { boundaries, move, scale, segments } from "../ladder.js";
import { number, short, t } from "../language.js";
import { html, nothing } from "../lit.js";
import { update } from "../page.js";

const LARGE_STEPS = 20;
// As much of the screen as a band needs at least, so that many levels are scrolled instead of squeezed.
const PART_PX = 44;

// The scale of the start of a drag, so that the boundary stays under the pointer.
let draggedAxis = null;

export function picture(rules, counts, problems, canEdit) {
  if (rules.length === 0) return html`<p>${t("rules.none")}</p>`;
  // Bands that overlap cannot be drawn; the form says what is wrong.
  if (problems.some(({ field }) => field !== "name")) return html`<p class="soft">${t("rules.no_picture")}</p>`;
  const parts = segments(rules);
  const narrowest = `min-width:${PART_PX * parts.length}px`;
  const axis = draggedAxis ?? scale(parts);
  const most = Math.max(1, ...counts.map((each) => each.members));
  return html`
    <div class="scroll" tabindex="0"><div class="ladder" role="group" aria-label=${t("rules.picture")} .style=${narrowest}>
      <div class="bars">${parts.map((part) => bar(part, axis, counts, most))}</div>
      <div class="bands">
        ${parts.map((part) => band(part, axis))}
        ${canEdit ? boundaries(rules).map((each) => handle(each, axis)) : nothing}
      </div>
      <div class="ticks" aria-hidden="true">${parts.map((part) => html`<span .style=${left(axis.place(part.from))}>${short(part.from)}</span>`)}</div>
    </div></div>`;
}

// Styles are set as properties: the page's policy does not allow attributes with them.
function left(place) {
  return `left:${(100 * place).toFixed(3)}%`;
}

function span(part, axis) {
  const start = axis.place(part.from) || 0;
  return `left:${(100 * start).toFixed(3)}%;width:${(100 * (axis.place(part.to) - start)).toFixed(3)}%`;
}

function bar(part, axis, counts, most) {
  if (!part.rule) return nothing;
  const members = counts.find((each) => each.level === part.rule.level)?.members ?? 0;
  return html`
    <div class="bar" .style=${span(part, axis)}>
      <span title=${number(members)}>${short(members)}</span><i .style=${`height:${((100 * members) / most).toFixed(1)}%`}></i>
    </div>`;
}

function band(part, axis) {
  if (!part.rule) return html`<div class="gap" .style=${span(part, axis)} title=${gapText(part)}></div>`;
  const { level, name, icon } = part.rule;
  const text = t("rules.band", { level, name, from: number(part.from), to: number(part.to) });
  return html`
    <div class="band" data-level=${level} .style=${span(part, axis)} title=${text}>
      ${ownPicture(icon) ? html`<img src=${icon} alt="" width="24" height="24">` : html`<b>${level}</b>`}<span>${name}</span>
    </div>`;
}

function gapText({ from, to, isOpen }) {
  return isOpen ? t("rules.above", { from: number(from) }) : t("rules.gap", { from: number(from), to: number(to) });
}

/** The page loads nothing from another host, so only pictures of this one are shown. */
function ownPicture(icon) {
  return icon.startsWith("data:image/") || (icon.startsWith("/") && !icon.startsWith("//"));
}

function handle(boundary, axis) {
  const names = [boundary.lower && t("rules.end_of", { level: boundary.lower.level }), boundary.upper && t("rules.start_of", { level: boundary.upper.level })];
  return html`
    <div class="handle" role="slider" tabindex="0" .style=${left(axis.place(boundary.points))}
      aria-label=${names.filter(Boolean).join(", ")} aria-valuenow=${boundary.points}
      aria-valuemin=${boundary.least} aria-valuemax=${boundary.most} aria-valuetext=${t("points.n", { points: number(boundary.points) })}
      @pointerdown=${(event) => drag(event, boundary, axis)} @keydown=${(event) => step(event, boundary)}></div>`;
}

function drag(event, boundary, axis) {
  const strip = event.target.parentElement.getBoundingClientRect();
  const target = event.target;
  event.preventDefault();
  target.focus();
  draggedAxis = axis;
  const follow = (moved) => {
    const place = Math.min(1, Math.max(0, (moved.clientX - strip.left) / strip.width));
    move(boundary, round(axis.points(place), boundary));
    update();
  };
  const stop = () => {
    draggedAxis = null;
    update();
    removeEventListener("pointermove", follow);
    removeEventListener("pointerup", stop);
    removeEventListener("pointercancel", stop);
  };
  addEventListener("pointermove", follow);
  addEventListener("pointerup", stop);
  addEventListener("pointercancel", stop);
}

/** A drag gives round numbers; the form and the arrow keys give any. */
function round(points, boundary) {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, boundary.points))) - 1);
  return Math.round(points / unit) * unit;
}

function step(event, boundary) {
  const large = Math.max(1, Math.round(boundary.points / LARGE_STEPS));
  const { points, least, most } = boundary;
  const places = {
    ArrowLeft: points - 1, ArrowDown: points - 1, ArrowRight: points + 1, ArrowUp: points + 1,
    PageDown: points - large, PageUp: points + large, Home: least, End: most,
  };
  if (!(event.key in places)) return;
  event.preventDefault();
  move(boundary, places[event.key]);
  update();
}
