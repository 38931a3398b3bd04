/**
 * npm run bench:static [-- --python PYTHON] [NAME ...]
 *
 * Quantizes small models of many kinds with `efqat quantize` and with onnxruntime.quantization.quantize_static (QDQ, per
 * channel, uint8 activations) on the same 32 samples, and prints the SQNR of both against the float model. Exits with 1
 * where efqat is more than 1 dB below. Needs a Python with numpy, onnx and onnxruntime.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { saveModel } from "../../../src/onnx/index.ts";
import { writeNpz } from "../../../test/support/write-numpy.ts";
import { staticCases } from "./cases.ts";

const allowance = 1;

interface Compared {
  name: string;
  own: number | null;
  static: number | null;
  reason?: string;
}

const { values, positionals } = parseArgs({
  options: { python: { type: "string", default: process.env["EFQAT_PYTHON"] ?? "python3" } },
  allowPositionals: true,
});
const names = Object.keys(staticCases).filter(
  (name) => positionals.length === 0 || positionals.includes(name),
);

/** Writes a case and what efqat makes of it into the folder. */
async function quantize(folder: string, name: string): Promise<void> {
  const { model, data } = staticCases[name]?.() ?? { model: undefined, data: {} };
  if (model === undefined) throw new Error(`no case ${name}`);
  const at = (suffix: string): string => join(folder, `${name}${suffix}`);
  await saveModel(model, at(".onnx"));
  await writeNpz(at(".npz"), data);
  const source = [at(".onnx"), "--data", at(".npz"), "--labels", "none", "--samples", "32", "--batch", "4"];
  await execa(process.execPath, [
    ...["--import", "tsx", "src/cli/main.ts", "quantize", ...source],
    ...["--out", at(".quantized.onnx"), "--quiet"],
  ]);
}

const shown = (decibels: number | null): string =>
  decibels === null ? "fails" : decibels >= 200 ? "exact" : decibels.toFixed(1);

const folder = await mkdtemp(join(tmpdir(), "efqat-static-"));
let below = 0;
try {
  for (const name of names) await quantize(folder, name);
  const script = "scripts/oracle/quantize_static.py";
  const { stdout } = await execa(values.python, [script, folder, ...names], {
    env: { PYTHONWARNINGS: "ignore" },
  });
  console.log("case              efqat, dB  quantize_static, dB");
  for (const line of stdout.split("\n").filter((each) => each.startsWith("{"))) {
    const { name, own, static: other, reason = "" } = JSON.parse(line) as Compared;
    const worse = own === null || (other !== null && own < other - allowance);
    if (worse) below++;
    const columns = [name.padEnd(16), shown(own).padStart(10), shown(other).padStart(20)];
    console.log([...columns, worse ? "  BELOW" : "", reason].join(" ").trimEnd());
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
console.log(below === 0 ? `None of ${names.length} is below.` : `${below} of ${names.length} below.`);
process.exitCode = below === 0 ? 0 : 1;
