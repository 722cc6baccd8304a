// Who moves from which level to which.
import { html } from "../lit.js";
import { number, t } from "../language.js";

export function movesTable(moves, none = t("moves.none")) {
  if (moves.length === 0) return html`<p>${none}</p>`;
  return html`
    <div class="scroll" tabindex="0"><table>
      <thead><tr><th>${t("moves.from")}</th><th>${t("moves.to")}</th><th class="number">${t("members")}</th></tr></thead>
      <tbody>${moves.map((each) => html`
        <tr><td>${t("level.n", { level: each.fromLevel })}</td>
          <td>${each.toLevel > each.fromLevel ? "↑" : "↓"} ${t("level.n", { level: each.toLevel })}</td>
          <td class="number">${number(each.members)}</td></tr>`)}</tbody>
    </table></div>`;
}
