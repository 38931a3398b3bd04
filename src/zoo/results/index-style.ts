/** How the index looks: light and dark by the reader's choice; a card for each job where the page is narrow. */
export const indexStyle = `
:root { color-scheme: light dark; --text: #1c1e21; --page: #ffffff; --line: #d5d8dc; --soft: #f1f3f5; --bad: #a4161a; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e6eb; --page: #16181c; --line: #3a3f46; --soft: #23272e; --bad: #ff8a8a; --link: #8ab4f8; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); margin: 1.5rem auto; padding: 0 1rem; max-width: 100rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; }
a { color: var(--link); overflow-wrap: anywhere; }
form { display: flex; flex-wrap: wrap; gap: 0.6rem 1rem; align-items: center; margin: 1rem 0; }
input, select { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line); border-radius: 4px; padding: 0.2rem 0.4rem; max-width: 100%; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
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
