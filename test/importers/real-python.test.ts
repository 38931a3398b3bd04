import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test, type TestContext } from "vitest";
import { describePython } from "../../src/importers/describe-python.ts";
import { type Report, reportSchema } from "../../src/report/report-data.ts";
import { runCli } from "../cli/terminal.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-real-import-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The Python of EFQAT_PYTHON, where it has all `packages`; else the test is left out and says why. */
async function requirePackages(context: TestContext, packages: readonly string[]): Promise<string> {
  const asked = process.env["EFQAT_PYTHON"];
  const python = asked === undefined ? undefined : await describePython(asked);
  const missing = packages.filter((name) => python?.packages.includes(name) !== true);
  if (python === undefined || missing.length > 0)
    context.skip(`EFQAT_PYTHON names no Python with ${packages.join(", ")}`);
  return asked as string;
}

const readReport = (name: string): Report => reportSchema.parse(JSON.parse(readFileSync(at(name), "utf8")));

const network = `
import numpy, torch
from torch import nn

def build():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    return net.train()
`;

test("a network of a Python file goes through one command to a quantized file", async (context) => {
  const python = await requirePackages(context, ["torch", "onnx", "onnxscript"]);
  await writeFile(at("net.py"), network);
  const data = `import numpy; numpy.savez(${JSON.stringify(at("x.npz"))}, input=numpy.random.default_rng(0).standard_normal((32, 3, 8, 8)).astype("f"))`;
  await execa(python, ["-c", data]);
  const outcome = await runCli([
    ...["from-torch", `${at("net.py")}:build`, "--input", "1x3x8x8", "--python", python],
    ...["--out", at("net.onnx"), "--json", at("import.json")],
    ...["--", "optimize", "--data", at("x.npz"), "--labels", "none", "--samples", "16", "--batch", "8"],
    ...["--out", at("net.int8.onnx"), "--json", at("optimize.json")],
  ]);
  expect(outcome.stderr).not.toContain("Error");
  expect(outcome.exitCode).toBe(0);
  const { imported, model } = readReport("import.json");
  expect(model?.inputs).toMatchObject([{ name: "input", shape: ["batch", 3, 8, 8] }]);
  expect(imported?.exporter).toContain("dynamo=True");
  // BatchNormalization is that of evaluation, whatever mode the module was in.
  expect(imported?.outputs[0]?.error).toBeLessThan(1e-5);
  expect(readReport("optimize.json").scores?.at(-1)?.sqnr).toBeGreaterThan(20);
}, 300_000);

test("a folder of a Hugging Face encoder is exported with its texts' length open", async (context) => {
  const python = await requirePackages(context, ["torch", "onnx", "onnxscript", "transformers"]);
  const make = `
import torch, transformers
torch.manual_seed(0)
config = transformers.BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=32, num_labels=3)
transformers.BertForSequenceClassification(config).save_pretrained(${JSON.stringify(at("bert"))})
`;
  await execa(python, ["-c", make]);
  const outcome = await runCli([
    ...["from-hf", at("bert"), "--python", python, "--out", at("bert.onnx"), "--json", at("hf.json")],
  ]);
  expect(outcome.stderr).not.toContain("Error");
  const { imported, model } = readReport("hf.json");
  expect(imported?.architecture).toBe("BertForSequenceClassification");
  expect(model?.inputs.map(({ name, shape }) => [name, shape])).toEqual(
    ["input_ids", "attention_mask", "token_type_ids"].map((name) => [name, ["batch", "length"]]),
  );
  expect(model?.outputs).toMatchObject([{ name: "logits", shape: ["batch", 3] }]);
}, 300_000);
