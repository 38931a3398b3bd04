/**
 * npm run bench:zoo -- --models DIR [--only NAME,NAME] [--json FILE] [--again | --kept]
 *
 * Takes every model of a folder (NAME.onnx with NAME.npz: what scripts/real-models makes, or any of that form) through
 * `efqat optimize`, one process each, and prints a row per model and exporter: how far it came, shares of MACs, weights
 * that the gradient reaches, distance from the float model before and after training, time and memory. What is done is
 * kept in build/zoo, and a run that was interrupted goes on from there; `--again` starts over, and `--kept` runs nothing: it
 * gathers what is kept. `--json docs/models/results.json`, then `npm run docs`, renew docs/models.md.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { findModels } from "./zoo/find-models.ts";
import { cellsOf, printRows } from "./zoo/print-rows.ts";
import { readRecord, type ZooResults } from "./zoo/results.ts";
import { runModel } from "./zoo/run-model.ts";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "build/models" },
    only: { type: "string", default: "" },
    json: { type: "string" },
    again: { type: "boolean", default: false },
    kept: { type: "boolean", default: false },
    limit: { type: "string", default: "600" },
  },
});

const common = [
  ...["--labels", "none", "--samples", "32", "--batch", "8", "--epochs", "1", "--val", "8"],
  ...["--forms", "estimate", "--threads", "1"],
];
const folder = "build/zoo";
mkdirSync(folder, { recursive: true });
const only = values.only.split(",").filter((name) => name !== "");
const rows: ZooResults["rows"] = [];
for (const model of findModels(values.models, only, common)) {
  const file = join(folder, `${model.name}-${model.exporter}.json`);
  const known = values.again ? undefined : readRecord(file, model.key);
  if (known === undefined && values.kept) continue;
  const row = known ?? (await runModel(model, folder, Number(values.limit)));
  if (known === undefined) writeFileSync(file, JSON.stringify({ key: model.key, row }));
  rows.push(row);
  console.error(cellsOf(row).join("  "));
}
printRows(rows);
const [{ model: cpu } = { model: "unknown" }] = cpus();
const command = "npm run bench:zoo -- --models DIR";
const results: ZooResults = { command, machine: { cpu, cores: cpus().length, node: process.version }, rows };
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 1)}\n`);
process.exitCode = rows.every(({ stages }) => stages.exported) ? 0 : 1;
