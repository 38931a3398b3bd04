import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withConfiguration } from "../../src/cli/with-configuration.ts";
import { runCli } from "../cli/terminal.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "efqat-config-"));
  mkdirSync(join(folder, "inner"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(text: string, name = "run.yaml"): string {
  const path = join(folder, "inner", name);
  writeFileSync(path, text);
  return path;
}

const inner = (name: string): string => join(folder, "inner", name);

describe("options of a file", () => {
  test("stand before those of the command line, with paths relative to the file", () => {
    const file = write(
      `command: optimize
model: model.onnx
data: { path: samples.npz, mean: [0.1, 0.2], resize: [8, 9] }
out: /abs/out.onnx
labels: none
training: { epochs: 0.5, chooseRows: cost }
excludeOps: [Softmax, Gelu]
input-shape: { x: [1, 3], "y:0": 2 }
memoryLimit: 2000000000
resume: true
portable: false
`,
    );
    expect(withConfiguration(["optimize", "--config", file, "--epochs", "2"])).toEqual([
      "optimize",
      `--data=${inner("samples.npz")}`,
      "--mean=0.1,0.2",
      "--resize=8x9",
      "--out=/abs/out.onnx",
      "--labels=none",
      "--epochs=0.5",
      "--mode=cost",
      "--exclude-ops=Softmax,Gelu",
      "--input-shape=x=1,3,y:0=2",
      "--memory-limit=2000000kB",
      "--resume",
      inner("model.onnx"),
      ...["--config", file, "--epochs", "2"],
    ]);
  });

  test("may name the command and its argument, or leave them to the command line", () => {
    const file = write("command: inspect\nmodel: model.onnx\n");
    expect(withConfiguration(["--config", file])).toEqual(["inspect", inner("model.onnx"), "--config", file]);
    expect(withConfiguration(["inspect", "other.onnx", `--config=${file}`])).toEqual([
      "inspect",
      "other.onnx",
      `--config=${file}`,
    ]);
  });

  test("run a command, JSON too", async () => {
    const file = write(
      JSON.stringify({
        command: "inspect",
        model: resolve("fixtures/resnet20/model.onnx"),
        wbits: 8,
        json: "r.json",
      }),
      "run.json",
    );
    expect(await runCli(["--config", file, "--wbits", "4"])).toMatchObject({ exitCode: 0, stderr: "" });
    const report = JSON.parse(readFileSync(inner("r.json"), "utf8")) as { options: unknown };
    expect(report.options).toMatchObject({ quantization: { wbits: 4 } });
  });

  test.each<[string, string, RegExp]>([
    ["is no YAML", "a: [1\nb: 2", /neither YAML nor JSON.*run\.yaml/s],
    ["holds no options", "- a\n", /no options by name/],
    ["names no command", "model: m.onnx\n", /names no command.*command: optimize/],
    ["names an unknown command", "command: optimise\n", /no command "optimise"/],
    ["has an unknown option", "command: optimize\nepoch: 3\n", /--epoch.*run\.yaml.*--epochs/],
    ["has an unknown choice", "command: optimize\nwbits: 5\n", /--wbits is "5".*run\.yaml/],
    [
      "has a value of a wrong type",
      "command: optimize\nepochs: { a: 1 }\n",
      /--epochs is an object.*run\.yaml/,
    ],
    ["has a model that is no path", "command: optimize\nmodel: [1]\n", /model is object, not a path/],
    [
      "holds a bomb of aliases",
      `command: inspect\na: &a [1,1,1,1,1,1,1,1,1]\n${["b", "c", "d", "e", "f", "g", "h"].map((name, at) => `${name}: &${name} [${Array(9).fill(`*${"abcdefg"[at]}`).join(",")}]`).join("\n")}\n`,
      /configuration/,
    ],
  ])("are refused where the file %s", async (_, text, message) => {
    const { exitCode, stderr } = await runCli(["--config", write(text)]);
    expect({ exitCode, stderr: stderr.replaceAll("\n", " ") }).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(message) as string,
    });
  });

  test("are not those of another command", async () => {
    const file = write("command: quantize\n");
    const { exitCode, stderr } = await runCli(["optimize", "--config", file]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("is for efqat quantize, not for efqat optimize");
  });
});

test("init writes a configuration that optimize takes, and never over a file", async () => {
  const out = inner("efqat.yaml");
  const model = resolve("fixtures/resnet20/model.onnx");
  expect(await runCli(["init", model, "--out", out])).toMatchObject({ exitCode: 0 });
  expect(withConfiguration(["--config", out]).slice(0, 3)).toEqual([
    "optimize",
    `--data=${inner("samples.npz")}`,
    `--out=${inner("model.quantized.onnx")}`,
  ]);
  const filled = readFileSync(out, "utf8").replace(/^#(?=[a-z-]+: .)/gm, "");
  writeFileSync(inner("filled.yaml"), filled);
  expect(() => withConfiguration(["--config", inner("filled.yaml")])).not.toThrow();
  expect(await runCli(["init", model, "--out", out])).toMatchObject({ exitCode: 2 });
});
