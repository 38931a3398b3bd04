/**
 * npm run bench [-- --models resnet20-cifar,resnet50,mobilenetv2,encoder-384x6,encoder-768x2,vit --arithmetic float,mixed,integer
 *                   --ratios 1,0.5,0.25,0.1,0.05,0 --budgets 0.35,0.5 --rounds 7 --threads 2 --no-torch --json FILE]
 *               [--sweeps --sweep-ratios 1,0.25,0.05 --batches 1,2,4,8 --batch-model resnet50
 *                --depths 8,14,20,32,44,56]
 *
 * Times training steps, interleaved in one run, and prints them as ratios: against this project's own full QAT
 * (r = 1, float forward), and against PyTorch QAT with learned scales where Python has torch (EFQAT_PYTHON names the
 * interpreter). Backward is the training graph's time less that of its own forward. --ratios are those of CWPL, on
 * artifacts whose algorithms of gradients were tried out at 1 for r above 0.5 and at 0.25 for the others; --budgets are those
 * of the mode cost. `--sweeps` also times steps against batch (of one model) and against depth (CIFAR-style ResNets,
 * batch 32 of 3x32x32), each point a run of its own. An empty list (`--models=`) leaves its part out.
 * `npm run bench:plots -- FILE` draws what --json wrote.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { format } from "prettier";
import { runtimeVersion } from "../../src/runtime/session.ts";
import { tunedRatio, writeCases } from "./bench-case.ts";
import { type BenchModel, benchModel, resNetOfDepth } from "./bench-models.ts";
import { measureMemory } from "./measure-memory.ts";
import { printRun } from "./print-run.ts";
import { type BenchResults, type BenchRun, arithmetics } from "./results.ts";
import { type Settings, timeModel } from "./time-model.ts";

const { values: options } = parseArgs({
  options: {
    models: {
      type: "string",
      default: "resnet20-cifar,resnet50,mobilenetv2,encoder-384x6,encoder-768x2,vit",
    },
    arithmetic: { type: "string", default: arithmetics.join(",") },
    ratios: { type: "string", default: "1,0.5,0.25,0.1,0.05,0" },
    budgets: { type: "string", default: "0.35,0.5" },
    rounds: { type: "string", default: "7" },
    threads: { type: "string", default: "2" },
    torch: { type: "boolean", default: true },
    json: { type: "string" },
    sweeps: { type: "boolean", default: false },
    "sweep-ratios": { type: "string", default: "1,0.25,0.05" },
    batches: { type: "string", default: "1,2,4,8" },
    "batch-model": { type: "string", default: "resnet50" },
    depths: { type: "string", default: "8,14,20,32,44,56" },
  },
  allowNegative: true,
});
const list = (text: string): string[] => text.split(",").filter((entry) => entry !== "");
const settings: Settings = {
  arithmetics: arithmetics.filter((each) => list(options.arithmetic).includes(each)),
  ratios: list(options.ratios).map(Number),
  budgets: list(options.budgets).map(Number),
  rounds: Number(options.rounds),
  threads: Number(options.threads),
  torch: options.torch,
};

const runs: BenchRun[] = [];
for (const name of list(options.models)) await run("ratio", benchModel(name), settings);
if (options.sweeps) {
  const sweep = { ...settings, ratios: list(options["sweep-ratios"]).map(Number), budgets: [] };
  for (const batch of list(options.batches))
    await run("batch", { ...benchModel(options["batch-model"]), batch: Number(batch) }, sweep);
  for (const depth of list(options.depths)) await run("depth", resNetOfDepth(Number(depth)), sweep);
}

/** Times a model, prints the result, and adds it to the file of --json. */
async function run(kind: BenchRun["kind"], model: BenchModel, chosen: Settings): Promise<void> {
  const { name, batch, sample, depth } = model;
  const what = `batch ${batch} of ${sample.join("x")}, W8A8, ${chosen.threads} threads, ${chosen.rounds} rounds`;
  console.log(`\n${name}, ${what}`);
  const reason = await writeCases(
    model,
    chosen.arithmetics,
    [...chosen.ratios, ...chosen.budgets].map(tunedRatio),
    chosen.threads,
  );
  if (reason !== undefined) {
    console.log(`  left out: ${reason}`);
    return;
  }
  const timings = await timeModel(model, chosen);
  const result: BenchRun = {
    kind,
    model: name,
    batch,
    sample: [...sample],
    ...(depth === undefined ? {} : { depth }),
    ...timings,
    ...(kind === "ratio" ? { memory: await measureMemory(name, chosen) } : {}),
  };
  printRun(result);
  runs.push(result);
  if (options.json !== undefined) await writeResults(options.json);
}

async function writeResults(file: string): Promise<void> {
  const results: BenchResults = {
    command: ["npm run bench --", ...process.argv.slice(2)].join(" "),
    machine: {
      cpu: cpus()[0]?.model.trim() ?? "unknown",
      cores: availableParallelism(),
      node: process.versions.node,
      onnxruntime: runtimeVersion(),
    },
    rounds: settings.rounds,
    threads: settings.threads,
    runs,
  };
  const short = (_key: string, value: unknown): unknown =>
    typeof value === "number" ? Number(value.toPrecision(5)) : value;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, await format(JSON.stringify(results, short), { parser: "json", printWidth: 110 }));
}
