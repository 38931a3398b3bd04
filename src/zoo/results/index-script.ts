/** What makes the index sortable and filterable; it runs in the page, without which the table is still whole. */
export const indexScript = `
"use strict";
const body = document.querySelector("#jobs tbody");
const rows = [...body.rows];
const heads = [...document.querySelectorAll("#jobs th")];
const find = document.getElementById("find");
const selects = [...document.querySelectorAll("select[data-column]")];
const count = document.getElementById("count");
const at = (name) => heads.findIndex((head) => head.dataset.name === name);
const valueOf = (row, index) => row.cells[index].dataset.value;

function filter() {
  const wanted = find.value.trim().toLowerCase();
  let shown = 0;
  for (const row of rows) {
    const fits = row.textContent.toLowerCase().includes(wanted) &&
      selects.every((select) => select.value === "" || valueOf(row, at(select.dataset.column)) === select.value);
    row.hidden = !fits;
    if (fits) shown++;
  }
  count.textContent = shown + " shown";
}

function sort(head) {
  const index = heads.indexOf(head);
  const up = head.getAttribute("aria-sort") !== "ascending";
  const numbers = head.classList.contains("number");
  const compare = (a, b) => numbers ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
  const ordered = [...rows].sort((one, other) => {
    const a = valueOf(one, index);
    const b = valueOf(other, index);
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
    return up ? compare(a, b) : compare(b, a);
  });
  for (const each of heads) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  body.append(...ordered);
}

for (const head of heads) head.querySelector("button").addEventListener("click", () => sort(head));
find.addEventListener("input", filter);
for (const select of selects) select.addEventListener("change", filter);
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
`;
