import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Report, reportSchema } from "../../src/report/report-data.ts";
import { floats } from "../../src/tensor/tensor.ts";
import { runCli } from "../cli/terminal.ts";
import { writeNpz } from "../support/write-numpy.ts";

const model = "fixtures/vit/model.onnx";

/** Test images that the results are judged on, behind the header of their file. */
const [images, header] = [300, 16];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-vit-"));
  const bytes = gunzipSync(await readFile("fixtures/fashion-mnist/t10k-images-idx3-ubyte.gz"));
  const pixels = bytes.subarray(header, header + images * 28 * 28);
  const values = Float32Array.from(pixels, (pixel) => (pixel / 255 - 0.286) / 0.353);
  await writeNpz(join(folder, "images.npz"), { input: floats(values, [images, 1, 28, 28]) });
});
afterAll(() => rm(folder, { recursive: true }));

/** A command on the trained ViT and test images of Fashion-MNIST, without labels; its report. */
async function run(command: string, ...more: string[]): Promise<Report> {
  const json = join(folder, `${command}.json`);
  const { stderr, exitCode } = await runCli([
    ...[command, model, "--data", join(folder, "images.npz"), "--labels", "none", "--threads", "1"],
    ...["--samples", "64", "--out", join(folder, `${command}.onnx`), "--json", json, ...more],
  ]);
  expect(stderr).not.toContain("Error");
  expect(exitCode).toBe(0);
  return reportSchema.parse(JSON.parse(await readFile(json, "utf8")));
}

/** Of the model that was written, which is the last one judged. */
const agreement = ({ scores }: Report): number => scores?.at(-1)?.agreement ?? 0;

test("a trained vision transformer keeps its classes at W8A8, in less than half of the bytes", async () => {
  const report = await run("quantize");
  expect(report.quantization?.weights).toBeGreaterThanOrEqual(18);
  expect(agreement(report)).toBeGreaterThan(0.95);
  expect((await stat(join(folder, "quantize.onnx"))).size).toBeLessThan(0.5 * (await stat(model)).size);
});

test("with weights of 4 bits it keeps most of them, and trains, whether or not a few steps are better than none", async () => {
  const report = await run(
    "optimize",
    ...["--wbits", "4", "--epochs", "0.3", "--val", "100", "--batch", "16", "--train-rows", "0.25"],
  );
  expect(report.training?.steps).toBeGreaterThan(0);
  expect(agreement(report)).toBeGreaterThan(0.85);
});
