// The levels of a shop and their benefits, as a member sees them.
import { refresh } from "../actions.js";
import { t } from "../language.js";
import { html, nothing } from "../lit.js";
import { api } from "../page.js";

const ROUTE = "member.member-level.index";

const model = { shop: "", member: "", found: null };

async function load() {
  const [shop, member] = [model.shop.trim(), model.member.trim()];
  model.found = null;
  await refresh(model, async () => {
    // Without a member the call is refused, so an id that nobody has stands for a visitor.
    const answer = await api.get("/", { route: ROUTE, i: shop, uid: member || "-" });
    return { found: { ...answer, member } };
  });
}

function show(event) {
  event.preventDefault();
  load();
}

function levels({ data }) {
  return html`
    <div class="scroll" tabindex="0"><table>
      <thead><tr><th>${t("level")}</th><th>${t("shop.discount")}</th><th>${t("shop.freight")}</th><th>${t("shop.rent_free")}</th>
        <th>${t("shop.deposit_free")}</th><th>${t("shop.upgrade")}</th></tr></thead>
      <tbody>${data.map((each) => html`
        <tr><td>${each.level_name}</td><td>${each.discount || "–"}</td><td>${each.freight_reduction || "–"}</td>
          <td>${each.rent_free ?? "–"}</td><td>${each.deposit_free ?? "–"}</td><td>${upgradeText(each)}</td></tr>`)}</tbody>
    </table></div>`;
}

function upgradeText(level) {
  if (level.order_money) return t("shop.order_money", { money: level.order_money });
  if (level.order_count) return t("shop.order_count", { count: level.order_count });
  if (level.goods?.title) return t("shop.goods", { title: level.goods.title });
  return "–";
}

function ownLevel({ member_data: own, member }) {
  if (!member) return nothing;
  return html`<p><strong><bdi>${own.nickname || member}</bdi>: ${own.level_name}</strong>
    ${own.validity ? t("shop.validity", { days: own.validity }) : ""}</p>`;
}

function draw() {
  return html`
    <h1>${t("view.shop")}</h1>
    <section class="card">
      <form class="line" @submit=${show}>
        <label>${t("shop.shop")} <input maxlength="128" autocapitalize="none" autocomplete="off" data-field="i" .value=${model.shop} placeholder=${t("shop.default")} @input=${(event) => { model.shop = event.target.value; }}></label>
        <label>${t("shop.member")} <input maxlength="128" autocapitalize="none" autocomplete="off" data-field="uid" .value=${model.member} @input=${(event) => { model.member = event.target.value; }}></label>
        <button class="main">${t("shop.show")}</button>
      </form>
    </section>
    ${model.found ? html`<section class="card" aria-live="polite">
      <h2>${model.found.shop_set.name}</h2><p>${model.found.shop_description}</p>
      ${ownLevel(model.found)}${levels(model.found)}</section>` : nothing}`;
}

export const shopView = { name: "shop", scopes: ["shop:read"], arrive: load, draw };
