/** Colours of a page, light and dark. Text on the page and on soft ground has a contrast of at least 4.5 (WCAG 2). */
const colours = {
  text: ["#1c1e21", "#e4e6eb"],
  page: ["#ffffff", "#16181c"],
  line: ["#d5d8dc", "#3a3f46"],
  soft: ["#f1f3f5", "#23272e"],
  shade: ["#b9bec5", "#5a616b"],
  warn: ["#fff4d6", "#3a3115"],
  bad: ["#a4161a", "#ff8a8a"],
  link: ["#0b57d0", "#8ab4f8"],
  series0: ["#1b6ca8", "#6cb6f0"],
  series1: ["#c8553d", "#f08a70"],
  series2: ["#588157", "#9ccb8f"],
} as const satisfies Record<string, readonly [light: string, dark: string]>;

const declare = (scheme: "light" | "dark"): string =>
  `color-scheme: ${scheme}; ` +
  Object.entries(colours)
    .map(([name, pair]) => `--${name}: ${pair[scheme === "light" ? 0 : 1]};`)
    .join(" ");

/** Colours as custom properties: by the reader's system, or by the choice that `themeChoice` offers. */
export const pageColours = `
:root { ${declare("light")} }
@media (prefers-color-scheme: dark) { :root { ${declare("dark")} } }
:root:has(#theme-light:checked) { ${declare("light")} }
:root:has(#theme-dark:checked) { ${declare("dark")} }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); padding: 0 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; }
a { color: var(--link); overflow-wrap: anywhere; }
table { border-collapse: collapse; }
.wide { overflow-x: auto; max-width: 100%; }
.theme { border: 0; margin: 0; padding: 0; display: flex; gap: 0.8rem; flex-wrap: wrap; font-size: 0.85rem; }
`;

/** Three buttons that choose the colours; they need no script. */
export const themeChoice =
  '<fieldset class="theme" aria-label="Colours">' +
  ["system", "light", "dark"]
    .map(
      (name) =>
        `<label><input type="radio" name="theme" id="theme-${name}"${name === "system" ? ' checked=""' : ""}/> ${name}</label>`,
    )
    .join("") +
  "</fieldset>";

/** How a report looks. */
export const reportStyle = `${pageColours}
body { max-width: 80rem; margin: 1.5rem auto; overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0.5rem 2rem; align-items: baseline; }
h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line); padding-bottom: 0.2rem; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; white-space: nowrap; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th { background: var(--soft); font-weight: 600; white-space: normal; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text, td:first-child { white-space: normal; min-width: 9rem; max-width: 36rem; overflow-wrap: anywhere; }
td small { display: block; font-size: 0.8rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: 0.8rem; margin: 1rem 0; padding: 0; }
.cards div { background: var(--soft); border-radius: 8px; padding: 0.7rem 1rem; }
table { margin: 0.5rem 0; }
/* A shade at the side to which a table goes on. */
.wide, .plot {
  background: linear-gradient(90deg, var(--page) 1.2rem, transparent) 0 0 / 2.4rem 100% no-repeat local,
    linear-gradient(-90deg, var(--page) 1.2rem, transparent) 100% 0 / 2.4rem 100% no-repeat local,
    linear-gradient(90deg, var(--shade), transparent) 0 0 / 0.8rem 100% no-repeat scroll,
    linear-gradient(-90deg, var(--shade), transparent) 100% 0 / 0.8rem 100% no-repeat scroll;
}
@media (max-width: 40rem) {
  h1 { font-size: 1.15rem; }
  th, td { padding: 0.25rem 0.5rem; } td.text, td:first-child { min-width: 7rem; }
  .cards { grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); } .cards div { padding: 0.6rem 0.8rem; }
}
pre, code.line { display: block; background: var(--soft); padding: 0.8rem; overflow-x: auto; overflow-wrap: normal; border-radius: 6px; }
code.line { white-space: pre-wrap; overflow-wrap: anywhere; }
.warning { background: var(--warn); padding: 0.6rem 0.8rem 0.6rem 2rem; border-radius: 6px; }
.cards dt { font-size: 0.85rem; } .cards dd { margin: 0; font-size: 1.25rem; font-weight: 600; } .cards small { display: block; font-size: 0.85rem; font-weight: 400; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr)); gap: 0 1.5rem; }
figure { margin: 1rem 0; min-width: 0; } figcaption { font-weight: 600; }
.plot { overflow-x: auto; } .plot svg { display: block; width: 100%; min-width: 32rem; height: auto; }
svg { fill: currentColor; } svg .grid { stroke: var(--line); }
.series0 { --mark: var(--series0); } .series1 { --mark: var(--series1); } .series2 { --mark: var(--series2); }
svg .area { fill: var(--mark); } svg .stroke { stroke: var(--mark); fill: none; } svg .ground { fill: var(--soft); }
td svg { display: block; width: 10rem; height: 2rem; } td svg .ground { fill: var(--line); }
summary { cursor: pointer; padding: 0.2rem 0; }
`;
