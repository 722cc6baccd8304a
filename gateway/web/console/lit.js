// The parts of lit-html that the console uses; see ../vendor.json for its version.
export { html, nothing, render, svg } from "./vendor/lit/lit-html.js";
export { live } from "./vendor/lit/directives/live.js";
export { repeat } from "./vendor/lit/directives/repeat.js";
