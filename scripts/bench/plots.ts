/**
 * npm run bench:plots -- FILE.json [FILE.json ...] [--out DIR]
 *
 * Draws what `npm run bench -- --json FILE.json` measured: step time against r, batch and depth, as SVG files in DIR
 * (by default beside the first file).
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { drawPlots } from "./draw-plots.ts";
import { readResults } from "./results.ts";

const { values, positionals } = parseArgs({
  options: { out: { type: "string" } },
  allowPositionals: true,
});
const [first] = positionals;
if (first === undefined) throw new Error("no FILE.json is named");
const folder = values.out ?? dirname(first);
await mkdir(folder, { recursive: true });
for (const [name, svg] of drawPlots(positionals.flatMap((file) => readResults(file).runs))) {
  await writeFile(join(folder, name), svg);
  console.log(join(folder, name));
}
