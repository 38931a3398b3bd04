import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { expect, test } from "vitest";
import { randomTensor } from "../support/random-tensor.ts";
import { writeNpz } from "../support/write-numpy.ts";

test("the README's call runs", async () => {
  const [, snippet = ""] = /```ts\n([^]*?)```/.exec(readFileSync("README.md", "utf8")) ?? [];
  const folder = mkdtempSync(join(tmpdir(), "efqat-readme-"));
  try {
    copyFileSync("fixtures/resnet20/model.onnx", join(folder, "model.onnx"));
    await writeNpz(join(folder, "samples.npz"), { input: randomTensor([64, 1, 28, 28], 7) });
    const library = pathToFileURL(resolve("src/index.ts")).href;
    writeFileSync(join(folder, "call.mts"), snippet.replace('"efqat"', JSON.stringify(library)));
    const loader = import.meta.resolve("tsx");
    const { stdout } = await execa(process.execPath, ["--import", loader, "call.mts"], { cwd: folder });
    expect(stdout).toContain("sqnr");
    expect(existsSync(join(folder, "model.int8.onnx"))).toBe(true);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 120_000);
