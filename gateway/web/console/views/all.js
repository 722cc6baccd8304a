// The views in the order of the navigation. `scopes` are those that a view needs to show anything;
// what it may change is decided inside it. `arrive` loads what it shows.
import { rulesView } from "./rules.js";

export const views = [rulesView];
