import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createGraph, createModel } from "../../src/ir/graph.ts";
import { decodeModel, encodeModel, loadModel, saveModel } from "../../src/onnx/index.ts";
import { floats, viewAs } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";

let folder: string;
const at = (...parts: string[]): string => path.join(folder, ...parts);

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "efqat-save-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function sampleModel(count = 3000) {
  const graph = createGraph("g");
  graph.initializers.set("w", floats(Array.from({ length: count }, (_, i) => i)));
  return createModel(graph, 17);
}

describe("saveModel", () => {
  test("the file holds what encodeModel gives; weights loaded are views into it", async () => {
    await saveModel(sampleModel(), at("m.onnx"));
    expect(await readFile(at("m.onnx"))).toEqual(Buffer.from(encodeModel(sampleModel())));
    const bytes = new Uint8Array(encodeModel(sampleModel()));
    const model = await loadModel(at("m.onnx"));
    const tensor = model.graph.initializers.get("w");
    expect(tensor && viewAs(tensor, "float32")).toEqual(Float32Array.from({ length: 3000 }, (_, i) => i));
    expect(tensor?.bytes.buffer.byteLength).toBeGreaterThanOrEqual(bytes.byteLength);
    expect(Buffer.isBuffer(tensor?.bytes)).toBe(false);
  });

  test("decoding copies no weights", () => {
    const bytes = encodeModel(sampleModel());
    const tensor = decodeModel(bytes).graph.initializers.get("w");
    expect(tensor?.bytes.buffer).toBe(bytes.buffer);
    bytes.fill(0);
    expect(tensor?.bytes.every((byte) => byte === 0)).toBe(true);
  });

  test("an existing file is replaced as a whole; a link keeps pointing to the file", async () => {
    await writeFile(at("real.onnx"), "old");
    await symlink("real.onnx", at("link.onnx"));
    await saveModel(sampleModel(), at("link.onnx"));
    expect((await loadModel(at("real.onnx"))).graph.initializers.size).toBe(1);
    expect((await readdir(folder)).sort()).toEqual(["link.onnx", "real.onnx"]);
  });

  test("a model may be saved over the file it was loaded from", async () => {
    await saveModel(sampleModel(), at("m.onnx"));
    const model = await loadModel(at("m.onnx"));
    model.graph.name = "renamed";
    await saveModel(model, at("m.onnx"));
    expect((await loadModel(at("m.onnx"))).graph.name).toBe("renamed");
  });

  test("a folder that does not exist, and a folder instead of a file", async () => {
    const missing = await catchUserError(() => saveModel(sampleModel(), at("no", "m.onnx")));
    expect([missing.code, missing.message]).toEqual(["environment/write", "The folder does not exist"]);
    await mkdir(at("m.onnx"));
    await writeFile(at("m.onnx", "inside"), "");
    const error = await catchUserError(() => saveModel(sampleModel(), at("m.onnx")));
    expect(error.code).toBe("environment/write");
    expect(await readdir(folder)).toEqual(["m.onnx"]);
  });

  test("a folder without write permission", async (context) => {
    if (process.getuid?.() === 0) context.skip("root may write everywhere");
    await chmod(folder, 0o500);
    const error = await catchUserError(() => saveModel(sampleModel(), at("m.onnx")));
    await chmod(folder, 0o700);
    expect(error.code).toBe("environment/write");
    expect(error.hint).toContain("permissions");
  });
});

describe("a disk that fills up", () => {
  test("leaves the old files and no others, under a real limit of the operating system", async (context) => {
    if (process.platform === "win32") context.skip("ulimit is a POSIX shell command");
    await saveModel(sampleModel(10), at("m.onnx"));
    const before = await readFile(at("m.onnx"));
    await saveModel(sampleModel(200_000), at("source.onnx"));
    const onnx = pathToFileURL(path.resolve("src/onnx/index.ts")).href;
    const script = `
      import { loadModel, saveModel } from ${JSON.stringify(onnx)};
      const options = { externalData: process.argv[2] };
      await saveModel(await loadModel("source.onnx"), "m.onnx", options).catch((error) => console.log(error.code));`;
    await writeFile(at("save.mjs"), script);
    const loader = pathToFileURL(path.resolve("node_modules/tsx/dist/loader.mjs")).href;
    for (const externalData of ["never", "always"]) {
      // 600 blocks of 1 KiB: less than the model's 800 KB.
      const command = `ulimit -f 600; exec "$0" --import "$1" save.mjs ${externalData}`;
      const { stdout } = await execa("bash", ["-c", command, process.execPath, loader], { cwd: folder });
      expect(stdout).toBe("environment/disk-full");
      expect(await readFile(at("m.onnx"))).toEqual(before);
      expect((await readdir(folder)).sort()).toEqual(["m.onnx", "save.mjs", "source.onnx"]);
    }
    expect((await stat(at("source.onnx"))).size).toBeGreaterThan(800_000);
  });
});
