import { pageColours } from "../../report/page-style.ts";

/** How the index looks: light and dark by the reader's choice; a card for each job where the page is narrow. */
export const indexStyle = `
${pageColours}
body { margin: 1.5rem auto; max-width: 100rem; }
header { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0.5rem 2rem; align-items: baseline; }
form { display: flex; flex-wrap: wrap; gap: 0.6rem 1rem; align-items: center; margin: 1rem 0; }
input, select { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line); border-radius: 4px; padding: 0.2rem 0.4rem; max-width: 100%; }
table { width: 100%; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
td:first-child { white-space: normal; min-width: 9rem; }
thead th { position: sticky; top: 0; background: var(--soft); }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
th[aria-sort=ascending] button::after { content: " \\25b2" / ""; } th[aria-sort=descending] button::after { content: " \\25bc" / ""; }
tr.failed td[data-label=Status], tr.failed td[data-label=Cause] { color: var(--bad); }
.causes { padding-left: 1.2rem; }
@media (max-width: 640px) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tbody tr { display: block; border: 1px solid var(--line); border-radius: 6px; margin: 0.6rem 0; padding: 0.3rem 0.6rem; }
  tbody tr[hidden] { display: none; }
  td, td.number { display: flex; justify-content: space-between; gap: 1rem; border: 0; white-space: normal; padding: 0.1rem 0; }
  td::before { content: attr(data-label); opacity: 0.75; }
}
`;
