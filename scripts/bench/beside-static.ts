/**
 * npm run bench:beside-static [-- --python PYTHON] [NETWORK ...]
 *
 * Quantizes the networks of fixtures/ to W8A8 with `efqat quantize` and `efqat optimize` (512 calibration images, a quarter
 * of the rows for one epoch), and prints them beside what onnxruntime.quantization.quantize_static makes of the same float
 * model: top-1 on 10,000 images, share of images with the float model's class, size, and latency in turns on one thread.
 * Needs a Python with numpy, onnx and onnxruntime.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";

const { values, positionals } = parseArgs({
  options: { python: { type: "string", default: process.env["EFQAT_PYTHON"] ?? "python3" } },
  allowPositionals: true,
});
const networks = positionals.length > 0 ? positionals : ["resnet20", "mobilenetv3", "vit"];
const images = "fixtures/fashion-mnist";

/** Runs a command of efqat on a network's training images; the file that it writes. */
async function written(folder: string, command: "quantize" | "optimize", model: string): Promise<string> {
  const out = join(folder, `${command}.onnx`);
  const data = [
    "--data",
    images,
    "--split",
    "train",
    "--mean",
    "0.286",
    "--std",
    "0.353",
    "--samples",
    "512",
  ];
  const more = command === "optimize" ? ["--train-rows", "0.25", "--epochs", "1"] : [];
  await execa(process.execPath, [
    ...["--import", "tsx", "src/cli/main.ts", command, model, ...data, ...more],
    ...["--out", out, "--quiet"],
  ]);
  return out;
}

const folder = await mkdtemp(join(tmpdir(), "efqat-beside-"));
try {
  for (const network of networks) {
    const model = `fixtures/${network}/model.onnx`;
    const quantized = await written(folder, "quantize", model);
    const trained = await written(folder, "optimize", model);
    console.log(`\n${network}`);
    const files = [`efqat quantize=${quantized}`, `efqat optimize=${trained}`];
    await execa(values.python, ["scripts/oracle/compare_static.py", model, images, ...files], {
      env: { PYTHONWARNINGS: "ignore" },
      stdout: "inherit",
    });
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
