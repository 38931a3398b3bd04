/**
 * npm run bench:accuracy -- --data DIR [--model FILE] [--bits 8/8,4/8,4/4] [--ratios 0.25] [--seeds 0,1,2]
 *                           [--out DIR] [-- further options of efqat optimize]
 *
 * Runs `efqat optimize` for every combination and prints top-1 on the whole test part of the data (a Fashion-MNIST
 * folder with the four standard files): the float model, post-training quantization alone, and after EfQAT, all as
 * exported files in plain ONNX Runtime. A combination whose report is already in --out is not run again.
 */
import { execa } from "execa";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { type Report, reportSchema } from "../../src/report/report-data.ts";

const { values, positionals } = parseArgs({
  options: {
    data: { type: "string", default: "fixtures/fashion-mnist" },
    model: { type: "string", default: "fixtures/resnet20/model.onnx" },
    bits: { type: "string", default: "8/8,4/8,4/4" },
    ratios: { type: "string", default: "0.25" },
    seeds: { type: "string", default: "0,1,2" },
    out: { type: "string", default: "build/accuracy" },
  },
  allowPositionals: true,
});

const percent = (fraction: number | undefined): string =>
  fraction === undefined ? "-" : (fraction * 100).toFixed(2);
const list = (text: string): string[] => text.split(",");
const columns = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(9)).join("");

await mkdir(values.out, { recursive: true });
console.log(`${values.model}, ${values.data}${positionals.length > 0 ? `, ${positionals.join(" ")}` : ""}`);
console.log(columns(["W/A", "r", "seed", "float", "PTQ", "EfQAT", "to float", "train s"]));
for (const bits of list(values.bits)) {
  for (const ratio of list(values.ratios)) {
    for (const seed of list(values.seeds)) {
      const { report, judged } = await optimizeOnce(bits, ratio, seed);
      const top1 = (model: string): number | undefined => judged.find((score) => score.model === model)?.top1;
      const change = ((top1("efqat") ?? NaN) - (top1("float") ?? NaN)) * 100;
      const scores = ["float", "ptq", "efqat"].map((model) => percent(top1(model)));
      const seconds = (report.training?.seconds ?? NaN).toFixed(0);
      console.log(columns([bits, ratio, seed, ...scores, change.toFixed(2), seconds]));
    }
  }
}

/** One run of the command line, or the report it left the last time, and the scores with labels. */
async function optimizeOnce(
  bits: string,
  ratio: string,
  seed: string,
): Promise<{ report: Report; judged: NonNullable<Report["scores"]> }> {
  const [wbits = "8", abits = "8"] = bits.split("/");
  const network = basename(dirname(values.model));
  const options = positionals.map((option) => option.replace(/[^\w.]+/g, "")).join("_");
  const name = [network, `w${wbits}a${abits}`, `r${ratio}`, `s${seed}`, options].filter(Boolean).join("-");
  const file = join(values.out, `${name}.onnx`);
  const run = ["--wbits", wbits, "--abits", abits, "--ratio", ratio, "--seed", seed, "--out", file];
  const report = await efqat(
    ["optimize", values.model, "--split", "train", ...run, ...positionals],
    join(values.out, `${name}.json`),
  );
  const { scores = [] } = report;
  if (scores.some((score) => score.top1 !== undefined)) return { report, judged: scores };
  // Trained without labels: the test part's labels judge the result.
  const evaluation = await efqat(
    ["evaluate", file, "--split", "test", "--reference", values.model],
    join(values.out, `${name}-test.json`),
  );
  const known = { reference: "float", model: "efqat" } as Record<string, string>;
  const judged = (evaluation.scores ?? []).map((score) => ({
    ...score,
    model: (known[score.model] ?? score.model) as typeof score.model,
  }));
  return { report, judged };
}

/** The report of a command that is run unless its report is there. */
async function efqat(command: readonly string[], json: string): Promise<Report> {
  if (!existsSync(json)) {
    const data = ["--data", values.data, "--mean", "0.2860", "--std", "0.3530"];
    const cli = ["--import", "tsx", "src/cli/main.ts", ...command, ...data];
    await execa(process.execPath, [...cli, "--json", json, "--quiet"], {
      stdout: "ignore",
      stderr: "inherit",
    });
  }
  return reportSchema.parse(JSON.parse(await readFile(json, "utf8")));
}
