// The views in the order of the navigation. `scopes` are those that a view needs to show anything;
// what it may change is decided inside it. `arrive` loads what it shows. A view `under` another is reached
// from that one, and not from the navigation.
import { appsView } from "./apps.js";
import { audienceView } from "./audience.js";
import { demotionView } from "./demotion.js";
import { memberView } from "./member.js";
import { membersView } from "./members.js";
import { rulesView } from "./rules.js";
import { shopView } from "./shop.js";

export const views = [rulesView, demotionView, membersView, memberView, audienceView, shopView, appsView];
